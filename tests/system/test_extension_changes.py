"""The extension is updated, dropped, or about to be, while sessions are under way."""
import os

import pytest

from host import wait_until
from load import Load
from system import PROJECT, System, unique

PROJECTS = [f"updated-{n}" for n in range(4)]
RELEASED = "0.2.0"
# Seconds for two sessions of each of four agents; who is disturbed waits for a minute.
NOT_DISTURBED = 20
VERSION = f"{RELEASED}.test{os.getpid()}"
# The step first, which the worker takes last and nobody else takes: so the two may hold each other
# up. The others in the order in which the functions take them.
SCRIPT = """
ALTER TABLE agent_branch.step ADD COLUMN note text NOT NULL DEFAULT 'none';
-- The views that show the column, as an update has to.
DROP VIEW public.agent_steps, public.agent_spans CASCADE;
ALTER TABLE agent_branch.step ALTER COLUMN outcome TYPE varchar;
SELECT pg_catalog.pg_sleep({seconds});
ALTER TABLE agent_branch.session ADD COLUMN note text;
ALTER TABLE agent_branch.migration ADD COLUMN note bigint NOT NULL DEFAULT 7;
ALTER TABLE agent_branch.event ADD COLUMN note text NOT NULL DEFAULT 'none';
ALTER TABLE agent_branch.request ADD COLUMN note text;
CREATE INDEX ON agent_branch.session (note);
"""


