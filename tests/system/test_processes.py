"""The launcher and the workers as processes: ended, restarted, dropped, copied, without room."""
import os
import signal
import threading
import time

import psycopg2
import pytest

from host import wait_until
from system import System, query, unique

BRANCH = "branch-for-revision-"
LAUNCHER = ("SELECT pid FROM pg_stat_activity WHERE backend_type = 'agent_branch launcher'")
WORKERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'agent_branch worker'"


def took(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def table_for(fixed_uri):
    table = unique("busy")
    query(fixed_uri, f"CREATE TABLE {table} (id int)")
    return table


def busy(system, fixed_uri, table=None):
    """A migration runs and a request is under way when this returns. Returns the table in which
    the migration writes a row."""
    table = table or table_for(fixed_uri)
    system.ready("migrates")
    system.migrate("migrates", f"INSERT INTO {table} VALUES (1); SELECT pg_sleep(2)", state=None)
    system.emulator.add_fault({"match": {"method": "POST", "path": "/branches$"},
                               "do": "delay_after_ms", "ms": 1500})
    system.create("requests")
    wait_until(lambda: query(fixed_uri, "SELECT count(*) FROM pg_stat_activity WHERE "
                                        "query LIKE %s AND state = 'active' "
                                        "AND pid <> pg_backend_pid()",
                             f"%{table}%pg_sleep%")[0][0], 10, "the migration to run")
    wait_until(lambda: system.one("SELECT calls_under_way FROM agent_worker"), 10, "a request")
    return table


def carries_on(system, fixed_uri, table):
    system.settle("migrates", "ready", 30)
    system.settle("requests", "ready", 30)
    assert query(fixed_uri, f"SELECT count(*) FROM {table}") == [(1,)]
    for name in ("migrates", "requests"):
        system.discard(name)
    assert system.branch_names() == {"production", "development"}


def gone(system, pid):
    return not system.cluster.psql(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}")


def test_a_terminated_worker_is_gone_at_once_and_its_successor_carries_on(memory, fixed_uri):
    table = busy(memory, fixed_uri)
    pid = memory.worker()
    assert took(lambda: (memory.rows("SELECT pg_terminate_backend(%s)", pid),
                         wait_until(lambda: gone(memory, pid), 5, "the worker", 0.005))) < 1
    memory.worker_runs(other_than=pid)
    carries_on(memory, fixed_uri, table)


def test_a_terminated_launcher_comes_back_and_workers_stay(memory, control):
    worker = memory.worker_runs()
    launcher = control.psql(LAUNCHER)
    assert took(lambda: (control.psql(f"SELECT pg_terminate_backend({launcher})"),
                         wait_until(lambda: gone(memory, launcher), 5, "the launcher", 0.005))) < 1
    wait_until(lambda: control.psql(LAUNCHER) not in ("", launcher), 20, "another launcher")
    assert memory.worker() == worker
    memory.ready("s")
    memory.rows("SELECT pg_terminate_backend(%s)", worker)
    memory.worker_runs(other_than=worker)


def test_agent_wait_survives_the_end_of_the_worker(memory, fixed_uri):
    memory.ready("s")
    memory.migrate("s", "SELECT pg_sleep(1.5)", state=None)
    answers = []

    def wait():
        with memory.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT agent_wait('s', '30 s')")
            answers.append(cursor.fetchone()[0])
        connection.close()
    waiter = threading.Thread(target=wait)
    waiter.start()
    pid = memory.worker_runs()
    memory.rows("SELECT pg_terminate_backend(%s)", pid)
    waiter.join(40)
    assert answers == ["ready"]


def test_drop_extension_is_done_at_once_and_it_can_be_made_again(memory, control, fixed_uri):
    busy(memory, fixed_uri)
    pid = memory.worker()
    assert took(lambda: memory.rows("DROP EXTENSION agent_branch")) < 1
    wait_until(lambda: gone(memory, pid), 1, "the worker to leave", 0.005)
    assert memory.one("SELECT to_regnamespace('agent_branch')") is None
    memory.emulator.clear_faults()
    memory.rows("CREATE EXTENSION agent_branch")
    memory.register()
    memory.ready("again")
    memory.discard("again")


def test_drop_extension_ends_those_who_wait(memory):
    memory.ready("s")
    memory.migrate("s", "SELECT pg_sleep(20)", state=None)
    errors = []

    def wait():
        connection = memory.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT agent_wait('s', '30 s')")
        except psycopg2.Error as error:
            errors.append(error)
        connection.close()
    waiter = threading.Thread(target=wait)
    waiter.start()
    wait_until(lambda: memory.one("SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
                                  "'%agent_wait%' AND wait_event IS NOT NULL "
                                  "AND pid <> pg_backend_pid()"), 10, "somebody to wait")
    assert took(lambda: memory.rows("DROP EXTENSION agent_branch")) < 1
    waiter.join(7)
    assert not waiter.is_alive() and len(errors) == 1


def test_drop_database_is_done_at_once(memory, control, fixed_uri):
    busy(memory, fixed_uri)
    memory.connection.close()
    assert took(lambda: control.psql(f"DROP DATABASE {memory.database}")) < 1
    assert "PANIC" not in control.log() and "terminated by signal" not in control.log()


def test_fast_shutdown_is_done_at_once_and_everything_carries_on(own_cluster, fixed_uri):
    system = own_cluster(fixed_uri=fixed_uri)
    system.register()
    table = busy(system, fixed_uri)
    assert took(lambda: system.cluster.stop("fast")) < 1
    system.cluster.start()
    system.connection = None
    carries_on(system, fixed_uri, table)


def test_a_copy_of_a_database_has_a_worker_and_is_somebody_else(memory, control):
    memory.ready("s")
    memory.connection.close()
    copy = unique("copy")
    control.psql(f"CREATE DATABASE {copy} TEMPLATE {memory.database}")
    try:
        with System(control, memory.emulator, extension=False) as other:
            other.database = copy
            other.worker_runs()
            memory.worker_runs()
            memory.discard("s")
    finally:
        control.psql(f"DROP DATABASE {copy}")


def test_two_databases_work_side_by_side(memory, control):
    with System(control, memory.emulator, unique("second")) as second:
        second.register()
        memory.create("mine")
        second.create("theirs")
        memory.settle("mine", "ready")
        second.settle("theirs", "ready")
        assert memory.worker() != second.worker()
        assert memory.branch_names() >= {BRANCH + "mine", BRANCH + "theirs"}
        assert memory.reap()[BRANCH + "theirs"]["class"] == "foreign"
        second.create("mine")  # the other's branch has that name
        second.settle("mine", "failed")
        for name in ("theirs", "mine"):
            second.discard(name)
        assert BRANCH + "mine" in memory.branch_names()


def test_a_renamed_database_keeps_its_worker(memory, control):
    memory.ready("s")
    memory.connection.close()
    renamed = unique("renamed")
    assert took(lambda: control.psql(f"ALTER DATABASE {memory.database} RENAME TO {renamed}")) < 2
    memory.database = renamed
    memory.worker_runs()
    memory.discard("s")


@pytest.mark.parametrize("crash", ["kill -9 of the worker", "immediate shutdown", "power loss"])
def test_after_a_crash_sessions_go_on_and_credentials_are_fetched_again(own_cluster, fixed_uri,
                                                                        crash):
    system = own_cluster(fixed_uri=fixed_uri, topology="flat")
    system.register()
    table = table_for(fixed_uri)
    system.ready("rests")
    uri = system.uri("rests")
    busy(system, fixed_uri, table)
    log_end = len(system.cluster.log())
    if crash == "kill -9 of the worker":
        os.kill(system.worker(), signal.SIGKILL)
        wait_until(lambda: "database system is ready" in system.cluster.log()[log_end:], 30,
                   "the server to recover")
    elif crash == "immediate shutdown":
        system.cluster.restart("immediate")
    else:
        system.cluster.kill9()
        system.cluster.start()
    system.connection = None
    assert system.uri("rests") == uri
    carries = ("migrates", "requests")
    for name in carries:
        system.settle(name, "ready", 30)
    assert query(fixed_uri, f"SELECT count(*) FROM {table}") == [(1,)]
    # To this one the others' rows are nobody's migration.
    system.merge("rests", on_unrecorded="drop")
    for name in carries:
        system.discard(name)
    wait_until(lambda: system.branch_names() == {"production", "development"}, 20, "clean-up")


def test_without_a_free_worker_slot_it_says_so_and_recovers(own_cluster):
    # The launcher and logical replication's launcher take one each.
    system = own_cluster({"max_worker_processes": 2})
    wait_until(lambda: "no free background worker slot; raise max_worker_processes" in
               system.cluster.log(), 20, "a message")
    system.register()
    system.create("s")
    assert system.worker() is None
    error = system.refused("SELECT agent_wait('s', '500 ms')")
    assert error.pgcode == "AB001" and "No worker runs for this database" in error.diag.message_hint
    system.cluster.settings["max_worker_processes"] = 8
    system.cluster.restart()
    system.connection = None
    system.settle("s", "ready")


def test_a_standby_says_so_and_works_once_promoted(own_cluster):
    system = own_cluster({"wal_level": "replica"})
    system.register()
    system.ready("s")
    standby_cluster = system.cluster.standby()
    try:
        standby = System(standby_cluster, system.emulator, extension=False)
        wait_until(lambda: standby.rows("SELECT state FROM agent_sessions WHERE session = 's'"),
                   20, "the session to be replicated")
        for call in ("agent_branch_create('t')", "agent_discard('s')", "agent_wait('s')",
                     "agent_connection_uri('s')", "agent_merge('s')", "agent_reap()",
                     "agent_migrate('s', 'SELECT 1')", "agent_extend('s', '1 day')",
                     "agent_project_register('other')"):
            error = standby.refused(f"SELECT {call}")
            assert error.pgcode == "25006" and error.diag.message_hint, call
        assert standby.refused("CALL agent_run('t', '{}', NULL)").pgcode == "25006"
        assert standby.worker() is None
        assert standby.one(WORKERS) == 0
        system.cluster.stop("immediate")
        standby_cluster.promote()
        standby.worker_runs()
        assert standby.uri("s").startswith("postgres")
        standby.discard("s")
        standby.ready("t")
        assert standby.branch_names() == {"production", "development", BRANCH + "t"}
    finally:
        standby_cluster.close()


def test_without_preload_there_is_an_error_with_a_hint(own_cluster):
    system = own_cluster({"shared_preload_libraries": ""}, start=False)
    for name in [name for name in system.cluster.settings if name.startswith("agent_branch.")]:
        del system.cluster.settings[name]
    system.cluster.start()
    error = system.refused("CREATE EXTENSION agent_branch")
    assert "shared_preload_libraries" in f"{error.diag.message_primary}{error.diag.message_hint}"
    assert error.diag.message_hint


def test_an_open_transaction_of_a_user_holds_nobody_up(memory):
    memory.ready("s")
    holder = memory.connect(autocommit=False)
    with holder.cursor() as cursor:
        cursor.execute("SELECT agent_migrate('s', 'SELECT 1')")
        cursor.execute("SELECT agent_branch_create('held')")
        memory.ready("other")
        memory.run("run", ["SELECT 1"])
        holder.rollback()
    holder.close()
    assert memory.wait("s") == "ready"
    assert not memory.rows("SELECT 1 AS one FROM agent_migrations WHERE session = 's'")
    assert not memory.rows("SELECT 1 AS one FROM agent_sessions WHERE session = 'held'")
