"""What goes wrong at Neon's side or on the way: told in words, and mended by itself."""
import json

import pytest

from host import wait_until
from system import PROJECT, query, unique

BRANCH = "branch-for-revision-"
CHANGES = {"create": {"method": "POST", "path": "/branches$"},
           "restore": {"method": "POST", "path": "/restore$"},
           "delete": {"method": "DELETE", "path": "/branches/"},
           "patch": {"method": "PATCH", "path": "/branches/"}}
FAULTS = {
    "throttled": {"do": "status", "status": 429, "headers": {"Retry-After": "1"}},
    "busy": {"do": "status", "status": 423},
    "unavailable": {"do": "status", "status": 503},
    "failing": {"do": "status", "status": 500},
    "failing, but done": {"do": "status", "status": 500, "effect": True},
    "html": {"do": "html_524"},
    "truncated": {"do": "truncate"},
    "dropped before": {"do": "drop_before"},
    "dropped after": {"do": "drop_after"},
    "slow": {"do": "delay_after_ms", "ms": 300},
}
DONE_ANYWAY = ("failing, but done", "html", "truncated", "dropped after", "slow")


@pytest.mark.parametrize("name", FAULTS)
def test_every_change_happens_once_whatever_becomes_of_its_answer(memory_system, still_parent,
                                                                   name):
    memory = memory_system(topology="flat", fixed_parent_uri=still_parent)
    for change in CHANGES.values():
        memory.emulator.add_fault({"match": change, **FAULTS[name]})
    memory.ready_with_work("s")
    memory.merge("s", strategy="restore")
    wait_until(lambda: memory.branch_names() == {"production", "development"}, 30,
               "everything to be cleaned up")
    assert len(memory.rows("SELECT 1 AS one FROM agent_merges WHERE status = 'merged'")) == 1
    assert memory.emulator.state()["counters"]["peak_branches"] == 4  # with one backup, one branch
    for kind in ("create", "restore"):
        calls = memory.calls("POST", CHANGES[kind]["path"].rstrip("$"))
        calls = [call for call in calls if call["path"].endswith(CHANGES[kind]["path"][:-1])]
        again = [call for call in calls[1:] if call["status"] // 100 == 2]
        assert len(again) == (0 if name in DONE_ANYWAY else 1), calls


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["failing", "unavailable", "dropped after"])
def test_a_change_that_fails_again_and_again_ends_well(memory_system, still_parent, change, name):
    memory = memory_system(topology="flat", fixed_parent_uri=still_parent)
    memory.emulator.add_fault({"match": {**CHANGES[change], "count": 3}, **FAULTS[name]})
    memory.ready_with_work("s")
    memory.merge("s", strategy="restore")
    wait_until(lambda: memory.branch_names() == {"production", "development"}, 30,
               "everything to be cleaned up")


@pytest.mark.parametrize("path", ["/branches$", "/operations", "/connection_uri", "/branches/br-"])
def test_reads_that_fail_are_repeated(memory_system, still_parent, path):
    memory = memory_system(topology="flat", arguments=("--omit-connection-uris",),
                           fixed_parent_uri=still_parent,
                           durations={"create_branch": 30, "start_compute": 30})
    for what in ("failing", "html", "truncated", "dropped after"):
        memory.emulator.add_fault({"match": {"method": "GET", "path": path}, **FAULTS[what]})
    memory.ready_with_work("s")
    memory.merge("s", strategy="restore")


def test_a_limit_makes_a_session_wait_for_room(memory_system):
    memory = memory_system(max_branches=3)
    memory.ready("first")
    memory.create("second")
    row = memory.error_with("second", "limit of the Neon project", "deleted")
    assert row["state"] in ("queued", "creating")
    memory.discard("first")
    memory.settle("second", "ready")
    assert memory.session("second")["error"] is None


def test_settings_that_the_plan_refuses_are_left_out(memory):
    memory.emulator.add_fault({"match": CHANGES["create"], "do": "status", "status": 412,
                               "body": {"code": "", "message": "not allowed for your plan"}})
    memory.ready("bare")
    first, second = [json.loads(call["body"])["endpoints"][0]
                     for call in memory.calls("POST", "/branches")]
    assert "autoscaling_limit_max_cu" in first
    assert second == {"type": "read_write"}


