"""What came of it all: development's schema and rows, and what the API was asked."""
import re
from collections import Counter

from stage import Trouble

_TABLES = ("customers", "orders", "order_lines")
_KINDS = [
    ("POST", r"/branches$", "created a branch", "created branches"),
    ("POST", r"/restore$", "merged", "merged"),
    ("DELETE", r"/branches/[^/]+$", "deleted a branch", "deleted branches"),
    ("PATCH", r"/branches/[^/]+$", "changed an expiry", "changed an expiry"),
    ("GET", r"/operations", "asked how operations are getting on", None),
    ("GET", r"/branches", "looked at branches", None),
    ("GET", r"/connection_uri$", "fetched connection URIs", None),
]


def count_rows(stage, uri):
    return {name: int(stage.value(f"SELECT count(*) FROM {name}", uri=uri)) for name in _TABLES}


def schema(stage, uri):
    """The tables that the merges changed, as psql shows them. Raises Trouble if a merge is missing
    or something is there that nobody merged."""
    found = stage.value("""
        SELECT string_agg(what, ', ' ORDER BY what)
          FROM (SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
                   AND relname IN ('returns', 'stock', 'sales_per_month', 'orders_ordered_on')
                UNION ALL
                SELECT attrelid::regclass || '.' || attname FROM pg_attribute
                 WHERE attrelid IN ('customers'::regclass, 'orders'::regclass)
                   AND attname IN ('loyalty_points', 'wants_letters', 'total')) AS new (what)""", uri=uri)
    merged = ("customers.loyalty_points, customers.wants_letters, orders_ordered_on, returns, "
              "sales_per_month")
    if found != merged:
        raise Trouble(f"development should have gained {merged}, and nothing else; it has gained: "
                      f"{found or 'nothing'}")
    return "\n\n".join(stage.table(f"\\d {name}", uri=uri) for name in ("customers", "returns"))


def compare_rows(stage, uri, before, customers):
    after = count_rows(stage, uri)
    placed = len(customers.acknowledged)
    lines = [f"{'rows':<36}{'before':>10}{'placed':>10}{'after':>10}"]
    expected = {}
    for name, count in before.items():
        added = placed if name in ("orders", "order_lines") else 0
        expected[name] = count + added
        lines.append(f"{name:<36}{count:>10,}{added:>10,}{after[name]:>10,}")
    points = int(stage.value("SELECT count(*) FROM customers WHERE loyalty_points > 0", uri=uri))
    lines.append(f"{'customers with loyalty points':<36}{'':>20}{points:>10,}")
    lost = customers.lost()
    lines.append(f"{'orders acknowledged and lost':<36}{'':>20}{len(lost):>10,}")
    # One whose answer was lost with its connection may be there all the same.
    missing = any(after[name] < count for name, count in expected.items())
    if missing or lost or points == 0:
        raise Trouble("rows are missing in development\n" + "\n".join(lines))
    return lines


def calls(requests):
    """A sentence about the requests that the API met."""
    counted, refused = Counter(), Counter()
    for request in requests:
        if request["status"] >= 400 or request["status"] == 0:
            refused[request["status"]] += 1
        for kind in _KINDS:
            if request["method"] == kind[0] and re.search(kind[1], request["path"]):
                counted[kind[2]] += 1
                break
        else:
            counted["other"] += 1
    parts = [f"{counted[kind[2]]} {kind[3] or kind[2]}" for kind in _KINDS if counted[kind[2]]]
    if counted["other"]:
        parts.append(f"{counted['other']} did something else")
    text = f"In all the API met {len(requests)} calls: {', '.join(parts)}."
    if refused:
        text += " Refused: " + ", ".join(f"{number} with status {status}"
                                         for status, number in sorted(refused.items())) + "."
    else:
        text += " It refused none."
    return text
