"""Merges that keep what others wrote, on real clusters: by replay, by candidate, after a rebase."""
import threading

import psycopg2
import pytest

from host import wait_until
from system import query, unique


def parent_of(system, name):
    return system.uri(name, "parent")


@pytest.fixture
def orders(real):
    """A table of development that others write to."""
    table = unique("orders")
    real.ready("base")
    real.migrate("base", f"CREATE TABLE {table} (id serial PRIMARY KEY, item text)")
    real.merge("base")
    return table


def merge_of(system, name):
    return system.rows("SELECT * FROM agent_merges WHERE session = %s ORDER BY requested_at DESC",
                       name)[0]


def test_rows_written_to_development_meanwhile_are_there_after_the_merge(real, orders):
    real.ready("s")
    parent = parent_of(real, "s")
    query(parent, f"INSERT INTO {orders} (item) VALUES ('placed before')")
    real.migrate("s", f"ALTER TABLE {orders} ADD COLUMN note text DEFAULT 'none'; "
                      f"INSERT INTO {orders} (item) VALUES ('by the agent')")
    query(parent, f"INSERT INTO {orders} (item) VALUES ('placed meanwhile')")
    real.emulator.clear_faults()
    restores = len(real.calls("POST", "/restore"))
    real.merge("s")
    assert sorted(query(parent, f"SELECT item, note FROM {orders}")) == [
        ("by the agent", "none"), ("placed before", "none"), ("placed meanwhile", "none")]
    merge = merge_of(real, "s")
    assert (merge["chosen"], merge["status"]) == ("replay", "merged")
    assert merge["transaction_id"] and merge["certificate"]["rows_on_parent"]
    assert len(real.calls("POST", "/restore")) == restores


def test_who_keeps_a_table_of_the_parent_locked_is_named(real, orders):
    real.ready("waits")
    real.migrate("waits", f"ALTER TABLE {orders} ADD COLUMN waited int")
    holder = psycopg2.connect(parent_of(real, "waits"), application_name="the holder")
    with holder, holder.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {orders} IN ACCESS SHARE MODE")
        real.merge("waits", strategy="replay", state=None)
        row = real.error_with("waits", "lock timeout", "application the holder",
                              f"ACCESS SHARE on public.{orders}", seconds=40)
        assert row["state"] == "merging"
    holder.close()
    real.settle("waits", "merged", 60)


def test_two_agents_on_one_table_are_both_merged(real, orders):
    for name in ("a", "b"):
        real.ready(name)
        real.migrate(name, f"ALTER TABLE {orders} ADD COLUMN {name}_column int")
    parent = parent_of(real, "a")
    for name in ("a", "b"):
        real.merge(name, on_drift="rebase")
    columns = query(parent, "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass "
                            "AND attnum > 0 ORDER BY attname", orders)
    assert [name for (name,) in columns] == ["a_column", "b_column", "id", "item"]


def test_two_agents_that_change_the_same_object_are_told(real, orders):
    for name, default in (("first", "1"), ("second", "2")):
        real.ready(name)
        real.migrate(name, f"ALTER TABLE {orders} ADD COLUMN price int DEFAULT {default}")
    real.merge("first", on_drift="rebase")
    real.merge("second", "conflict", on_drift="rebase")
    objects = {row["object"] for row in real.rows("SELECT object FROM agent_conflicts "
                                                  "WHERE session = 'second'")}
    assert any("price" in name and orders in name for name in objects), objects
    real.discard("second")


def test_a_table_that_lost_and_gained_rows_is_not_dropped_over_them(real, orders):
    real.ready("s")
    real.migrate("s", f"DROP TABLE {orders}")
    parent = parent_of(real, "s")
    query(parent, f"INSERT INTO {orders} (item) VALUES ('placed meanwhile')")
    real.merge("s", "conflict")
    assert "was written to since the session began" in real.session("s")["error"]
    assert query(parent, f"SELECT item FROM {orders}") == [("placed meanwhile",)]
    real.discard("s")


def test_what_was_done_by_hand_is_named_and_not_left_behind(real, orders):
    real.ready("s")
    real.migrate("s", f"INSERT INTO {orders} (item) VALUES ('by a migration')")
    query(real.uri("s"), f"INSERT INTO {orders} (item) VALUES ('by hand')")
    query(parent_of(real, "s"), f"INSERT INTO {orders} (item) VALUES ('by others')")
    real.merge("s", "conflict")
    assert f"table public.{orders}" in real.session("s")["error"]
    real.merge("s", on_unrecorded="drop")
    real.ready("look")
    assert sorted(query(parent_of(real, "look"), f"SELECT item FROM {orders}")) == [
        ("by a migration",), ("by others",)]
    real.discard("look")


