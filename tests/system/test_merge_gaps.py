"""What happens between a merge's proofs and the merge itself, on real clusters."""
import psycopg2
import pytest

from host import wait_until
from system import query, unique


@pytest.fixture
def orders(real):
    real.register()
    table = unique("orders")
    real.ready("base")
    real.migrate("base", f"CREATE TABLE {table} (id serial PRIMARY KEY, item text); "
                         f"INSERT INTO {table} (item) VALUES ('first')")
    real.merge("base")
    yield table
    real.register()


def merge_of(system, name):
    return system.rows("SELECT * FROM agent_merges WHERE session = %s ORDER BY requested_at DESC",
                       name)[0]


def test_a_gate_is_asked_of_what_the_merge_makes_of_the_parent(real, orders):
    """It holds on the branch, and would not on the parent, where others wrote meanwhile."""
    real.register(gates={"one order": f"SELECT * FROM {orders} OFFSET 2"})
    real.ready("s")
    parent = real.uri("s", "parent")
    real.migrate("s", f"INSERT INTO {orders} (item) VALUES ('by the agent')")
    query(parent, f"INSERT INTO {orders} (item) VALUES ('meanwhile')")
    real.merge("s", "conflict")
    error = real.session("s")["error"]
    assert error.startswith('gate "one order" does not hold') and "by the agent" in error, error
    (row,) = real.rows("SELECT * FROM agent_conflicts WHERE session = 's'")
    assert row["object"] == "gate one order" and row["counterexamples"][0]["item"], row
    assert query(parent, f"SELECT item FROM {orders} ORDER BY id") == [("first",), ("meanwhile",)]
    query(parent, f"DELETE FROM {orders} WHERE item = 'meanwhile'")
    real.merge("s")


def test_a_gate_in_the_replay_can_neither_write_nor_last(real, orders):
    real.ready("s")
    parent = real.uri("s", "parent")
    real.migrate("s", f"""CREATE FUNCTION {orders}_trick(text) RETURNS boolean
        LANGUAGE plpgsql VOLATILE AS $$ BEGIN EXECUTE $1; RETURN true; END $$""")
    real.merge("s")
    real.ready("t")
    real.migrate("t", f"INSERT INTO {orders} (item) VALUES ('by the agent')")
    query(parent, f"INSERT INTO {orders} (item) VALUES ('meanwhile')")
    # Only what the parent holds lets them do what they must not.
    only = f"EXISTS (SELECT FROM {orders} WHERE item = 'meanwhile')"
    for sql, code in (
            (f"SELECT {orders}_trick('DELETE FROM {orders}') WHERE {only}", "25006"),
            (f"SELECT {orders}_trick('SET TRANSACTION READ WRITE') WHERE {only}", "25001"),
            ({"sql": f"SELECT pg_sleep(60) WHERE {only}", "timeout": "300 ms"}, "57014")):
        real.register(gates={"g": sql})
        real.merge("t", "conflict")
        gates = merge_of(real, "t")["gates"]
        assert [gate.get("sqlstate") for gate in gates] == [code], gates
    assert query(parent, f"SELECT count(*) FROM {orders}") == [(2,)]
    real.register()
    real.merge("t")
    assert query(parent, f"SELECT count(*) FROM {orders}") == [(3,)]


def test_rows_written_beside_a_migration_are_no_part_of_it(real, orders):
    """Their transaction's id lies between those of the migration's own subtransactions."""
    real.ready("s")
    uri = real.uri("s")
    real.rows("SELECT agent_migrate('s', %s)", f"""DO $$ BEGIN
        BEGIN INSERT INTO {orders} (item) VALUES ('one'); EXCEPTION WHEN others THEN NULL; END;
        PERFORM pg_sleep(2.5);
        BEGIN INSERT INTO {orders} (item) VALUES ('two'); EXCEPTION WHEN others THEN NULL; END;
        END $$""")
    wait_until(lambda: query(uri, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = "
                                  "'PgSleep'") == [(1,)], 20, "the migration to be under way")
    query(uri, f"INSERT INTO {orders} (item) VALUES ('beside')")
    real.settle("s", "ready", 30)
    # Else a restore would carry it along.
    query(real.uri("s", "parent"), f"INSERT INTO {orders} (item) VALUES ('meanwhile')")
    real.merge("s", "conflict", strategy="replay")
    assert f"table public.{orders}: 1 rows written" in real.session("s")["error"]
    real.discard("s")


