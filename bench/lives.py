"""Lives of sessions, beside those that the floor and a Node program lead."""
from stage import STATEMENTS, Row, Unmeasured, alternate, host, median, stage

ROUNDS = 8
EACH = 5


def _warm(place, merge="none", statements=()):
    place.client("ours", sessions=3, prefix="warm-o", merge=merge, statements=list(statements))
    place.client("floor", sessions=3, prefix="warm-f", merge=merge, statements=list(statements))


def create_to_ready():
    """The time to a branch that can be used, at two latencies of the API. The floor looks its parent up by
    its name, as whoever is told a name has to."""
    rows = []
    with stage(durations="zero,response=200") as place:
        _warm(place)
        answers = alternate(
            3, ours=lambda n: place.client("ours", sessions=3, prefix=f"o{n}-"),
            floor=lambda n: place.client("floor", sessions=3, prefix=f"f{n}-", find_parent=1))
    ours, floor = (median(answers[name], "ready_ms") for name in ("ours", "floor"))
    rows.append(Row("create→ready, the API answers after 200 ms", f"{ours:.0f} ms", f"floor {floor:.0f} ms",
                    f"{ours / floor:.2f}", "≤ 1.05", ours / floor <= 1.05,
                    numbers={"ours": ours, "floor": floor}))
    with stage() as place:
        _warm(place)
        answers = alternate(
            ROUNDS, ours=lambda n: place.client("ours", sessions=EACH, prefix=f"o{n}-"),
            floor=lambda n: place.client("floor", sessions=EACH, prefix=f"f{n}-", find_parent=1))
    ours, floor = (median(answers[name], "ready_ms") for name in ("ours", "floor"))
    rows.append(Row("create→ready, the API answers at once", f"{ours:.1f} ms", f"floor {floor:.1f} ms",
                    f"+{ours - floor:.1f} ms", "≤ 3 ms more", ours - floor <= 3,
                    numbers={"ours": ours, "floor": floor}))
    return rows


def _sessions_gone(place):
    """What the worker still does after a session must not be counted to the next one."""
    host.wait_until(lambda: not place.system.one(
        "SELECT count(*) FROM agent_branch.kept_branch WHERE deleted_at IS NULL"), 60, "clean-up")


def life_with_merge():
    rows = []
    for merge in ("replay", "restore"):
        with stage() as place:
            _warm(place, merge, STATEMENTS)

            def ours(number, place=place, merge=merge):
                answer = place.client("ours", sessions=EACH, prefix=f"o{number}-", merge=merge,
                                      statements=STATEMENTS)
                _sessions_gone(place)
                return answer

            def floor(number, place=place, merge=merge):
                return place.client("floor", sessions=EACH, prefix=f"f{number}-", merge=merge,
                                    statements=STATEMENTS)

            clients = {"ours": ours, "floor": floor}
            for name, durable in (("Node", False), ("Node durable", True)):
                clients[name] = lambda number, durable=durable, place=place, merge=merge: place.node(
                    durable=durable, sessions=EACH, prefix=f"{'d' if durable else 'n'}{number}-",
                    merge=merge, statements=STATEMENTS)
            before = len(place.emulator.requests())
            try:
                answers = alternate(ROUNDS, **clients)
            except Unmeasured:
                if "Node" not in clients:
                    raise
                for name in ("Node", "Node durable"):
                    clients.pop(name)
                answers = alternate(ROUNDS, **{
                    name: lambda number, run=run: run(number + 100) for name, run in clients.items()})
            calls = place.system.one(
                "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY api_calls) FROM agent_sessions "
                "WHERE session LIKE 'o%%'")
            assert before >= 0
            merges = place.system.rows(
                "SELECT extract(epoch FROM finished_at - started_at)::float8 * 1000 AS ms, chosen "
                "FROM agent_merges WHERE session LIKE 'o%%'")
        medians = {name: median(answer) for name, answer in answers.items()}
        ratio = medians["ours"] / medians["floor"]
        peers = ", ".join(f"{name} {ms:.1f} ms" for name, ms in medians.items() if name != "ours")
        rows.append(Row(f"a life with merge by {merge}, the API answers at once", f"{medians['ours']:.1f} ms",
                        peers, f"{ratio:.2f}", "≤ 1.25", ratio <= 1.25, numbers=medians))
        most = {"replay": 6, "restore": 9}[merge]
        rows.append(Row(f"API calls of a life with merge by {merge}", f"{calls}", "", "", f"≤ {most}",
                        calls <= most, numbers={"calls": calls}))
        if merge == "replay":
            took = sorted(row["ms"] for row in merges if row["chosen"] == "replay")
            if not took:
                raise Unmeasured("nothing was merged by replay")
            ms = took[len(took) // 2]
            rows.append(Row("a merge by replay of three statements", f"{ms:.1f} ms", "", "", "≤ 25 ms",
                            ms <= 25, numbers={"ms": ms}))
    return rows


def hundred_at_once():
    with stage(durations="zero,response=200", register={"max_parallel": 100}) as place:
        options = {"sessions": 100, "parallel": 100, "statements": STATEMENTS[:1]}
        _warm(place)
        floor = place.client("floor", merge="restore", prefix="f", **options)
        ours = place.client("ours", merge="auto", prefix="o", **options)
        refused = [one for one in place.emulator.requests()
                   if one["path"].endswith("/restore") and one["status"] == 423]
        own = [one for one in refused if "branch-for-revision" in (one.get("body") or "")]
    ratio = ours["makespan_ms"] / floor["makespan_ms"]
    return [Row("100 sessions at once with merge into one parent, 200 ms: makespan",
                f"{ours['makespan_ms'] / 1000:.1f} s", f"floor {floor['makespan_ms'] / 1000:.1f} s",
                f"{ratio:.2f}", "≤ 1.0", ratio <= 1.0,
                numbers={"ours": ours["makespan_ms"], "floor": floor["makespan_ms"]}),
            Row("merges of these that Neon refused", f"{len(own)}", f"floor {len(refused) - len(own)}", "",
                "0", not own, numbers={"ours": len(own), "floor": len(refused) - len(own)})]


def throughput():
    sessions, parallel = 320, 64
    with stage(projects=32, register={"max_parallel": 10}) as place:
        options = {"projects": place.projects, "sessions": sessions, "parallel": parallel,
                   "statements": STATEMENTS[:1]}
        _warm(place)
        clients = {"ours": lambda n: place.client("ours", prefix=f"o{n}-", **options),
                   "floor": lambda n: place.client("floor", prefix=f"f{n}-", **options)}
        try:
            place.node(sessions=1, prefix="probe")
            clients["Node durable"] = lambda n: place.node(durable=True, prefix=f"d{n}-", **options)
        except Unmeasured:
            pass
        answers = alternate(2, **clients)
    rate = {name: 2 * sessions / answer["makespan_ms"] * 1000 for name, answer in answers.items()}
    ratio = rate["ours"] / rate["floor"]
    peers = ", ".join(f"{name} {value:.0f}/s" for name, value in rate.items() if name != "ours")
    return [Row("lives without merge a second, 64 in flight", f"{rate['ours']:.0f}/s", peers,
                f"{ratio:.2f}", "≥ 0.85", ratio >= 0.85, numbers=rate)]
