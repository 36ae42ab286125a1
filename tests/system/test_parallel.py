"""Sessions side by side: places, queues, and merges that must not overwrite each other."""
import psycopg2
import pytest

from host import wait_until
from system import query, unique

BRANCH = "branch-for-revision-"


def test_no_more_than_max_parallel_branches_exist_at_once(memory_system):
    memory = memory_system(durations={"create_branch": 20, "start_compute": 20,
                                      "delete_timeline": 20})
    names = [f"s{n}" for n in range(8)]
    for name in names:
        memory.create(name)
    for name in names[:4]:
        memory.settle(name, "ready")
    rows = memory.rows("SELECT session, state, queue_position FROM agent_sessions ORDER BY id")
    assert [row["state"] for row in rows] == ["ready"] * 4 + ["queued"] * 4
    assert [row["queue_position"] for row in rows] == [None] * 4 + [1, 2, 3, 4]
    (project,) = memory.rows("SELECT sessions, queued FROM agent_projects")
    assert (project["sessions"], project["queued"]) == (4, 4)
    for done, next_one in zip(names, names[4:]):
        memory.rows("SELECT agent_discard(%s)", done)
        memory.settle(next_one, "ready")
    for name in names[4:]:
        memory.discard(name)
    assert memory.branch_names() == {"production", "development"}
    assert memory.emulator.state()["counters"]["peak_branches"] == 6  # two of them are not ours


def test_a_queued_session_takes_migrations_and_can_be_discarded(memory):
    memory.register(max_parallel=1)
    memory.ready("first")
    memory.create("second")
    memory.create("third")
    memory.rows("SELECT agent_migrate('second', 'SELECT 1')")
    memory.discard("third")
    memory.discard("first")
    memory.settle("second", "ready")
    assert memory.one("SELECT status FROM agent_migrations") == "applied"
    assert len(memory.calls("POST", "/branches")) == 2


def test_merges_run_one_at_a_time_and_the_losers_are_told(real):
    names = ("a", "b", "c")
    for name in names:
        real.create(name)
    for name in names:
        real.settle(name, "ready")
        real.migrate(name, f"CREATE TABLE {unique(name)} (id int)")
    with real.connect(autocommit=False) as connection, connection.cursor() as cursor:
        for name in names:
            cursor.execute("SELECT agent_merge(%s)", (name,))
    connection.close()
    assert [real.wait(name) for name in names] == ["merged", "conflict", "conflict"]
    error = real.session("b")["error"]
    assert 'parent branch "development" changed since the session began' in error
    assert "agent_rebase()" in real.session("b")["hint"]
    for name in names[1:]:
        real.discard(name)


def test_a_loser_sees_each_object_with_both_hashes(real):
    kept, changed, added, dropped = (unique(word) for word in ("kept", "changed", "added", "gone"))
    real.ready("drift-base")
    real.migrate("drift-base", f"CREATE TABLE {kept} (id int); CREATE TABLE {changed} (id int); "
                         f"CREATE TABLE {dropped} (id int)")
    real.merge("drift-base")
    real.ready("loser")
    real.migrate("loser", f"CREATE TABLE {unique('loser')} ()")
    real.ready("winner")
    real.migrate("winner", f"CREATE TABLE {added} (id int); DROP TABLE {dropped}; "
                           f"ALTER TABLE {changed} ADD COLUMN more int")
    real.merge("winner", strategy="restore")
    before = real.branch("development")
    expiry = real.branch(BRANCH + "loser")["expires_at"]
    real.merge("loser", "conflict", strategy="restore")
    conflicts = {row["object"]: row for row in real.rows("SELECT * FROM agent_conflicts")}

    def of(table):
        return [row for name, row in conflicts.items() if table in name]
    assert of(added) and all(row["change"] == "added" and row["base_hash"] is None and
                             row["parent_hash"] for row in of(added))
    assert of(dropped) and all(row["change"] == "dropped" and row["base_hash"] and
                               row["parent_hash"] is None for row in of(dropped))
    assert "changed" in {row["change"] for row in of(changed)}
    assert all(row["base_hash"] != row["parent_hash"] for row in conflicts.values())
    assert not of(kept)
    assert [row for row in conflicts.values() if row["change"] == "restored"]
    after = real.branch("development")
    assert (after["parent_id"], after["last_reset_at"]) == \
        (before["parent_id"], before["last_reset_at"])
    # An expiry that was cleared for the restore is there again.
    assert real.branch(BRANCH + "loser")["expires_at"] == expiry != ""
    real.discard("loser")


