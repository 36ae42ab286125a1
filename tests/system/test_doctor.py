"""agent_branch.doctor() finds what is wrong, says what to do, and finds nothing when nothing is."""
import os

import pytest

from host import wait_until

SUBJECTS = ["version", "tables", "worker", "worker processes", "settings", "API", "API key", "fixer",
            "durability", "projects", "identity", "sessions"]


def found(system):
    return {row["subject"]: row for row in system.rows("SELECT * FROM agent_branch.doctor()")}


def finds(system, subject, status, *words):
    def row():
        one = found(system)[subject]
        text = f"{one['finding']}\n{one['advice']}"
        return one if one["status"] == status and all(word in text for word in words) else None
    return wait_until(row, 10, f"{subject} to be {status}")


@pytest.fixture
def system(own_cluster, fixed_uri):
    system = own_cluster({"fsync": "on"}, fixed_uri=fixed_uri)
    system.register()
    system.worker_runs()
    return system


def test_nothing_is_wrong_with_what_is_as_it_should_be(system):
    rows = system.rows("SELECT * FROM agent_branch.doctor()")
    assert [row["subject"] for row in rows] == SUBJECTS
    # The emulator is no Neon: the only thing to be told.
    assert [row["subject"] for row in rows if row["status"] != "ok"] == ["API"]
    assert all((row["advice"] is None) == (row["status"] == "ok") for row in rows)


def test_what_is_wrong_is_found_with_what_to_do(system):
    cluster = system.cluster
    key_file = cluster.settings["agent_branch.api_key_file"]
    os.chmod(key_file, 0o644)
    finds(system, "API key", "error", "0600")
    os.chmod(key_file, 0o600)
    finds(system, "API key", "ok")
    cluster.reload({"agent_branch.api_key_file": ""})
    finds(system, "API key", "error", "is not set")
    cluster.reload({"agent_branch.api_key_file": key_file, "max_worker_processes": 40})
    finds(system, "settings", "warning", "max_worker_processes", "Restart")
    cluster.reload({"agent_branch.fixer_url": "http://127.0.0.1:1/"})
    finds(system, "fixer", "error", "fixer_model")
    cluster.reload({"agent_branch.fixer_url": "", "fsync": "off"})
    finds(system, "durability", "error", "fsync is off")
    system.rows("SELECT agent_project_pause('shiny-wind-028834')")
    finds(system, "projects", "warning", "agent_project_resume()")
    system.rows("ALTER TABLE agent_branch.credential SET LOGGED")
    system.rows("ALTER TABLE agent_branch.session DISABLE TRIGGER stamp_role")
    finds(system, "tables", "error", "agent_branch.credential (is logged)",
          "trigger stamp_role on agent_branch.session")


def test_too_few_processes_and_no_worker(own_cluster, fixed_uri):
    system = own_cluster({"max_worker_processes": 2}, fixed_uri=fixed_uri)
    finds(system, "worker processes", "error", "max_worker_processes is 2, and 5 are needed")
    system.rows("ALTER DATABASE postgres CONNECTION LIMIT -1")
    finds(system, "projects", "warning", "agent_project_register()")


def test_a_copy_is_told(memory):
    memory.ready("s")
    memory.rows("UPDATE agent_branch.session SET installation_id = gen_random_uuid()")
    finds(memory, "identity", "warning", "1 unfinished sessions", "agent_branch_take_over()")


def test_only_superusers_may_ask(memory):
    memory.rows("CREATE ROLE watcher_of_doctor")
    try:
        memory.rows("SELECT agent_branch_grant('watcher_of_doctor', 'admin')")
        memory.rows("SET ROLE watcher_of_doctor")
        for call in ("agent_branch.doctor()", "agent_branch.key_file_problem('/etc/passwd')"):
            assert memory.refused(f"SELECT {call}").pgcode == "42501"
    finally:
        memory.rows("RESET ROLE")
        memory.rows("SELECT agent_branch_revoke('watcher_of_doctor')")
        memory.rows("DROP ROLE watcher_of_doctor")
