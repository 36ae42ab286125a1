"""What a database may hold or be told, and the worker goes on: rows that cannot be written or read,
publications, settings, roles that may create databases."""

import psycopg2
import pytest

from host import wait_until
from system import Listener, System, unique

WORKERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'agent_branch worker'"


def life(system, name="s"):
    system.ready(name)
    system.merge(name)
    system.ready(name + "-2")
    system.discard(name + "-2")


def restart_worker(system):
    pid = system.worker_runs()
    system.rows("SELECT pg_terminate_backend(%s)", pid)
    return system.worker_runs(other_than=pid)


def test_a_row_that_cannot_be_written_holds_up_its_session_only(memory):
    memory.rows("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'this row is poison'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON agent_branch.session FOR EACH ROW
        WHEN (NEW.name = 'poison' AND NEW.state = 'ready' AND OLD.state <> 'ready')
        EXECUTE FUNCTION refuse()""")
    memory.create("poison")
    memory.error_with("poison", "this row is poison", "Register the project again")
    life(memory)
    assert "this row is poison" in memory.one("SELECT last_error FROM agent_worker")
    memory.rows("DROP TRIGGER refuse ON agent_branch.session")
    memory.discard("poison")
    wait_until(lambda: memory.branch("branch-for-revision-poison") is None, 20,
               "its branch to be deleted")


def test_a_project_that_cannot_be_read_holds_up_its_sessions_only(memory_system):
    memory = memory_system(register=False, project="first-one-1",
                           arguments=("--project", "second-one-2"))
    for project in ("first-one-1", "second-one-2"):
        memory.register(project)
    memory.ready("bad", project="first-one-1")
    memory.rows("UPDATE agent_branch.project SET options = '{\"undo_window\": \"soon\"}' "
                "WHERE project = 'first-one-1'")
    restart_worker(memory)
    memory.error_with("bad", "cannot be written or read", "Register the project again")
    memory.ready("good", project="second-one-2")
    memory.create("late", project="first-one-1")
    memory.error_with("late", "cannot be written or read")
    memory.discard("good")
    memory.register("first-one-1")
    memory.settle("late", "ready")
    assert memory.session("bad")["error"] is None
    for name in ("late", "bad"):
        memory.discard(name)


@pytest.mark.parametrize("options", [
    '{"undo_window": "1000000 years"}', '{"undo_window": "11 years"}',
    '{"statement_timeout": "1000 years"}', '{"statement_timeout": "25 h"}',
    '{"statement_timeout": "1 us"}', '{"lock_timeout": "0.1 ms"}', '{"ttl": "31 days"}',
    '{"statement_timeout": "infinity"}', '{"undo_window": "infinity"}',
    '{"lock_timeout": "-infinity"}'])
def test_options_without_bounds_are_refused(memory, options):
    error = memory.refused("SELECT agent_project_register('shiny-wind-028834', options => %s)",
                           options)
    assert error.pgcode == "22023"


@pytest.mark.parametrize("project", [".", ".."])
def test_a_project_that_is_a_step_in_a_path_is_refused(memory, project):
    error = memory.refused("SELECT agent_project_register(%s)", project)
    assert error.pgcode == "42602" and error.diag.message_hint


def test_a_publication_for_all_tables(memory):
    memory.rows("CREATE PUBLICATION everything FOR ALL TABLES")
    restart_worker(memory)
    life(memory)
    memory.reap()
    # Every table of ours that is published can be changed.
    assert memory.rows("""SELECT c.oid::regclass FROM pg_class AS c
        WHERE relnamespace = 'agent_branch'::regnamespace AND relkind = 'r'
        AND relpersistence = 'p' AND relreplident = 'd'
        AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary)""") == []


@pytest.mark.parametrize("setting", [
    "role = {role}", "session_replication_role = replica", "default_transaction_read_only = on",
    "default_transaction_isolation = serializable", "row_security = off",
    "standard_conforming_strings = off", "statement_timeout = 1", "search_path = {role}"])
def test_settings_of_the_database_are_not_the_workers(memory, setting):
    role = unique("nobody")
    memory.rows(f"CREATE ROLE {role}")
    memory.rows(f"ALTER DATABASE {memory.database} SET {setting.format(role=role)}")
    restart_worker(memory)
    memory.rows("SET statement_timeout = 0; SET role = none; SET default_transaction_read_only = off")
    life(memory)
    # It is the trigger that writes these.
    assert memory.one("SELECT count(*) FROM agent_events WHERE state = 'merged'") == 1
    memory.rows(f"ALTER DATABASE {memory.database} RESET ALL; DROP ROLE {role}")


def test_a_full_queue_of_notifications_holds_up_nothing(own_cluster):
    system = own_cluster()
    system.register()
    usage = "CREATE OR REPLACE FUNCTION pg_catalog.pg_notification_queue_usage() RETURNS float8 " \
            "LANGUAGE sql AS 'SELECT {}::float8'"
    system.rows(usage.format(0.6))
    listener = Listener(system)
    life(system)
    system.rows(usage.format(0.4))
    restart_worker(system)  # plans do not notice that a built-in function is another one
    system.ready("told")
    told = system.one("SELECT id FROM agent_branch.session WHERE name = 'told'")
    payloads = listener.until(lambda seen: len(seen) > 1)
    assert {each["session_id"] for each in payloads} == {told}
    listener.close()
    system.close()


def test_making_the_extension_again_and_again_is_no_failure(memory):
    for _ in range(6):
        memory.worker_runs(seconds=5)
        memory.rows("DROP EXTENSION agent_branch")
        memory.rows("CREATE EXTENSION agent_branch")
    memory.worker_runs(seconds=5)
    for _ in range(6):
        pid = memory.worker_runs(seconds=5)
        memory.rows("SELECT agent_branch_take_over()")
        memory.worker_runs(other_than=pid, seconds=5)


def test_a_database_that_gets_no_worker_is_told(own_cluster, memory_emulator):
    system = own_cluster({"agent_branch.database_workers": 1})
    system.worker_runs()
    with System(system.cluster, system.emulator, "second") as second:
        wait_until(lambda: "as many as agent_branch.database_workers allows"
                   in system.cluster.log(), 20, "the log to say it")
        (row,) = second.rows("SELECT * FROM agent_worker")
        assert row["pid"] is None and "agent_branch.database_workers" in row["last_error"]
        oid = second.one("SELECT oid FROM pg_database WHERE datname = current_database()")
        assert system.cluster.log().count(f"with OID {oid} waits for a worker") == 1
    system.close()


def test_a_database_whose_drop_was_cut_off_is_left_alone(own_cluster):
    system = own_cluster()
    system.worker_runs()
    system.rows("CREATE DATABASE half")
    system.rows("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'half'")
    restart_worker(system)  # until then a look that CREATE DATABASE asked for may be under way
    end = len(system.cluster.log())
    system.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'agent_branch launcher'")
    restart_worker(system)
    life_of_it = system.cluster.log()[end:]
    assert "half" not in life_of_it
    system.close()


@pytest.fixture
def creator(memory):
    role = unique("creator")
    memory.rows(f"CREATE ROLE {role} LOGIN CREATEDB")
    connection = memory.cluster.connect("postgres", user=role)
    connection.autocommit = True
    yield connection
    connection.close()
    memory.rows(f"DROP ROLE {role}")


def attempt(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_who_may_not_copy_a_database_does_not_stop_its_worker(memory, creator):
    pid = memory.worker_runs()
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        attempt(creator, f"CREATE DATABASE copy_of_it TEMPLATE {memory.database}")
    assert memory.worker() == pid


def test_a_transaction_block_keeps_no_database_paused(memory, creator):
    pid = memory.worker_runs()
    owner = memory.connect()
    owner.autocommit = True
    attempt(owner, "BEGIN")
    for _ in range(70):  # more than there are pauses
        attempt(owner, "SAVEPOINT s")
        with pytest.raises(psycopg2.errors.ActiveSqlTransaction):
            attempt(owner, f"CREATE DATABASE copy_of_it TEMPLATE {memory.database}")
        attempt(owner, "ROLLBACK TO s")
    assert memory.worker() == pid
    attempt(creator, "CREATE DATABASE innocent TEMPLATE template0")
    attempt(creator, "DROP DATABASE innocent")
    owner.close()


def test_a_rename_that_is_rolled_back_lets_the_worker_in_again(memory):
    other = memory.cluster.connect("postgres")
    other.autocommit = True
    pid = memory.worker_runs()
    memory.connection.close()
    attempt(other, "BEGIN")
    attempt(other, "SAVEPOINT s")
    try:
        attempt(other, f"ALTER DATABASE {memory.database} RENAME TO postgres")
    except psycopg2.errors.DuplicateDatabase:
        pass
    attempt(other, "ROLLBACK TO s")
    memory.worker_runs(other_than=pid)
    other.close()


def test_creating_a_database_probes_that_one_only(own_cluster):
    system = own_cluster({"log_min_messages": "debug1"})
    system.worker_runs()
    started = 'starting background worker process "agent_branch worker"'

    def create(name):
        """Returns how many workers were started for it."""
        wait_until(lambda: system.cluster.psql(WORKERS) == "1", 20, "the others to leave")
        end = len(system.cluster.log())
        system.rows(f"CREATE DATABASE {name} TEMPLATE template0")
        wait_until(lambda: started in system.cluster.log()[end:], 20, "it to be probed")
        wait_until(lambda: system.cluster.psql(WORKERS) == "1", 20, "its worker to leave")
        return system.cluster.log()[end:].count(started)
    assert [create(f"other_{number}") for number in range(4)] == [1, 1, 1, 1]
    system.close()
