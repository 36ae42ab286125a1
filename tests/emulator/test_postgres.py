"""Engine postgres: what clients see through the endpoints."""
import os
import signal
import threading

import psycopg2
import pytest

from conftest import poll


@pytest.fixture
def emulator(start):
    return start(engine="postgres")


def connect(uri):
    connection = psycopg2.connect(uri)
    connection.autocommit = True
    return connection


def run(uri, sql):
    connection = connect(uri)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def endpoint_of(emulator, name):
    return emulator.get(f"/branches/{emulator.id(name)}/endpoints")["endpoints"][0]


def test_a_branch_has_its_parents_data_and_keeps_its_changes_to_itself(emulator):
    run(emulator.uri("development"), "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i")
    body = emulator.create("agent/1", endpoint=True).json
    uri = body["connection_uris"][0]["connection_uri"]
    assert run(uri, "SELECT count(*), sum(i) FROM t") == [(1000, 500500)]
    run(uri, "DELETE FROM t; CREATE TABLE mine ()")
    assert run(emulator.uri("development"), "SELECT count(*), to_regclass('mine') FROM t") == \
        [(1000, None)]
    assert run(emulator.uri("production"), "SELECT to_regclass('t')") == [(None,)]


def test_the_owner_has_neons_powers_and_is_no_superuser(emulator):
    rows = run(emulator.uri("development"),
               "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication,"
               " pg_has_role('pg_read_all_data', 'member'), pg_has_role('neon_superuser', 'member')"
               " FROM pg_roles WHERE rolname = current_user")
    assert rows == [(False, True, True, True, True, True, True)]
    uri = emulator.uri("development")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(uri.replace("neondb_owner:", "neondb_owner:x"))
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(uri.replace("neondb_owner:", "cloud_admin:"))


def test_the_pooled_address_works_and_differs(emulator):
    uri = emulator.uri("development", pooled=True)
    assert uri != emulator.uri("development")
    assert run(uri, "SELECT 1") == [(1,)]


def test_a_copy_is_consistent_while_the_parent_is_written_to(emulator):
    uri = emulator.uri("development")
    run(uri, "CREATE TABLE debit (i int); CREATE TABLE credit (i int)")
    written, stop = [], threading.Event()

    def write():
        writer = psycopg2.connect(uri)
        with writer.cursor() as cursor:
            while not stop.is_set():
                number = len(written)
                cursor.execute(f"INSERT INTO debit VALUES ({number})")
                cursor.execute(f"INSERT INTO credit VALUES ({number})")
                writer.commit()
                written.append(number)
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        poll(lambda: len(written) > 50, "rows before the copy")
        before = len(written)
        emulator.create("c", endpoint=True)
        emulator.settle()
        poll(lambda: len(written) > before + 50, "rows after the copy")
    finally:
        stop.set()
        thread.join()
    # What was committed before it was asked for is there, and of each transaction all or nothing.
    debit, credit = (run(emulator.uri("c"), f"SELECT array_agg(i ORDER BY i) FROM {table}")[0][0]
                     for table in ("debit", "credit"))
    assert debit == credit == list(range(len(debit)))
    assert before <= len(debit) < len(written)


def test_restore_swaps_the_data_drops_connections_and_keeps_the_address(emulator):
    run(emulator.uri("development"), "CREATE TABLE t (i int)")
    emulator.create("agent/1", endpoint=True)
    run(emulator.uri("agent/1"), "ALTER TABLE t ADD COLUMN j int; INSERT INTO t VALUES (1, 2)")
    before = emulator.uri("development")
    held = connect(before)
    answer = emulator.restore("development", "agent/1", preserve_under_name="old")
    assert answer.status == 200
    assert emulator.uri("development") == before
    with pytest.raises(psycopg2.Error):
        held.cursor().execute("SELECT 1")
    assert run(before, "SELECT * FROM t") == [(1, 2)]
    # The backup has the old data, and a compute of its own when asked for.
    body = {"endpoint": {"branch_id": emulator.id("old"), "type": "read_write"}}
    assert emulator.post("/endpoints", body).status == 201
    emulator.settle()
    assert run(emulator.uri("old"), "SELECT count(*) FROM t") == [(0,)]
    with pytest.raises(psycopg2.Error):
        run(emulator.uri("old"), "SELECT j FROM t")


def test_connecting_before_a_restore_is_through_reaches_old_data_or_nothing(start):
    emulator = start(engine="postgres", durations="zero,restore=300,start_compute=300")
    run(emulator.uri("development"), "CREATE TABLE marker ()")
    uri = emulator.uri("development")
    seen = []
    emulator.restore("development", "production", wait=False)

    def through():
        done = all(o["status"] == "finished" for o in emulator.operations())
        try:
            seen.append((done, run(uri, "SELECT to_regclass('marker')")[0][0]))
        except psycopg2.OperationalError:
            seen.append((done, "refused"))
        return done
    poll(through, "the restore is through")
    assert {what for done, what in seen if not done} <= {"marker", "refused", None}
    assert (False, "marker") in seen and (False, "refused") in seen
    assert seen[-1] == (True, None)