@pytest.mark.parametrize("what", ["fail_operation", "cancel_operation"])
def test_operations_of_a_creation_that_do_not_end_well(memory, what):
    memory.emulator.add_fault({"match": CHANGES["create"], "do": what})
    memory.create("s")
    state = memory.wait("s")
    assert state in ("ready", "failed")
    if state == "failed":
        assert "Neon could not make the branch" in memory.session("s")["error"]
    memory.discard("s")
    assert memory.branch_names() == {"production", "development"}
    memory.ready("s")


@pytest.mark.parametrize("what", ["fail_operation", "cancel_operation"])
def test_operations_of_a_restore_that_do_not_end_well(memory_system, still_parent, what):
    memory = memory_system(topology="flat", fixed_parent_uri=still_parent)
    memory.ready_with_work("s")
    before = memory.branch("development")
    memory.emulator.add_fault({"match": CHANGES["restore"], "do": what})
    memory.rows("SELECT agent_merge('s', 'restore')")
    state = memory.wait("s", 60)
    restored = memory.branch("development")["last_reset_at"] != before["last_reset_at"]
    assert state == "merged" if restored and memory.branch("development")["current_state"] == \
        "ready" else state in ("failed", "conflict"), memory.session("s")["error"]
    if state != "merged":
        assert "Neon could not restore the parent" in memory.session("s")["error"]
        memory.discard("s")


def test_uris_are_fetched_when_the_answer_has_none(memory_system):
    memory = memory_system(arguments=("--omit-connection-uris",))
    memory.ready("s")
    assert query(memory.uri("s"), "SELECT 1") == [(1,)]
    assert memory.calls("GET", "/connection_uri")


def test_a_foreign_branch_of_our_name_is_neither_used_nor_deleted(memory):
    body = {"branch": {"name": BRANCH + "s", "parent_id": memory.branch("development")["id"]},
            "annotation_value": {"agent-branch-installation": "another",
                                 "agent-branch-session": "another"}}
    assert memory.emulator.call("POST", f"/projects/{PROJECT}/branches", body)[0] == 201
    foreign = memory.branch(BRANCH + "s")["id"]
    memory.create("s")
    memory.settle("s", "failed")
    assert "exists that is not ours" in memory.session("s")["error"]
    assert memory.session("s")["branch_id"] is None
    memory.discard("s")
    memory.reap()
    assert memory.branch(BRANCH + "s")["id"] == foreign
    assert not memory.calls("DELETE", "/branches/")


def test_a_branch_deleted_by_somebody_fails_its_session(memory_system, still_parent):
    memory = memory_system(fixed_parent_uri=still_parent)
    memory.ready_with_work("s")
    branch = memory.session("s")["branch_id"]
    assert memory.emulator.call("DELETE", f"/projects/{PROJECT}/branches/{branch}")[0] == 200
    wait_until(lambda: memory.branch(BRANCH + "s") is None, 10, "the branch to be gone")
    memory.rows("SELECT agent_merge('s', 'restore')")
    assert memory.wait("s") in ("failed", "conflict")
    assert memory.session("s")["error"]
    memory.discard("s")


@pytest.mark.parametrize("when", ["while it runs", "in a deferred trigger"])
def test_a_migration_whose_connection_is_killed_is_applied_once(memory, fixed_uri, when):
    table, slow = unique("once"), unique("slow")
    query(fixed_uri, f"""
        CREATE TABLE {table} (id serial);
        CREATE FUNCTION {slow}() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN PERFORM pg_sleep(1); RETURN NULL; END$$;
        CREATE CONSTRAINT TRIGGER {slow} AFTER INSERT ON {table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {slow}()""")
    memory.ready("s")
    sql = f"INSERT INTO {table} DEFAULT VALUES" + (
        "; SELECT pg_sleep(1)" if when == "while it runs" else "")
    memory.migrate("s", sql, state=None)
    wait_until(lambda: query(
        fixed_uri, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                   "wait_event = 'PgSleep' AND datname = current_database()"), 20,
        "the migration to be met")
    memory.settle("s", "ready")
    assert query(fixed_uri, f"SELECT count(*) FROM {table}") == [(1,)]
    assert memory.rows("SELECT status FROM agent_migrations") == [{"status": "applied"}]