def test_another_merge_that_changed_data_only_refuses_a_restore_too(real):
    table = unique("data")
    real.ready("data-base")
    real.migrate("data-base", f"CREATE TABLE {table} (id int)")
    real.merge("data-base")
    for name in ("early", "writer"):
        real.ready(name)
    real.migrate("writer", f"INSERT INTO {table} VALUES (1)")
    real.merge("writer", strategy="restore")
    real.migrate("early", f"INSERT INTO {table} VALUES (2)")
    real.merge("early", "conflict", strategy="restore")
    (conflict,) = real.rows("SELECT object, change FROM agent_conflicts")
    assert conflict == {"object": "branch development", "change": "restored"}
    assert "was merged into since the session began" in real.session("early")["error"]
    assert query(real.uri("early", "parent"), f"SELECT id FROM {table}") == [(1,)]
    real.discard("early")


@pytest.mark.parametrize("drift", [
    "CREATE TABLE {new} (id int)",
    "GRANT SELECT ON {table} TO pg_monitor",
    "COMMENT ON TABLE {table} IS 'changed by hand'",
    "CREATE FUNCTION {new}() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE {table} ALTER COLUMN id SET DEFAULT 7",
    "CREATE INDEX ON {table} (id)",
    "CREATE VIEW {new} AS SELECT 1 AS one",
    "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
    "CREATE TYPE {new} AS ENUM ('a')",
    "CREATE SCHEMA {new}",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor",
], ids=["table", "grant", "comment", "function", "default", "index", "view", "rls", "type",
        "schema", "default_privileges"])
def test_drift_by_hand_refuses_and_touches_nothing(memory, fixed_uri, drift):
    table = unique("drift")
    query(fixed_uri, f"CREATE TABLE {table} (id int)")
    memory.ready("drifted")
    before = memory.branch("development")
    expiry = memory.branch(BRANCH + "drifted")["expires_at"]
    query(fixed_uri, drift.format(table=table, new=unique("new")))
    memory.merge("drifted", "conflict")
    session = memory.session("drifted")
    assert 'the schema of parent branch "development" changed' in session["error"]
    assert memory.rows("SELECT * FROM agent_conflicts")
    assert not memory.calls("POST", "/restore")
    assert memory.branch("development") == before
    wait_until(lambda: memory.branch(BRANCH + "drifted")["expires_at"] == expiry, 10,
               "the expiry to be there again")
    assert session["branch_id"] == memory.branch(BRANCH + "drifted")["id"]
    memory.discard("drifted")


def test_a_refused_session_can_be_merged_when_the_drift_is_taken_back(memory, fixed_uri):
    table = unique("back")
    memory.ready("back")
    query(fixed_uri, f"CREATE TABLE {table} (id int)")
    memory.merge("back", "conflict")
    query(fixed_uri, f"DROP TABLE {table}")
    memory.merge("back")


def test_the_worker_tells_what_each_session_waits_for(memory, fixed_uri):
    table = unique("slow")
    query(fixed_uri, f"CREATE TABLE {table} (id int)")
    memory.register(max_parallel=1)
    memory.ready("first")
    memory.create("second")
    blocker = psycopg2.connect(fixed_uri)
    with blocker.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table}")
        memory.migrate("first", f"INSERT INTO {table} VALUES (1)", state=None)
        wait_until(lambda: len(memory.one("SELECT queue FROM agent_worker") or []) == 2, 20,
                   "both sessions to be told of")
        waits = {entry["session"]: entry["waits_for"]
                 for entry in memory.one("SELECT queue FROM agent_worker")}
        assert waits == {"first": "migration 1 on its branch",
                         "second": "one of the project's 1 places"}
        assert memory.session("second")["waits_for"] == waits["second"]
        assert memory.session("second")["queue_position"] == 1
    blocker.close()
    memory.settle("first", "ready")
    memory.discard("first")
    memory.settle("second", "ready")
    wait_until(lambda: memory.one("SELECT queue FROM agent_worker") is None, 10, "nobody to wait")
