"""Gates on real clusters: assertions of a project's own that a merge has to pass."""
import pytest

from host import wait_until
from system import query, unique


@pytest.fixture
def orders(real):
    """A table of development with three rows."""
    table = unique("orders")
    real.ready("base")
    real.migrate("base", f"CREATE TABLE {table} (id serial PRIMARY KEY, item text); "
                         f"INSERT INTO {table} (item) VALUES ('a'), ('b'), ('c')")
    real.merge("base")
    yield table
    real.register()


def refused(system, name):
    system.merge(name, "conflict")
    return {row["object"]: row for row in system.rows(
        "SELECT c.* FROM agent_conflicts c WHERE session_id = %s ORDER BY found_at DESC",
        system.session(name)["id"])}


def gates_of(system, name):
    return system.rows("SELECT gates FROM agent_merges WHERE session = %s "
                       "ORDER BY requested_at DESC LIMIT 1", name)[0]["gates"]


def test_a_gate_refuses_with_its_counterexamples_until_it_holds(real, orders):
    real.register(gates={
        "every order has an item": f"SELECT id, item FROM {orders} WHERE item IS NULL;",
        "there are orders": {"sql": f"SELECT count(*) > 0 FROM {orders} -- some", "on": "parent"}})
    real.ready("s")
    real.migrate("s", f"INSERT INTO {orders} (id, item) SELECT 100 + n, NULL "
                      f"FROM generate_series(1, 7) AS n")
    parent = real.uri("s", "parent")
    for strategy in ("replay", "restore"):
        real.merge("s", "conflict", strategy=strategy)
        error = real.session("s")["error"]
        assert error.startswith('gate "every order has an item" does not hold'), error
        assert "more than 5 rows" in error and '"id": 101' in error
    row = refused(real, "s")["gate every order has an item"]
    assert row["change"] == "refused"
    assert row["counterexamples"][0] == {"id": 101, "item": None}
    assert len(row["counterexamples"]) == 5
    assert [(gate["name"], gate["holds"]) for gate in gates_of(real, "s")] == [
        ("every order has an item", False), ("there are orders", True)]
    assert query(parent, f"SELECT count(*) FROM {orders}") == [(3,)]
    real.migrate("s", f"UPDATE {orders} SET item = 'd' WHERE item IS NULL")
    real.merge("s")
    assert all(gate["holds"] for gate in gates_of(real, "s"))
    assert query(parent, f"SELECT count(*) FROM {orders}") == [(10,)]


def test_a_gate_can_neither_write_nor_last(real, orders):
    """It is one query whatever its text is, and leaves nothing in the connection."""
    real.ready("s")
    real.migrate("s", f"""CREATE FUNCTION {orders}_trick(text) RETURNS boolean
        LANGUAGE plpgsql VOLATILE AS $$ BEGIN EXECUTE $1; RETURN true; END $$""")
    tricks = {
        "writes": f"SELECT {orders}_trick('DELETE FROM {orders}')",
        "makes itself writable": f"SELECT {orders}_trick('SET TRANSACTION READ WRITE')",
        "commits": f"SELECT {orders}_trick('COMMIT')",
        "draws a number": f"SELECT nextval('{orders}_id_seq') > 0",
        "is wrong": "SELECT * FROM nowhere",
        "lasts": {"sql": "SELECT pg_sleep(60)", "timeout": "100 ms"},
        "ends its connection": "SELECT pg_terminate_backend(pg_backend_pid())",
        "listens": f"SELECT {orders}_trick('LISTEN x')",
        "locks": "SELECT pg_advisory_lock(7) IS NOT NULL"}
    real.register(gates=tricks)
    real.merge("s", "conflict")
    answers = {gate["name"]: gate for gate in gates_of(real, "s")}
    codes = {name: answer.get("sqlstate") for name, answer in answers.items()}
    assert codes == {
        "writes": "25006", "makes itself writable": "25001", "commits": codes["commits"],
        "draws a number": "25006", "is wrong": "42P01", "lasts": "57014",
        "ends its connection": codes["ends its connection"], "listens": None, "locks": None}
    assert codes["commits"] and codes["ends its connection"]
    assert not any(answers[name]["holds"] for name in codes if codes[name])
    uri = real.uri("s")
    assert query(uri, f"SELECT count(*) FROM {orders}") == [(3,)]
    wait_until(lambda: query(uri, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
               == [(0,)], 10, "the lock to be gone")
    real.register()
    real.discard("s")


def test_limits_hold_against_what_was_measured(real, orders):
    limits = {"max_tables": 1, "max_rows_rewritten": 2, "max_rows_deleted": 0,
              "strongest_lock": "RowExclusiveLock", "longest_lock": "0"}
    real.register(gates={"small": limits})
    real.ready("small")
    real.migrate("small", f"UPDATE {orders} SET item = item || '!' WHERE id < 3; "
                          f"CREATE TABLE {orders}_new (id int); "
                          f"INSERT INTO {orders}_new SELECT id FROM {orders}")
    real.merge("small")
    real.ready("large")
    lock = f"AccessExclusiveLock on public.{orders}"
    for sql, exceeded in (
            (f"DELETE FROM {orders} WHERE id = 1", {"max_rows_deleted": 1}),
            (f"ALTER TABLE {orders} ALTER COLUMN item TYPE varchar(9)",
             {"max_rows_deleted": 1, "max_rows_rewritten": 3, "strongest_lock": lock}),
            (f"DROP TABLE {orders}",
             {"max_rows_deleted": 4, "max_rows_rewritten": 3, "strongest_lock": lock})):
        real.migrate("large", sql)
        row = refused(real, "large")["gate small"]
        measured = {one["limit"]: one["measured"] for one in row["counterexamples"]}
        measured.pop("longest_lock", None)  # of a few milliseconds, or less than one
        assert measured == exceeded, sql
    real.discard("large")
