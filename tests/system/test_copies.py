"""Orphans are deleted, and only what is provably ours is an orphan; a copy of a control database
leaves the original's sessions and branches alone until it is told to take over."""
from host import wait_until
from system import PROJECT, System, unique

BRANCH = "branch-for-revision-"


def make_branch(system, name, installation, parent="development", session="unknown"):
    status, body = system.emulator.call("POST", f"/projects/{PROJECT}/branches", {
        "branch": {"name": name, "parent_id": system.branch(parent)["id"]},
        "annotation_value": {"agent-branch-installation": installation,
                             "agent-branch-session": session}})
    assert status == 201, body


def installation_of(system):
    return system.one("SELECT id FROM agent_branch.installation")


def test_an_orphan_is_deleted_by_the_next_sweep_children_first(memory):
    ours = installation_of(memory)
    make_branch(memory, "orphan", ours)
    make_branch(memory, "child of the orphan", ours, parent="orphan")
    seen = memory.reap(dry_run=True)
    assert seen["child of the orphan"]["action"] == "would delete"
    assert seen["orphan"]["action"] == "blocked by children"
    assert memory.branch("orphan") and not memory.calls("DELETE", "/branches/")
    memory.reap()
    wait_until(lambda: memory.branch_names() == {"production", "development"}, 20,
               "the orphans to be deleted")


def test_a_protected_orphan_is_left_alone(memory):
    make_branch(memory, "treasure", installation_of(memory))
    branch = memory.branch("treasure")["id"]
    status, _ = memory.emulator.call("PATCH", f"/projects/{PROJECT}/branches/{branch}",
                                     {"branch": {"protected": True}})
    assert status == 200
    seen = memory.reap()
    assert (seen["treasure"]["class"], seen["treasure"]["action"]) == ("orphan", "blocked: protected")
    assert not memory.calls("DELETE", "/branches/")


def test_two_control_databases_on_one_project_leave_each_other_alone(memory, control):
    with System(control, memory.emulator, unique("other")) as other:
        other.register()
        memory.ready("mine")
        other.ready("theirs")
        assert memory.reap()[BRANCH + "theirs"]["class"] == "foreign"
        assert other.reap()[BRANCH + "mine"]["class"] == "foreign"
        assert not memory.calls("DELETE", "/branches/")
        other.discard("theirs")
        assert memory.state("mine") == "ready" and memory.branch(BRANCH + "mine")


def test_a_copy_takes_over_only_when_told(memory, control):
    memory.ready("abc")
    original = installation_of(memory)
    memory.connection.close()  # a database with sessions cannot be a template
    memory.connection = None
    name = unique("copy")
    control.psql(f'CREATE DATABASE "{name}" TEMPLATE "{memory.database}"')
    copy = System(control, memory.emulator, extension=False)
    copy.database, copy.made = name, True
    with copy:
        copy.worker_runs()
        wait_until(lambda: copy.session("abc")["error"], 20, "the copy to say what it is")
        assert "another installation" in copy.session("abc")["error"]
        assert "agent_branch_take_over" in copy.session("abc")["hint"]
        assert installation_of(copy) != original and installation_of(memory) == original
        assert copy.reap()[BRANCH + "abc"]["class"] == "foreign"
        assert memory.branch(BRANCH + "abc") and not memory.calls("DELETE", "/branches/")
        # The original is gone for good: its database is dropped, with whatever it had under way.
        memory.close()
        assert copy.one("SELECT agent_branch_take_over()") == 1
        wait_until(lambda: not copy.session("abc")["error"], 20, "the session to be taken over")
        assert copy.reap()[BRANCH + "abc"]["class"] == "live"
        copy.discard("abc")
        assert copy.branch_names() == {"production", "development"}