def test_a_suspended_compute_starts_when_somebody_connects(emulator):
    uri = emulator.uri("development")
    run(uri, "CREATE TABLE t (i int)")
    endpoint_id = endpoint_of(emulator, "development")["id"]
    servers = len(emulator.servers())
    emulator.post(f"/endpoints/{endpoint_id}/suspend")
    emulator.settle()
    assert endpoint_of(emulator, "development")["current_state"] == "idle"
    assert len(emulator.servers()) < servers
    assert run(uri, "SELECT count(*) FROM t") == [(0,)]
    assert endpoint_of(emulator, "development")["current_state"] == "active"
    assert emulator.operations()[0]["action"] == "start_compute"


def test_idle_computes_are_suspended(start):
    emulator = start("--suspend-after", "1", engine="postgres")
    held = connect(emulator.uri("development"))
    poll(lambda: endpoint_of(emulator, "production")["current_state"] == "idle", "suspended")
    assert endpoint_of(emulator, "development")["current_state"] == "active"
    held.close()
    poll(lambda: endpoint_of(emulator, "development")["current_state"] == "idle", "suspended")


def test_a_cluster_that_dies_is_started_again_on_demand(emulator):
    uri = emulator.uri("development")
    run(uri, "CREATE TABLE t (i int)")
    pid = run(uri, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")[0][0]
    with open(f"/proc/{pid}/stat") as stat:
        postmaster = int(stat.read().rsplit(")", 1)[1].split()[1])
    os.kill(postmaster, signal.SIGQUIT)
    poll(lambda: endpoint_of(emulator, "development")["current_state"] == "idle", "noticed")
    assert run(uri, "SELECT count(*) FROM t") == [(0,)]


def test_a_new_password_replaces_the_old_one(emulator):
    old = emulator.uri("development")
    emulator.post(f"/branches/{emulator.id('development')}/roles/neondb_owner/reset_password")
    emulator.settle()
    assert run(emulator.uri("development"), "SELECT 1") == [(1,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(old)


def test_a_protected_parents_child_has_a_password_of_its_own(emulator):
    emulator.call("PATCH", f"{emulator.project}/branches/{emulator.id('development')}",
                  {"branch": {"protected": True}})
    emulator.create("a", endpoint=True)
    assert run(emulator.uri("a"), "SELECT 1") == [(1,)]
    old = emulator.uri("development").split("@")[0] + "@" + emulator.uri("a").split("@")[1]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(old)


def test_schema_only_has_tables_without_rows(emulator):
    run(emulator.uri("development"), "CREATE TABLE t AS SELECT 1 AS i")
    emulator.create("empty", endpoint=True, init_source="schema-only")
    assert run(emulator.uri("empty"), "SELECT count(*) FROM t") == [(0,)]
    assert run(emulator.uri("development"), "SELECT count(*) FROM t") == [(1,)]


def test_roles_and_databases_made_by_the_api_exist(emulator):
    path = f"/branches/{emulator.id('development')}"
    emulator.post(f"{path}/roles", {"role": {"name": "reader"}})
    emulator.settle()
    emulator.post(f"{path}/databases", {"database": {"name": "Other", "owner_name": "reader"}})
    emulator.settle()
    uri = emulator.get(f"/connection_uri?branch_id={emulator.id('development')}"
                       "&database_name=Other&role_name=reader")["uri"]
    assert run(uri, "SELECT current_user, current_database()") == [("reader", "Other")]
    emulator.call("DELETE", f"{emulator.project}{path}/databases/Other")
    emulator.settle()
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        connect(uri)


def test_schemas_are_given_and_compared(emulator):
    run(emulator.uri("development"), "CREATE TABLE t (i int)")
    emulator.create("a", endpoint=True)
    emulator.create("bare")
    run(emulator.uri("a"), "ALTER TABLE t ADD COLUMN j text")
    path = f"/branches/{emulator.id('a')}"
    assert "CREATE TABLE public.t" in emulator.get(f"{path}/schema?db_name=neondb")["sql"]
    diff = emulator.get(f"{path}/compare_schema?db_name=neondb")["diff"]
    assert diff.startswith("--- a/neondb\n+++ b/neondb\n") and "+    j text" in diff
    # A branch without a compute can be compared too.
    bare = emulator.id("bare")
    assert emulator.get(f"/branches/{bare}/compare_schema?db_name=neondb")["diff"] == ""
    answer = emulator.call("GET", f"{emulator.project}{path}/schema?db_name=none")
    assert (answer.status, answer.message) == (404, "database not found")


def test_history_is_refused_rather_than_made_up(emulator):
    answer = emulator.restore("development", "development", preserve_under_name="old",
                              source_timestamp="2026-01-01T00:00:00Z")
    assert answer.status == 422 and "keeps no history" in answer.message


def test_a_deleted_branchs_address_is_closed_and_its_server_gone(emulator):
    emulator.create("a", endpoint=True)
    uri = emulator.uri("a")
    held = connect(uri)
    servers = len(emulator.servers())
    emulator.delete("a")
    with pytest.raises(psycopg2.Error):
        held.cursor().execute("SELECT 1")
    with pytest.raises(psycopg2.OperationalError):
        connect(uri)
    assert len(emulator.servers()) < servers
