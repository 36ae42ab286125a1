"""New packages on a database that has not been updated, and the update itself."""
import os
import re
import subprocess
import tempfile

import pytest

import catalog
from host import wait_until
from system import System, unique

OLD = "0.1.0"
NEW = re.search(r"default_version = '(.*)'",
                open("agent_branch.control", encoding="utf-8").read())[1]
UPDATE = "ALTER EXTENSION agent_branch UPDATE"

CALLS = ["agent_project_register('p')", "agent_branch_create('s')", "agent_wait('s')",
         "agent_connection_uri('s')", "agent_migrate('s', 'SELECT 1')", "agent_merge('s')",
         "agent_discard('s')", "agent_extend('s', '1 day')", "agent_reap()",
         "agent_branch_take_over()"]


@pytest.fixture
def old(control, memory_emulator):
    """A control database whose tables are those of 0.1.0."""
    emulator = memory_emulator()
    control.reload({"agent_branch.api_url": emulator.url,
                    "agent_branch.api_key_file": emulator.key_file})
    with System(control, emulator, unique("old"), extension=False) as system:
        system.rows(f"CREATE EXTENSION agent_branch VERSION '{OLD}'")
        yield system


def test_until_the_update_calls_say_what_to_do(old):
    for call in CALLS:
        error = old.refused(f"SELECT {call}")
        assert error.pgcode == "55000", call
        assert OLD in error.diag.message_primary and NEW in error.diag.message_primary
        assert error.diag.message_hint == f"Run {UPDATE} in this database."
    assert old.refused("CALL agent_run('s', '{SELECT 1}', NULL)").pgcode == "55000"
    assert old.one("SELECT count(*) FROM agent_branch.request") == 0


def test_until_the_update_the_worker_waits_and_touches_nothing(old):
    pid = old.worker_runs()
    wait_until(lambda: old.one("SELECT last_error FROM agent_worker"), 10, "the worker to say why")
    assert OLD in old.one("SELECT last_error FROM agent_worker")
    assert f"Run {UPDATE} in this database." in old.cluster.log()
    before = old.one("SELECT count(*) FROM agent_branch.installation")
    old.rows(UPDATE)
    old.register()
    old.ready("s")
    assert old.worker() == pid and before == 1
    assert old.emulator.requests()


def test_a_worker_of_another_library_than_the_server_preloaded_leaves(own_cluster, fixed_uri,
                                                                      tmp_path):
    """As after a package was installed, and before the restart."""
    library = subprocess.check_output(
        [os.environ.get("PG_CONFIG", "pg_config"), "--pkglibdir"], text=True).strip()
    with open(f"{library}/agent_branch_worker.so", "rb") as file:
        bytes_of_worker = file.read()
    later = NEW[:-1] + "9"
    assert bytes_of_worker.count(NEW.encode() + b"\0")
    folder = tmp_path / "later"
    folder.mkdir()
    (folder / "agent_branch_worker.so").write_bytes(
        bytes_of_worker.replace(NEW.encode() + b"\0", later.encode() + b"\0"))
    # pytest closes its folders, one inside the other, to all but its own account.
    for path in (folder, *folder.parents):
        if str(path) == tempfile.gettempdir():
            break
        path.chmod(0o755)
    system = own_cluster({}, fixed_uri=fixed_uri)
    system.worker_runs()
    system.cluster.reload({"dynamic_library_path": f"{folder}:$libdir"})
    wait_until(lambda: str(folder) in system.cluster.psql("SHOW dynamic_library_path"), 10,
               "the server to read its settings")
    system.rows("SELECT pg_terminate_backend(pid) FROM agent_worker WHERE pid IS NOT NULL")
    said = f"agent_branch_worker of version {later} was started by a server that has preloaded {NEW}"
    wait_until(lambda: said in system.cluster.log(), 20, "the worker to say why it leaves")
    assert "HINT:  Restart the server." in system.cluster.log()
    assert "was terminated by signal" not in system.cluster.log()


def test_the_update_is_refused_by_a_server_without_the_library(own_cluster, fixed_uri):
    system = own_cluster({}, fixed_uri=fixed_uri)
    system.rows("DROP EXTENSION agent_branch")
    system.rows(f"CREATE EXTENSION agent_branch VERSION '{OLD}'")
    system.cluster.settings["shared_preload_libraries"] = ""
    for name in [name for name in system.cluster.settings if name.startswith("agent_branch.")]:
        del system.cluster.settings[name]
    system.cluster.restart()
    system.connection = None
    error = system.refused(UPDATE)
    assert error.pgcode == "55000" and "restart the server" in error.diag.message_hint
    assert system.one("SELECT extversion FROM pg_extension WHERE extname = 'agent_branch'") == OLD