def test_a_table_that_a_function_empties_is_not_emptied_over_others_rows(real, orders):
    """The text says nothing of it."""
    real.ready("s")
    parent = real.uri("s", "parent")
    real.migrate("s", f"CREATE FUNCTION {orders}_wipe() RETURNS void LANGUAGE plpgsql AS "
                      f"'BEGIN TRUNCATE {orders}; END'; SELECT {orders}_wipe()")
    query(parent, f"INSERT INTO {orders} (item) VALUES ('meanwhile')")
    real.merge("s", "conflict")
    assert "was written to since the session began" in real.session("s")["error"]
    assert query(parent, f"SELECT count(*) FROM {orders}") == [(2,)]
    real.discard("s")


def test_merges_that_do_not_commute_are_told(real, orders):
    """One does something to all tables, the other makes one more: the order decides."""
    real.ready("a")
    real.ready("b")
    real.migrate("a", f"""DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class
        WHERE relkind = 'r' AND relname LIKE '{orders}%' LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN tenant int', t); END LOOP; END $$""")
    real.migrate("b", f"CREATE TABLE {orders}_more (id int)")
    real.merge("a", on_drift="rebase")
    real.merge("b", "conflict", on_drift="rebase")
    assert "do not go in either order" in real.session("b")["error"]
    objects = [row["object"] for row in real.rows(
        "SELECT object FROM agent_conflicts WHERE session = 'b'")]
    assert f"column tenant of table public.{orders}_more" in objects
    real.discard("b")


def test_merges_that_commute_are_both_merged_and_leave_the_branch_as_it_was(real, orders):
    for name in ("a", "b"):
        real.ready(name)
    real.migrate("a", f"ALTER TABLE {orders} ADD COLUMN a int; CREATE INDEX ON {orders} (a)")
    real.migrate("b", f"ALTER TABLE {orders} ADD COLUMN b int; CREATE VIEW {orders}_v AS "
                      f"SELECT b FROM {orders}")
    real.merge("a", on_drift="rebase")
    real.merge("b", on_drift="rebase")


# What is there, what the session's migration writes, and what others change meanwhile.
ACTING = {
    "a trigger": ("SELECT 1", "INSERT INTO {t} (item) VALUES ('ours')",
                  "CREATE TRIGGER stamp BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {t}_stamp()"),
    "a function that a trigger calls": (
        "CREATE TRIGGER stamp BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {t}_stamp()",
        "INSERT INTO {t} (item) VALUES ('ours')",
        "CREATE OR REPLACE FUNCTION {t}_name() RETURNS text LANGUAGE sql AS $$ SELECT 'theirs' $$"),
    "a default": ("SELECT 1", "INSERT INTO {t} DEFAULT VALUES",
                  "ALTER TABLE {t} ALTER COLUMN item SET DEFAULT 'theirs'"),
    "a function": ("SELECT 1", "UPDATE {t} SET item = {t}_name()",
                   "CREATE OR REPLACE FUNCTION {t}_name() RETURNS text LANGUAGE sql AS "
                   "$$ SELECT 'theirs' $$"),
    "a function of a default": (
        "ALTER TABLE {t} ALTER COLUMN item SET DEFAULT {t}_name()", "INSERT INTO {t} DEFAULT VALUES",
        "CREATE OR REPLACE FUNCTION {t}_name() RETURNS text LANGUAGE sql AS $$ SELECT 'theirs' $$"),
    "a view": ("SELECT 1", "INSERT INTO {t} (item) SELECT name FROM {t}_names",
               "CREATE OR REPLACE VIEW {t}_names AS SELECT 'theirs'::text AS name"),
}


@pytest.fixture
def acted_on(real, orders):
    real.ready("base")
    real.migrate("base", f"""
        CREATE FUNCTION {orders}_name() RETURNS text LANGUAGE sql AS $$ SELECT 'ours' $$;
        CREATE FUNCTION {orders}_stamp() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.item := {orders}_name(); RETURN NEW; END $$;
        CREATE VIEW {orders}_names AS SELECT 'ours'::text AS name""")
    real.merge("base")
    return orders


@pytest.mark.parametrize("real_emulator", ["flat"], indirect=True)
@pytest.mark.parametrize("what", ACTING)
def test_what_others_changed_that_acts_on_our_rows_is_a_conflict(real, acted_on, what):
    before, ours, theirs = (text.format(t=acted_on) for text in ACTING[what])
    real.ready("base")
    real.migrate("base", before)
    real.merge("base", on_drift="rebase")
    real.ready("s")
    parent = real.uri("s", "parent")
    real.migrate("s", ours)
    query(parent, theirs)
    real.register(on_drift="rebase")
    preview = real.one("SELECT agent_merge_preview('s')")
    assert preview["strategies"]["replay"]["possible"] is False, preview["strategies"]
    real.merge("s", "conflict", on_drift="rebase")
    assert "acts on rows" in real.session("s")["error"]
    assert query(parent, f"SELECT item FROM {acted_on}") == [("first",)]
    real.discard("s")


