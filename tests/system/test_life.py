"""A session's whole life on real clusters, in both topologies."""
import json

import psycopg2
import pytest

from host import wait_until
from system import Listener, query, unique


def seconds_of(system, timestamp):
    return system.one("SELECT extract(epoch FROM %s::timestamptz)::float8", timestamp)


def test_a_session_merges_and_leaves_nothing_but_what_neon_keeps(real):
    table = unique("todos")
    branch = real.create("life")
    assert branch == "branch-for-revision-life"
    real.settle("life", "ready")
    uri = real.uri("life")
    query(uri, f"CREATE TABLE {table} (id bigserial PRIMARY KEY, title text NOT NULL)")
    real.migrate("life", f"INSERT INTO {table} (title) SELECT 'todo ' || i "
                         f"FROM generate_series(1, 100) AS i")
    query(uri, f"INSERT INTO {table} (title) VALUES ('by hand')")
    assert query(real.uri("life", "parent"), "SELECT to_regclass(%s)", table) == [(None,)]
    real.merge("life")

    session = real.session("life")
    assert session["error"] is None and session["finished_at"] is not None
    merge = real.rows("SELECT * FROM agent_merges WHERE session = 'life'")[0]
    assert (merge["status"], merge["strategy"]) == ("merged", "auto")
    assert merge["base_fingerprint"] == merge["parent_fingerprint"] == session["base_fingerprint"]

    kept = "SELECT name FROM agent_branch.kept_branch WHERE deleted_at IS NULL ORDER BY name"
    if real.emulator.topology == "flat":
        assert not session["pinned"]
        wait_until(lambda: not real.rows(kept), 20, "the backup to be deleted")
        assert real.branch_names() == {"production", "development"}
    else:
        # Neon lets none of the chain go: the parent hangs under the branch, that under the backup.
        assert session["pinned"]
        assert real.branch("development")["parent_id"] == session["branch_id"]
        assert real.branch(branch)["parent_id"] == merge["backup_branch_id"]
        assert [row["name"] for row in real.rows(kept)] == [branch, merge["backup_name"]]
        assert not any(known["deletable"] for name in (branch, merge["backup_name"])
                       for known in [real.branch(name)])

    real.ready("life")  # the name is free again, even while the old branch is pinned
    parent = real.uri("life", "parent")
    assert query(parent, f"SELECT count(*), max(title) FROM {table}") == [(101, "todo 99")]
    assert query(real.uri("life"), f"SELECT count(*) FROM {table}") == [(101,)]
    assert query(parent, f"SELECT last_value FROM {table}_id_seq") == [(101,)]
    real.discard("life")


def test_discard_leaves_the_parent_untouched(real):
    table = unique("junk")
    real.ready("junk")
    parent = real.uri("junk", "parent")
    before = real.branch("development")
    real.migrate("junk", f"CREATE TABLE {table} (id int)")
    real.discard("junk")
    assert real.branch("branch-for-revision-junk") is None
    assert query(parent, "SELECT to_regclass(%s)", table) == [(None,)]
    assert real.branch("development")["last_reset_at"] == before["last_reset_at"]
    assert real.refused("SELECT agent_connection_uri('junk')").pgcode == "55000"


def test_every_change_of_state_is_an_event_and_a_notification(real):
    listener = Listener(real)
    try:
        real.ready("told")
        real.migrate("told", "SELECT 1")
        real.merge("told")
        states = ["queued", "creating", "ready", "migrating", "ready", "merging", "merged"]
        # Those of one transaction are one. Who listens may be anybody: it is told nothing else.
        payloads = listener.until(lambda seen: real.state("told") == "merged" and len(seen) >= 3)
        assert len(payloads) <= len(states)
        assert all(payload == {"session_id": real.session("told")["id"]} for payload in payloads)
        events = real.rows(
            "SELECT session, project, state, old_state FROM agent_events ORDER BY id")
        assert [event["state"] for event in events] == states
        assert events[0] == {"session": "told", "project": "shiny-wind-028834",
                             "state": "queued", "old_state": None}
    finally:
        listener.close()