@pytest.fixture
def update_script(control):
    """Writes the script of an update, where the server under test looks for it."""
    folder = control.psql("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'") + "/extension"
    if not os.access(folder, os.W_OK):
        pytest.skip(f"{folder} cannot be written to")
    path = f"{folder}/agent_branch--{RELEASED}--{VERSION}.sql"

    def write(text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    yield write
    if os.path.exists(path):
        os.remove(path)


@pytest.fixture
def load(memory_system, fixed_uri):
    arguments = [word for project in PROJECTS[1:] for word in ("--project", project)]
    memory = memory_system(register=False, topology="flat", project=PROJECTS[0],
                           arguments=arguments)
    load = Load(memory, PROJECTS).start(fixed_uri)
    yield load
    load.stop()


def nothing_is_left(load, fixed_uri):
    load.stop()
    system = load.system
    assert load.rows(fixed_uri) == sum(map(len, load.finished.values()))
    assert not system.rows("SELECT 1 AS one FROM agent_sessions WHERE finished_at IS NULL")
    wait_until(lambda: all(system.branch_names(project) == {"production", "development"}
                           for project in PROJECTS), 20, "clean-up")
    wait_until(lambda: not system.rows("SELECT 1 AS one FROM agent_branch.step WHERE status = 'intended'"),
               10, "all steps to be recorded")


@pytest.mark.parametrize("seconds", [0, 3])
def test_an_update_of_the_extension_disturbs_nobody(load, fixed_uri, update_script, seconds):
    system = load.system
    load.goes_on()
    pid = system.worker()
    update_script(SCRIPT.format(seconds=seconds))
    log_end = len(system.cluster.log())
    system.rows(f"ALTER EXTENSION agent_branch UPDATE TO '{VERSION}'")
    load.goes_on(NOT_DISTURBED)
    assert system.worker() == pid
    log = system.cluster.log()[log_end:]
    assert "deadlock" not in log and "ERROR" not in log, log
    nothing_is_left(load, fixed_uri)
    assert system.one("SELECT count(*) FROM agent_branch.migration WHERE note <> 7") == 0


def test_a_drop_that_is_rolled_back_disturbs_nobody(load, fixed_uri):
    system = load.system
    load.goes_on()
    pid = system.worker()
    with system.connect(autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION agent_branch")
        cursor.execute("SELECT pg_sleep(3)")
        connection.rollback()
    connection.close()
    load.goes_on(NOT_DISTURBED)
    assert system.worker() == pid
    nothing_is_left(load, fixed_uri)


def test_dropped_and_made_again_in_one_transaction_with_work_in_flight(memory_system, fixed_uri):
    memory = memory_system(topology="flat")
    memory.ready("s")
    memory.migrate("s", "SELECT pg_sleep(20)", state=None)
    wait_until(lambda: memory.state("s") == "migrating", 10, "the migration to run")
    memory.emulator.add_fault({"match": {"method": "POST", "path": "/branches$"},
                               "do": "delay_after_ms", "ms": 1000})
    memory.create("in-flight")
    wait_until(lambda: memory.one("SELECT calls_under_way FROM agent_worker"), 10, "a request")
    pid = memory.worker()
    with memory.connect(autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION agent_branch")
        cursor.execute("CREATE EXTENSION agent_branch")
        connection.commit()
    connection.close()
    memory.worker_runs(other_than=pid, seconds=5)
    memory.emulator.clear_faults()
    memory.register()
    load = Load(memory, [PROJECT]).start(fixed_uri)
    load.goes_on()
    load.stop()
    # What was the first one's is nobody's now, and stays.
    assert memory.reap()["branch-for-revision-s"]["class"] == "foreign"
    assert memory.branch("branch-for-revision-s")


@pytest.fixture
def two_phases(own_cluster, fixed_uri):
    system = own_cluster({"max_prepared_transactions": 4}, fixed_uri=fixed_uri)
    system.register()
    return system


def prepare(system, *statements, name="prepared"):
    with system.connect() as connection, connection.cursor() as cursor:
        for statement in ("BEGIN", *statements, f"PREPARE TRANSACTION '{name}'"):
            cursor.execute(statement)
    connection.close()


@pytest.mark.parametrize("call", [
    "agent_branch_create('t')", "agent_migrate('s', 'SELECT 1')", "agent_merge('s')",
    "agent_discard('s')", "agent_extend('s', '2 days')", "agent_reap()",
    "agent_project_register('other')"])
def test_what_agents_ask_for_cannot_be_prepared(two_phases, call):
    two_phases.ready("s")
    two_phases.rows("BEGIN")
    two_phases.rows(f"SELECT {call}")
    error = two_phases.refused("PREPARE TRANSACTION 'asked'")
    assert error.pgcode == "0A000" and "agent_" in error.diag.message_primary
    assert error.diag.message_hint == "Commit it with COMMIT."
    assert two_phases.rows("SELECT gid FROM pg_prepared_xacts") == []
    # Nothing of it is left, and the name is free.
    two_phases.wait("s")
    assert two_phases.state("s") == "ready"
    two_phases.ready("t")


@pytest.mark.parametrize("restarted", [False, True], ids=["at once", "after a restart"])
def test_a_prepared_creation_of_the_extension_starts_the_worker(two_phases, restarted):
    name = unique("prepared")
    two_phases.cluster.psql(f"CREATE DATABASE {name}")
    system = System(two_phases.cluster, two_phases.emulator, extension=False)
    system.database = name
    prepare(system, "CREATE EXTENSION agent_branch")
    if restarted:
        system.cluster.restart("immediate")
        system.connection = None
    system.rows("COMMIT PREPARED 'prepared'")
    system.worker_runs(seconds=5)
    # The other way round: dropped, and everybody is told.
    pid = system.worker()
    prepare(system, "DROP EXTENSION agent_branch")
    if restarted:
        system.cluster.restart("immediate")
        system.connection = None
    system.rows("ROLLBACK PREPARED 'prepared'")
    system.worker_runs(seconds=5)
    prepare(system, "DROP EXTENSION agent_branch")
    system.rows("COMMIT PREPARED 'prepared'")
    worker = "SELECT 1 AS one FROM pg_stat_activity WHERE pid = %s OR " \
             "(backend_type = 'agent_branch worker' AND datname = current_database())"
    wait_until(lambda: not system.rows(worker, pid), 5, "the worker to leave")