def test_migrations_that_are_not_one_piece_are_merged_by_candidate(real, orders):
    # In lineage its branch stays, under its name.
    name = unique("alone")
    real.ready(name)
    real.migrate(name, f"CREATE INDEX CONCURRENTLY {orders}_item ON {orders} (item)")
    parent = parent_of(real, name)
    query(parent, f"INSERT INTO {orders} (item) VALUES ('placed meanwhile')")
    real.rows("SELECT agent_merge(%s)", name)
    real.settle(name, "merged", 60)
    merge = merge_of(real, name)
    assert (merge["chosen"], merge["candidates"]) == ("candidate", 1), merge["chosen_reason"]
    real.ready("look")
    parent = parent_of(real, "look")
    assert query(parent, f"SELECT item FROM {orders}") == [("placed meanwhile",)]
    assert query(parent, "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass",
                 f"{orders}_item") == [(True,)]
    real.discard("look")


def test_what_migrations_wrote_stays_theirs_when_others_were_there_too(real, orders):
    """Others had transactions that left nothing, and the rows are of subtransactions."""
    real.ready("s")
    real.migrate("s", f"""DO $$ BEGIN FOR n IN 1..3 LOOP
        BEGIN INSERT INTO {orders} (item) VALUES (n); EXCEPTION WHEN others THEN NULL; END;
        END LOOP; END $$""")
    query(real.uri("s"), "SELECT pg_current_xact_id()")
    real.merge("s")
    real.ready("look")
    assert query(parent_of(real, "look"), f"SELECT count(*) FROM {orders}") == [(3,)]
    real.discard("look")


def test_a_rebase_brings_the_session_to_the_parent_as_it_is_now(real, orders):
    real.ready("s")
    real.migrate("s", f"ALTER TABLE {orders} ADD COLUMN mine int")
    before = real.session("s")
    query(parent_of(real, "s"), f"ALTER TABLE {orders} ADD COLUMN theirs int")
    real.merge("s", "conflict")
    real.rows("SELECT agent_rebase('s')")
    real.settle("s", "ready", 60)
    after = real.session("s")
    assert after["branch_name"] == before["branch_name"]
    assert after["branch_id"] != before["branch_id"]
    columns = {name for (name,) in query(
        real.uri("s"), "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass "
        "AND attnum > 0", orders)}
    assert columns == {"id", "item", "mine", "theirs"}
    real.merge("s")
    wait_until(lambda: not real.rows("SELECT 1 AS one FROM agent_branch.kept_branch "
                                     "WHERE kind = 'rebased' AND deleted_at IS NULL"),
               20, "the branch before to be deleted")


def test_no_acknowledged_order_is_lost_while_sessions_are_merged(real, orders):
    """Writers log every row whose INSERT was acknowledged; sessions are merged meanwhile."""
    real.ready("uri")
    parent = parent_of(real, "uri")
    real.discard("uri")
    acknowledged, stop, errors = [], threading.Event(), []

    def write(number):
        count = 0
        while not stop.is_set():
            item = f"{number}-{count}"
            try:
                query(parent, f"INSERT INTO {orders} (item) VALUES (%s)", item)
                acknowledged.append(item)
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)  # not acknowledged: a restore's lock, or its end of connections
            count += 1
    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        for number in range(6):
            name = f"session-{number}"
            real.ready(name)
            real.migrate(name, f"ALTER TABLE {orders} ADD COLUMN c{number} int; "
                               f"INSERT INTO {orders} (item) VALUES ('{name}')")
            real.merge(name, on_drift="rebase")
    finally:
        stop.set()
        for writer in writers:
            writer.join(30)
    assert len(acknowledged) > 20, errors[:3]
    there = {item for (item,) in query(parent, f"SELECT item FROM {orders}")}
    assert set(acknowledged) <= there
    assert {f"session-{number}" for number in range(6)} <= there


def test_a_body_that_names_what_the_other_side_dropped_is_a_conflict(real, orders):
    """PostgreSQL does not look into it: the function would be broken, and nobody told."""
    real.ready("s")
    real.migrate("s", f"""CREATE FUNCTION {orders}_count() RETURNS bigint LANGUAGE plpgsql AS
        'BEGIN RETURN (SELECT count(*) FROM {orders}); END'""")
    query(parent_of(real, "s"), f"ALTER TABLE {orders} RENAME TO {orders}_before")
    real.merge("s", "conflict", on_drift="rebase")
    (conflict,) = real.rows("SELECT * FROM agent_conflicts WHERE session = 's' "
                            "AND depends_on = %s", f"table public.{orders}")
    assert (conflict["change"], conflict["object"]) == (
        "depends", f"function public.{orders}_count()")
    assert f"FROM {orders}" in conflict["branch_definition"]
    assert conflict["parent_definition"] is None
    real.discard("s")


def test_a_conflict_shows_what_both_sides_say(real, orders):
    real.ready("s")
    real.migrate("s", f"ALTER TABLE {orders} ALTER COLUMN item SET DEFAULT 'ours'")
    query(parent_of(real, "s"), f"ALTER TABLE {orders} ALTER COLUMN item SET DEFAULT 'theirs'")
    real.merge("s", "conflict", on_drift="rebase")
    (conflict,) = real.rows("SELECT * FROM agent_conflicts WHERE session = 's'")
    assert conflict["object"] == f"column item of table public.{orders}"
    assert "'ours'" in conflict["branch_definition"]
    assert "'theirs'" in conflict["parent_definition"]
    real.discard("s")