def test_agent_run_does_all_of_it(real):
    table = unique("run")
    result = real.run("run", [f"CREATE TABLE {table} (id int)",
                              f"ALTER TABLE {table} ADD COLUMN name text",
                              f"INSERT INTO {table} VALUES (1, 'one')"])
    assert result["state"] == "merged" and result["error"] is None
    assert (result["session"], result["branch"]) == ("run", "branch-for-revision-run")
    assert [(m["ordinal"], m["status"]) for m in result["migrations"]] == \
        [(1, "applied"), (2, "applied"), (3, "applied")]
    assert 0 < result["duration_ms"] < 60_000 and 5 <= result["api_calls"] <= 20
    real.ready("look")
    assert query(real.uri("look", "parent"), f"SELECT * FROM {table}") == [(1, "one")]


def test_agent_run_stops_at_the_first_migration_that_fails(real):
    table = unique("broken")
    result = real.run("broken", [f"CREATE TABLE {table} (id int)",
                                 f"INSERT INTO {table} VALUES (1), (1/0)",
                                 f"INSERT INTO {table} VALUES (2)"])
    assert result["state"] == "failed"
    assert "migration 2 failed: division by zero" in result["error"]
    first, second, third = result["migrations"]
    assert (first["status"], second["status"], third["status"]) == \
        ("applied", "failed", "cancelled")
    assert second["sqlstate"] == "22012"
    # The branch stays, with what the first migration did and nothing of the second.
    assert query(real.uri("broken"), f"SELECT count(*) FROM {table}") == [(0,)]
    # Without names nobody knows which of the two that did not run another text would replace.
    with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="migration 2 has failed"):
        real.migrate("broken", f"INSERT INTO {table} VALUES (3)")
    real.discard("broken")


def test_migrations_run_in_order_over_the_direct_host(real):
    table = unique("ordered")
    real.ready("ordered")
    endpoint = real.branch("branch-for-revision-ordered")["endpoints"][0]
    with real.connect(autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT agent_migrate('ordered', %s)", (
            f"CREATE TABLE {table} (n serial, port int DEFAULT inet_server_port(), x xid8 "
            f"DEFAULT pg_current_xact_id())",))
        for _ in range(5):
            cursor.execute("SELECT agent_migrate('ordered', %s)",
                           (f"INSERT INTO {table} DEFAULT VALUES",))
    connection.close()
    real.settle("ordered", "ready")
    rows = query(real.uri("ordered"), f"SELECT n, port, x::text FROM {table} ORDER BY n")
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5]
    assert len({row[2] for row in rows}) == 5  # each in a transaction of its own
    assert sorted(rows, key=lambda row: int(row[2])) == rows
    direct = query(real.uri("ordered"), "SELECT inet_server_port()")[0][0]
    assert {row[1] for row in rows} == {direct}
    assert endpoint["host"] in real.uri("ordered")
    assert [row["ordinal"] for row in real.rows(
        "SELECT ordinal FROM agent_migrations WHERE session = 'ordered' ORDER BY finished_at")] == \
        [1, 2, 3, 4, 5, 6]
    real.discard("ordered")


def test_a_migration_with_several_statements_is_all_or_nothing(real):
    table = unique("several")
    real.ready("several")
    real.migrate("several", f"CREATE TABLE {table} (id int); SELECT * FROM nowhere", "failed")
    assert query(real.uri("several"), "SELECT to_regclass(%s)", table) == [(None,)]
    row = real.rows("SELECT * FROM agent_migrations WHERE session = 'several'")[0]
    assert (row["sqlstate"], row["line"]) == ("42P01", 1)
    real.discard("several")


