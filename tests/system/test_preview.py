"""agent_merge_preview() on real clusters: it says what the merge then does, and changes nothing."""
import psycopg2
import pytest

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


def preview(system, name):
    return system.one("SELECT agent_merge_preview(%s)", name)


def test_a_preview_says_what_the_merge_does(real, orders):
    real.register(gates={"filled": f"SELECT id FROM {orders} WHERE item IS NULL"})
    real.ready("s")
    real.migrate("s", f"ALTER TABLE {orders} ADD COLUMN note text NOT NULL DEFAULT 'none'; "
                      f"UPDATE {orders} SET note = 'seen' WHERE id = 1")
    parent, before = real.uri("s", "parent"), real.session("s")
    query(parent, f"INSERT INTO {orders} (item) VALUES ('by others')")
    said = preview(real, "s")
    assert (said["possible"], said["strategy"]) == (True, "replay"), said["why"]
    proofs = {name: proof["holds"] for name, proof in said["proofs"].items()}
    assert proofs == {"still": False, "same_schema": True, "all_recorded": True, "one_piece": True}
    column = {change["object"]: change for change in said["changes"]}[
        f"column note of table public.{orders}"]
    assert column["change"] == "added" and "none" in column["definition"]
    assert column["definition"] in said["ddl"]
    assert said["parent_changes"] == []
    table = {one["table"]: one for one in said["tables"]}[f"public.{orders}"]
    assert (table["rows"], table["updated"], table["lock"]) == (4, 1, "AccessExclusiveLock")
    assert [(gate["name"], gate["holds"]) for gate in said["gates"]] == [("filled", True)]
    assert not said["strategies"]["restore"]["possible"]
    assert said["strategies"]["restore"]["loses"]
    after = real.session("s")
    assert (after["state"], after["error"]) == ("ready", None)
    assert after["branch_id"] == before["branch_id"]
    assert query(parent, f"SELECT count(*) FROM {orders}") == [(4,)]
    assert real.rows("SELECT 1 AS one FROM agent_merges WHERE session_id = %s", after["id"]) == []

    # What both sides changed, and what no migration did, in a transaction that can write nothing.
    query(parent, f"ALTER TABLE {orders} ADD COLUMN theirs int")
    query(real.uri("s"), f"INSERT INTO {orders} (item) VALUES ('by hand')")
    with real.connect() as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT agent_merge_preview('s')")
        said = cursor.fetchone()[0]
        connection.rollback()
    assert not said["possible"] and said["refusal"]["sqlstate"] == "AB005"
    assert any(f"column theirs of table public.{orders}" == change["object"]
               for change in said["parent_changes"])
    assert any(f"public.{orders}" in told for told in said["unrecorded"])
    real.merge("s", "conflict")
    assert real.session("s")["error"].startswith(said["refusal"]["message"])
    real.discard("s")


def test_a_session_that_is_not_ready_is_told_so(real):
    real.ready("s")
    assert preview(real, "s")["strategy"] == "nothing"
    real.migrate("s", "SELECT no_such_function()", "failed")
    for name, code in (("s", "55000"), ("nobody", "42704")):
        with pytest.raises(psycopg2.Error) as error:
            preview(real, name)
        assert error.value.pgcode == code and error.value.diag.message_hint
    real.discard("s")
    with pytest.raises(psycopg2.Error) as error:
        preview(real, "s")
    assert error.value.pgcode == "55000"
