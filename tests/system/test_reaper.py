"""The reaper: what is too old goes, what is not ours stays, and a dry run only tells."""
import json

import pytest

from host import wait_until
from system import PROJECT

BRANCH = "branch-for-revision-"


def make_older(system, name, age="25 hours"):
    """As if the session had been created that long ago. The worker reads it at its start."""
    system.rows("UPDATE agent_branch.session SET created_at = created_at - %s::interval "
                "WHERE name = %s", age, name)
    pid = system.worker()
    system.rows("SELECT pg_terminate_backend(%s)", pid)
    system.worker_runs(other_than=pid)


def test_sessions_older_than_max_age_expire(memory):
    for name in ("old", "young"):
        memory.ready(name)
    make_older(memory, "old")
    seen = memory.reap()
    assert (seen[BRANCH + "old"]["class"], seen[BRANCH + "old"]["action"]) == ("expired", "delete")
    assert (seen[BRANCH + "young"]["class"], seen[BRANCH + "young"]["action"]) == ("live", "none")
    assert seen["development"]["class"] == "parent" and seen["production"]["class"] == "foreign"
    memory.settle("old", "expired")
    assert memory.branch_names() == {"production", "development", BRANCH + "young"}
    assert memory.state("young") == "ready"
    memory.ready("old")  # the name is free again


def test_a_session_past_its_own_expiry_expires_by_itself_with_the_reaper(memory_system):
    memory = memory_system({"agent_branch.reap_interval": "1s"})
    memory.ready("brief", ttl="2 s")
    memory.ready("long")
    wait_until(lambda: memory.state("brief") == "expired", 15, "the session to expire")
    assert memory.session("brief")["finished_at"] is not None
    assert memory.branch(BRANCH + "brief") is None
    assert memory.state("long") == "ready"


def test_max_age_and_interval_are_taken_up_while_running(memory_system, control):
    memory = memory_system()
    memory.ready("aging")
    control.reload({"agent_branch.max_age": "1s", "agent_branch.reap_interval": "1s"})
    try:
        wait_until(lambda: memory.state("aging") == "expired", 15, "the session to expire")
    finally:
        del control.settings["agent_branch.max_age"]
        control.reload({"agent_branch.reap_interval": 0})
    assert memory.branch_names() == {"production", "development"}


def test_a_full_project_lets_the_reaper_make_room(memory_system):
    memory = memory_system(max_branches=4)
    memory.ready("forgotten")
    make_older(memory, "forgotten")
    ours = memory.one("SELECT id FROM agent_branch.installation")
    development = memory.branch("development")["id"]
    memory.emulator.call("POST", f"/projects/{PROJECT}/branches", {
        "branch": {"name": "orphan", "parent_id": development},
        "annotation_value": {"agent-branch-installation": ours, "agent-branch-session": "x"}})
    for name in ("one", "two"):
        memory.create(name)
    for name in ("one", "two"):
        memory.settle(name, "ready")
    assert memory.state("forgotten") == "expired"
    assert memory.branch_names() == {"production", "development", BRANCH + "one", BRANCH + "two"}


def test_one_sweep_deletes_no_more_than_its_limit(memory_system):
    memory = memory_system({"agent_branch.reap_limit": 2})
    for name in ("a", "b", "c"):
        memory.ready(name)
        make_older(memory, name)
    assert sorted(row["action"] for row in memory.reap().values() if row["class"] == "expired") == \
        ["delete", "delete", "next sweep"]
    memory.reap()
    assert memory.branch_names() == {"production", "development"}


def test_a_dry_run_deletes_nothing_and_shows_what_it_would(memory):
    memory.ready("old")
    make_older(memory, "old")
    seen = memory.reap(dry_run=True)
    assert seen[BRANCH + "old"]["action"] == "would delete"
    assert seen[BRANCH + "old"]["session"] == "old" and seen[BRANCH + "old"]["dry_run"]
    assert memory.state("old") == "ready" and memory.branch(BRANCH + "old")
    assert not memory.calls("DELETE", "/branches/")


def test_queued_sessions_expire_too(memory):
    memory.register(max_parallel=1)
    memory.ready("first")
    memory.create("waiting")
    wait_until(lambda: not memory.one("SELECT count(*) FROM agent_branch.request"), 10,
               "the request to be taken")
    make_older(memory, "waiting")
    memory.reap()
    memory.settle("waiting", "expired")
    assert memory.state("first") == "ready"
    assert len(memory.calls("POST", "/branches")) == 1