def test_the_projects_timeouts_hold_for_migrations(real):
    table = unique("locked")
    real.register(statement_timeout="1 s", lock_timeout="300 ms")
    real.ready("slow")
    real.migrate("slow", "SELECT pg_sleep(60)", "failed")
    assert real.rows("SELECT sqlstate FROM agent_migrations")[0]["sqlstate"] == "57014"
    real.migrate("slow", f"CREATE TABLE {table} (id int)")
    holder = psycopg2.connect(real.uri("slow"))
    with holder.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table}")
        real.migrate("slow", f"ALTER TABLE {table} ADD COLUMN more int", "failed")
    holder.close()
    assert real.rows("SELECT sqlstate FROM agent_migrations ORDER BY ordinal DESC")[0] == \
        {"sqlstate": "55P03"}
    real.discard("slow")


def test_pooled_and_direct_uris_of_branch_and_parent_work(real):
    real.ready("uris")
    query(real.uri("uris"), f"CREATE TABLE {unique('only_here')} ()")
    uris = {(target, pooled): real.uri("uris", target, pooled)
            for target in ("branch", "parent") for pooled in (False, True)}
    assert len(set(uris.values())) == 4
    for (target, pooled), uri in uris.items():
        assert query(uri, "SELECT current_database(), current_user") == \
            [("neondb", "neondb_owner")], (target, pooled)
    tables = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'only_here%'"
    ((of_branch,),), ((of_parent,),) = (query(uris[target, True], tables)
                                        for target in ("branch", "parent"))
    assert of_branch == of_parent + 1
    real.discard("uris")


def test_the_branch_is_made_as_the_session_asks(memory):
    memory.register(min_cu=0.5, max_cu=2)
    memory.ready("asked", ttl="2 hours", max_cu=4)
    (request,) = memory.calls("POST", "/branches")
    body = json.loads(request["body"])
    session = memory.session("asked")
    branch = memory.branch("branch-for-revision-asked")
    assert body["branch"]["name"] == "branch-for-revision-asked"
    assert body["branch"]["parent_id"] == memory.branch("development")["id"]
    (endpoint,) = body["endpoints"]
    assert (endpoint["autoscaling_limit_min_cu"], endpoint["autoscaling_limit_max_cu"]) == (0.5, 4)
    assert body["annotation_value"] == {
        "agent-branch-installation": memory.one("SELECT id FROM agent_branch.installation"),
        "agent-branch-session": memory.one("SELECT uuid FROM agent_branch.session")}
    assert branch["annotation"] == body["annotation_value"]
    here = session["expires_at"].timestamp()
    assert seconds_of(memory, branch["expires_at"]) == pytest.approx(here, abs=1.01)
    assert session["branch_expires_at"].timestamp() == pytest.approx(here, abs=1.01)
    memory.register()
    memory.ready("plain")
    endpoint = json.loads(memory.calls("POST", "/branches")[1]["body"])["endpoints"][0]
    assert (endpoint["autoscaling_limit_min_cu"], endpoint["autoscaling_limit_max_cu"]) == (0.25, 1)


def test_extend_moves_the_expiry_here_and_at_neon(memory):
    memory.ready("longer", ttl="1 hour")
    promised = memory.one("SELECT agent_extend('longer', '5 days')")
    memory.settle("longer", "ready")
    session = memory.session("longer")
    assert session["expires_at"].timestamp() == pytest.approx(promised.timestamp(), abs=1.01)
    at_neon = memory.branch("branch-for-revision-longer")["expires_at"]
    assert seconds_of(memory, at_neon) == pytest.approx(promised.timestamp(), abs=1.01)


def test_sessions_of_two_projects_may_have_one_name(memory_system):
    memory = memory_system(register=False, project="first-one-1",
                           arguments=("--project", "second-one-2"))
    for project in ("first-one-1", "second-one-2"):
        memory.register(project)
        memory.ready("same", project=project)
    assert memory.refused("SELECT agent_wait('same')").pgcode == "42P08"
    memory.rows("SELECT agent_discard('same', 'first-one-1')")
    memory.settle("same", "discarded", project="first-one-1")
    assert memory.wait("same") == "ready"
    assert "branch-for-revision-same" in memory.branch_names("second-one-2")
    assert "branch-for-revision-same" not in memory.branch_names("first-one-1")