def test_a_downgrade_is_refused(memory):
    error = memory.refused(f"ALTER EXTENSION agent_branch UPDATE TO '{OLD}'")
    assert error.pgcode == "22023" and "no update path" in error.diag.message_primary


def test_fresh_equals_upgraded(old, memory):
    old.rows(UPDATE)
    fresh, upgraded = catalog.members(memory), catalog.members(old)
    assert len(fresh) > 100
    assert upgraded == fresh


def test_the_comparison_notices_what_differs(old, memory):
    old.rows(UPDATE)
    same = catalog.members(memory)
    for change in ("ALTER TABLE agent_branch.session ALTER COLUMN goal SET DEFAULT 'x'",
                   "COMMENT ON FUNCTION agent_wait(text, interval, text) IS 'other'",
                   "GRANT EXECUTE ON FUNCTION agent_reap(boolean) TO PUBLIC",
                   "DROP INDEX agent_branch.access_project"):
        with old.connect(autocommit=False) as connection:
            with connection.cursor() as cursor:
                cursor.execute(change)
                assert catalog.members_of(cursor) != same, change
            connection.rollback()
        connection.close()


def test_an_installation_full_of_sessions_loses_none(memory_system, control, still_parent):
    """What 0.1.0 had in its tables, in every state and in the middle of a merge, goes on."""
    memory = memory_system(topology="flat", register=False, fixed_parent_uri=still_parent)
    memory.register(max_parallel=8, isolate_role=False)  # 0.1.0 knew one login for all
    emulator = memory.emulator
    for name in ("migrating", "conflict", "failed", "done"):
        memory.ready_with_work(name)
    memory.merge("done", strategy="restore")
    memory.merge("conflict", strategy="restore", state="conflict")
    memory.ready("ready")
    memory.ready("merging")
    memory.migrate("failed", "SELECT nope", state="failed")
    memory.migrate("merging", "SELECT 1")
    # The restore has its effect, and its answer does not come; a branch is made, and nobody is told.
    emulator.add_fault({"match": {"method": "POST", "path": "/restore$"},
                        "do": "delay_after_ms", "ms": 60000})
    memory.merge("merging", strategy="restore", state=None)
    wait_until(lambda: memory.one("SELECT count(*) FROM agent_branch.step "
                                  "WHERE kind = 'restore' AND status = 'intended'")
               and [one for one in emulator.effects() if "/restore" in one["path"]], 20, "the restore")
    emulator.add_fault({"match": {"method": "POST", "path": "/branches$"},
                        "do": "delay_after_ms", "ms": 60000})
    memory.create("creating")
    memory.create("queued")
    memory.migrate("migrating", "SELECT pg_sleep(8)", state=None)
    wait_until(lambda: memory.state("migrating") == "migrating", 20, "the migration")
    states = {name: memory.state(name) for name in
              ("queued", "creating", "ready", "migrating", "merging", "conflict", "failed", "done")}

    with System(control, emulator, unique("upgraded"), extension=False) as system:
        system.rows(f"CREATE EXTENSION agent_branch VERSION '{OLD}'")
        catalog.copy_rows(memory, system)
        memory.close()
        emulator.clear_faults()
        system.rows(UPDATE)
        after = {row["session"]: row["state"] for row in
                 system.rows("SELECT session, state FROM agent_sessions")}
        assert set(after) == set(states)
        system.settle("ready", "ready")
        system.settle("merging", "merged", seconds=60)
        system.settle("creating", "ready", seconds=60)
        system.settle("queued", "ready", seconds=60)
        assert system.wait("migrating", 60) in ("ready", "failed"), system.session("migrating")
        for name, state in (("failed", "failed"), ("conflict", "conflict"), ("done", "merged")):
            assert system.state(name) == state
        for name in ("ready", "creating", "queued", "failed", "conflict", "migrating"):
            system.discard(name)
        wait_until(lambda: not [name for name in system.branch_names()
                                if name.startswith("branch-for-")], 30, "clean-up")