def test_foreign_branches_are_shown_and_never_touched(memory):
    parent = memory.branch("development")["id"]
    foreign = {
        BRANCH + "of-somebody-else": {"agent-branch-installation": "another",
                                      "agent-branch-session": "another"},
        BRANCH + "of-nobody": None, "feature/x": None}
    for name, annotation in foreign.items():
        body = {"branch": {"name": name, "parent_id": parent}}
        if annotation:
            body["annotation_value"] = annotation
        assert memory.emulator.call("POST", f"/projects/{PROJECT}/branches", body)[0] == 201
    memory.ready("mine")
    make_older(memory, "mine")
    seen = memory.reap()
    memory.settle("mine", "expired")
    assert {name: (seen[name]["class"], seen[name]["action"]) for name in foreign} == \
        {name: ("foreign", "none") for name in foreign}
    assert memory.branch_names() == {"production", "development", *foreign}
    assert len(memory.calls("DELETE", "/branches/")) == 1


def test_a_branch_that_is_gone_is_a_ghost(memory):
    memory.ready("lost")
    branch = memory.session("lost")["branch_id"]
    assert memory.emulator.call("DELETE", f"/projects/{PROJECT}/branches/{branch}")[0] == 200
    wait_until(lambda: memory.branch(BRANCH + "lost") is None, 10, "the branch to be gone")
    seen = memory.reap()
    assert (seen[BRANCH + "lost"]["class"], seen[BRANCH + "lost"]["session"]) == ("ghost", "lost")
    make_older(memory, "lost")
    memory.reap()
    memory.settle("lost", "expired")


def test_a_branch_of_ours_that_no_session_knows_is_an_orphan(memory):
    """As after a restore of the control database from a backup that does not know the session."""
    ours = memory.one("SELECT id FROM agent_branch.installation")
    memory.emulator.call("POST", f"/projects/{PROJECT}/branches", {
        "branch": {"name": "left", "parent_id": memory.branch("development")["id"]},
        "annotation_value": {"agent-branch-installation": ours, "agent-branch-session": "unknown"}})
    assert memory.reap()["left"]["class"] == "orphan"


@pytest.mark.parametrize("topology", ["lineage", "flat"])
def test_kept_branches_go_children_first_once_neon_lets_them(memory_system, still_parent,
                                                              topology):
    memory = memory_system(topology=topology, fixed_parent_uri=still_parent)
    for name in ("first", "second"):
        memory.ready_with_work(name)
        memory.merge(name, strategy="restore")

    def left():
        return memory.rows("SELECT name FROM agent_branch.kept_branch WHERE deleted_at IS NULL")
    if topology == "flat":
        wait_until(lambda: not left(), 20, "the backups to be deleted")
        assert memory.branch_names() == {"production", "development"}
        return
    # production, backup, first, backup, second, development: each the parent of the next.
    assert len(left()) == 4
    assert set(row["action"] for row in memory.reap().values() if row["class"] in
               ("pinned", "backup")) == {"blocked by children"}
    development = memory.branch("development")["id"]
    assert memory.emulator.call("DELETE", f"/projects/{PROJECT}/branches/{development}")[0] == 200
    wait_until(lambda: memory.branch("development") is None, 10, "the parent to be gone")
    since = memory.emulator.state()["counters"]["requests"]
    memory.reap()
    wait_until(lambda: not left(), 20, "kept branches to be deleted")
    assert memory.branch_names() == {"production"}
    assert {call["status"] for call in memory.calls("DELETE", "/branches/", since)} == {200}


def test_an_undo_window_keeps_the_backup(memory_system, still_parent):
    memory = memory_system(topology="flat", fixed_parent_uri=still_parent)
    memory.register(undo_window="1 hour")
    memory.ready_with_work("kept")
    memory.merge("kept", strategy="restore")
    backup = memory.rows("SELECT backup_name, backup_branch_id FROM agent_merges")[0]
    seen = memory.reap()
    assert (seen[backup["backup_name"]]["class"], seen[backup["backup_name"]]["action"]) == \
        ("backup", "none")
    assert json.loads(memory.calls("POST", "/restore")[0]["body"])["preserve_under_name"] == \
        backup["backup_name"]
    assert memory.branch(backup["backup_name"])["id"] == backup["backup_branch_id"]


def test_a_sweep_tells_when_it_cannot_see(memory):
    memory.emulator.add_fault({"match": {"method": "GET", "path": "/branches", "count": 2},
                               "do": "status", "status": 500})
    assert "development" in memory.reap()


def test_a_project_that_cannot_be_swept_is_shown_since_when(memory):
    memory.ready("s")
    memory.emulator.add_fault({"match": {"method": "GET", "path": "/branches", "count": 1000},
                               "do": "status", "status": 403, "body": {"message": "not yours"}})
    memory.rows("SELECT agent_reap()")
    (shown,) = wait_until(lambda: memory.one("SELECT projects_in_trouble FROM agent_worker"), 60,
                          "the trouble to be shown")
    assert shown["project"] == PROJECT and "not yours" in shown["error"] and shown["since"]
    row = memory.rows("SELECT upkeep_error, upkeep_error_since FROM agent_projects")[0]
    assert row["upkeep_error"] == shown["error"] and row["upkeep_error_since"]
    memory.discard("s")  # who does not need a list is not held up
