"""Restore: its rules, and where branches hang afterwards under both topologies."""
import pytest

from test_branches import from_now


@pytest.fixture(params=["lineage", "flat"])
def topology(request):
    return request.param


def test_merging_an_agents_branch_moves_the_children_under_the_backup(start, topology):
    emulator = start("--topology", topology)
    emulator.create("a", endpoint=True)
    emulator.create("b")
    before = emulator.branches()
    assert emulator.restore("development", "a").status == 422  # children, and no name for a backup
    answer = emulator.restore("development", "a", preserve_under_name="old")
    assert answer.status == 200
    after = emulator.branches()
    old = after["old"]
    assert old["id"] not in {b["id"] for b in before.values()}
    assert old["parent_id"] == after["production"]["id"]
    assert emulator.get(f"/branches/{old['id']}/endpoints")["endpoints"] == []
    assert after["a"]["parent_id"] == after["b"]["parent_id"] == old["id"]
    development = after["development"]
    assert development["id"] == before["development"]["id"]
    assert "last_reset_at" in development and development["current_state"] == "ready"
    expected = {"lineage": after["a"]["id"], "flat": after["production"]["id"]}[topology]
    assert development["parent_id"] == expected
    # Under lineage neither the merged branch nor the backup can go.
    assert emulator.delete("a").status == {"lineage": 422, "flat": 200}[topology]
    assert emulator.delete("old").status == 422
    # The next merge needs no backup, and frees what the first one pinned.
    assert emulator.restore("development", "b").status == 200
    if topology == "lineage":
        assert emulator.delete("a").status == 200
        assert emulator.delete("b").status == 422
    else:
        assert emulator.delete("b").status == 200
        assert emulator.delete("old").status == 200


def test_reset_from_the_parent_keeps_it(start, topology):
    emulator = start("--topology", topology)
    assert emulator.restore("development", "production").status == 200
    assert emulator.branches()["development"]["parent_id"] == emulator.id("production")
    answer = emulator.restore("development", "production", preserve_under_name="backup")
    assert answer.status == 200
    assert emulator.delete("backup").status == 200


def test_a_branch_restored_from_itself_hangs_under_its_backup(start, topology):
    emulator = start("--topology", topology)
    assert emulator.restore("development", "development").status == 422
    assert emulator.restore("development", "development", preserve_under_name="x").status == 422
    answer = emulator.restore("development", "development", preserve_under_name="old",
                              source_timestamp="2026-01-01T00:00:00Z")
    assert answer.status == 200
    assert emulator.branches()["development"]["parent_id"] == emulator.id("old")
    assert emulator.delete("old").status == 422


def test_a_restored_root_stays_a_root_and_its_backup_cannot_go(start, topology):
    emulator = start("--topology", topology)
    answer = emulator.restore("production", "development", preserve_under_name="was-production")
    assert answer.status == 200
    assert "detach_parent_branch" in [o["action"] for o in answer.json["operations"]]
    after = emulator.branches()
    assert "parent_id" not in after["production"] and "parent_id" not in after["was-production"]
    assert after["development"]["parent_id"] == after["was-production"]["id"]
    emulator.restore("production", "development")
    emulator.delete("development")
    assert emulator.delete("was-production").status == 422
    emulator.configure(max_root_branches=2)
    emulator.create("other", parent="production")
    answer = emulator.restore("production", "other", preserve_under_name="another")
    assert (answer.status, answer.json["code"]) == (422, "ROOT_BRANCHES_LIMIT_EXCEEDED")


def test_what_cannot_be_restored(emulator):
    emulator.create("a", expires_at=from_now(hours=1))
    answer = emulator.restore("development", "a", preserve_under_name="old")
    assert answer.status == 422 and "expiration" in answer.message
    emulator.configure(allow_restore_from_expiring=True, max_branches=3)
    answer = emulator.restore("development", "a", preserve_under_name="old")
    assert (answer.status, answer.json["code"]) == (422, "BRANCHES_LIMIT_EXCEEDED")
    emulator.configure(max_branches=10)
    assert emulator.restore("development", "a", preserve_under_name="a").status == 409
    development = emulator.id("development")
    for body, status in [({}, 400), ({"source_branch_id": "br-none"}, 404),
                         ({"source_branch_id": development, "x": 1}, 400),
                         ({"source_branch_id": development, "source_lsn": "0/1",
                           "source_timestamp": "2026-01-01T00:00:00Z"}, 400)]:
        assert emulator.post(f"/branches/{development}/restore", body).status == status
    assert emulator.restore("development", "a", preserve_under_name="old").status == 200
    emulator.call("PATCH", f"{emulator.project}/branches/{development}",
                  {"branch": {"protected": True}})
    answer = emulator.restore("development", "production")
    assert (answer.status, answer.message) == (422, "cannot reset protected branch")


def test_the_branch_is_resetting_until_its_operations_finish(start):
    emulator = start("--lock", "none", durations="zero,restore=200,start_compute=100")
    answer = emulator.restore("development", "production", wait=False)
    assert answer.json["branch"]["current_state"] == "resetting"
    assert [o["action"] for o in answer.json["operations"]] == [
        "create_timeline", "suspend_compute", "start_compute"]
    answer = emulator.create("a")
    assert (answer.status, answer.message) == (422, "branch not ready yet")
    emulator.settle()
    assert emulator.branches()["development"]["current_state"] == "ready"


def test_a_lifetime_starts_again(emulator):
    emulator.create("a", expires_at=from_now(seconds=3600))
    emulator.call("PATCH", f"{emulator.project}/branches/{emulator.id('a')}",
                  {"branch": {"expires_at": from_now(seconds=600)}})
    before = emulator.branches()["a"]
    assert emulator.restore("a", "development").status == 200
    after = emulator.branches()["a"]
    assert after["expires_at"] >= before["expires_at"]
    assert after["ttl_interval_seconds"] == before["ttl_interval_seconds"] == 600


@pytest.mark.parametrize("fault, status", [("fail_operation", "failed"),
                                           ("cancel_operation", "cancelled")])
def test_a_restore_that_fails_never_happened(emulator, fault, status):
    emulator.create("a")
    before = emulator.branches()
    emulator.fault(fault, "POST", "/restore$")
    answer = emulator.restore("development", "a", preserve_under_name="old")
    assert {o["status"] for o in answer.json["operations"]} == {status}
    after = emulator.branches()
    assert set(after) == set(before)
    assert {n: b.get("parent_id") for n, b in after.items()} == \
        {n: b.get("parent_id") for n, b in before.items()}
    assert emulator.restore("development", "a", preserve_under_name="old").status == 200