@pytest.mark.parametrize("real_emulator", ["flat"], indirect=True)
@pytest.mark.parametrize("what", ["a trigger", "a function", "a default"])
def test_what_we_changed_that_acts_on_rows_of_an_earlier_merge_is_a_conflict(real, acted_on, what):
    """The other way round: the order of two sessions decides what the rows are."""
    _, rows, change = (text.format(t=acted_on) for text in ACTING[what])
    for name in ("first", "s"):
        real.ready(name)
    # Both change the schema: rows alone leave nothing that is compared.
    real.migrate("first", f"{rows}; CREATE TABLE {acted_on}_more ()")
    real.migrate("s", change)
    real.merge("first")
    real.merge("s", "conflict", on_drift="rebase")
    assert "acts on rows that an earlier merge wrote" in real.session("s")["error"]
    real.discard("s")


def test_analyze_is_no_later_write(real, orders):
    real.register(undo_window="1 hour")
    name = unique("s")
    real.ready(name)
    real.migrate(name, f"ALTER TABLE {orders} ADD COLUMN note text")
    real.merge(name)
    look = unique("look")
    real.ready(look)
    query(real.uri(look, "parent"), f"ANALYZE {orders}")
    query(real.uri(look, "parent"), "ANALYZE pg_class")
    real.discard(look)
    real.rows("SELECT agent_merge_undo(%s)", name)
    assert real.wait(name, 60) == "merged"
    merge = merge_of(real, name)
    assert merge["undo_status"] == "undone", merge["undo_reason"]


def test_pieces_are_merged_one_by_one_where_nothing_else_can(real, orders):
    real.register(allow_pieces=True, max_pinned=0)
    name = unique("s")
    real.ready(name)
    parent = real.uri(name, "parent")
    real.migrate(name, f"ALTER TABLE {orders} ADD COLUMN mail text")
    real.migrate(name, f"CREATE INDEX CONCURRENTLY {orders}_mail ON {orders} (mail)")
    query(parent, f"INSERT INTO {orders} (item) VALUES ('meanwhile')")
    real.rows("SELECT agent_merge(%s)", name)
    real.settle(name, "merged", 60)
    merge = merge_of(real, name)
    assert (merge["chosen"], merge["candidates"]) == ("pieces", 1), merge["chosen_reason"]
    assert [(piece["what"], piece["status"]) for piece in merge["pieces"]] == [
        ("migration 1", "done"), ("migration 2, statement 1 alone", "done")]
    assert query(parent, f"SELECT item, mail FROM {orders} ORDER BY id") == [
        ("first", None), ("meanwhile", None)]
    assert query(parent, "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass",
                 f"{orders}_mail") == [(True,)]
    assert merge["backup_branch_id"] and merge["undo_until"]


def test_a_piece_that_fails_tells_what_is_in_effect_and_can_be_undone(real, orders):
    real.register(allow_pieces=True, max_pinned=0)
    name = unique("s")
    real.ready(name)
    parent = real.uri(name, "parent")
    real.migrate(name, f"ALTER TABLE {orders} ADD COLUMN mail text DEFAULT 'x'")
    real.migrate(name, f"CREATE UNIQUE INDEX CONCURRENTLY {orders}_mail ON {orders} (mail)")
    # A row that the rehearsal does not see, since it is not committed yet; it keeps the first piece
    # waiting, too.
    other = psycopg2.connect(parent)
    with other.cursor() as cursor:
        cursor.execute(f"INSERT INTO {orders} (item) VALUES ('again')")
    real.rows("SELECT agent_merge(%s)", name)
    wait_until(lambda: real.rows("SELECT 1 AS one FROM agent_merges WHERE session = %s AND "
                                 "pieces IS NOT NULL", name), 60, "the rehearsal to be over")
    other.commit()
    other.close()
    state = real.wait(name, 90)
    merge = merge_of(real, name)
    assert state == "failed", merge
    error = real.session(name)["error"]
    assert "In effect on the parent: migration 1." in error, error
    assert "agent_merge_undo()" in real.session(name)["hint"]
    assert query(parent, f"SELECT count(mail) FROM {orders}") == [(2,)]
    assert real.refused("SELECT agent_merge_undo(%s)", name).pgcode == "55000"
    real.register(undo_window="1 hour")
    real.discard(name)
    real.rows("SELECT agent_merge_undo(%s, true)", name)
    real.wait(name, 60)
    assert merge_of(real, name)["undo_status"] == "undone", merge_of(real, name)["undo_reason"]
