"""--keep: what an emulator did, answered or not, is there again when it is started anew."""
import json
import signal
import threading

import pytest

from conftest import poll
from test_branches import from_now


@pytest.fixture
def keeping(start, folder):
    """Starts an emulator that keeps what it does, always in the same folder."""
    def make(*options, **keywords):
        return start("--keep", "--data", str(folder / "kept"), *options, **keywords)
    return make


def killed(emulator):
    assert emulator.stop(signal.SIGKILL) == -signal.SIGKILL


def unanswered(emulator, method, path, body=None):
    """Sends a request that the emulator's end will leave without an answer, and returns once a
    fault has met it."""
    def send():
        with pytest.raises(OSError):
            emulator.call(method, path, body)
    thread = threading.Thread(target=send)
    thread.start()
    poll(lambda: any(fault["met"] for fault in emulator.admin("GET", "/faults")), "the request")
    return thread


def everything(emulator):
    """What clients can see, apart from what is counted."""
    seen = {"branches": emulator.branches(), "operations": emulator.operations(),
            "endpoints": {e["id"]: e for e in emulator.get("/endpoints")["endpoints"]}}
    for name, branch in seen["branches"].items():
        path = f"/branches/{branch['id']}"
        seen[name] = [emulator.get(path), emulator.get(path + "/databases"),
                      emulator.get(path + "/roles/neondb_owner/reveal_password")]
    return seen


@pytest.mark.parametrize("topology", ["lineage", "flat"])
def test_after_sigkill_everything_is_there_again(keeping, topology):
    first = keeping("--topology", topology)
    first.create("a", endpoint=True, expires_at=from_now(hours=1))
    first.create("b", endpoint=True)
    first.create("gone")
    first.delete("gone")
    first.restore("development", "b", preserve_under_name="old")
    first.post("/branches", {"branch": {"name": "marked"}, "annotation_value": {"whose": "mine"}})
    before, uri = everything(first), first.uri("a")
    state = first.admin("GET", "/state")["projects"]
    killed(first)
    second = keeping("--topology", topology)
    assert everything(second) == before
    assert second.uri("a") == uri
    assert second.admin("GET", "/state")["projects"] == state
    assert second.delete("a").status == 200
    assert second.restore("development", "marked", preserve_under_name="old").status == 409


def test_a_clean_end_keeps_too_and_without_the_option_nothing_is_written(keeping, start, folder):
    first = keeping()
    first.create("a")
    assert first.stop() == 0
    second = keeping()
    assert "a" in second.branches()
    third = start("--data", str(folder / "unused"))
    third.create("b")
    assert not (folder / "unused").exists()


def test_requests_and_effects_are_counted_on(keeping):
    first = keeping()
    first.create("a")
    first.create("a")  # 409: no effect
    requests, effects = first.admin("GET", "/requests"), first.admin("GET", "/effects")
    assert [(e["method"], e["status"], json.loads(e["body"])["branch"]["name"])
            for e in effects] == [("POST", 201, "a")]
    killed(first)
    second = keeping()
    assert second.admin("GET", "/requests") == requests
    assert second.admin("GET", "/effects") == effects
    second.admin("DELETE", "/requests")
    killed(second)
    third = keeping()
    third.delete("a", wait=False)
    numbers = [request["n"] for request in third.admin("GET", "/requests")]
    assert numbers == [len(requests) + 1, len(requests) + 2]
    assert [e["n"] for e in third.admin("GET", "/effects")] == [1, 2]


@pytest.mark.parametrize("fault, done", [("delay_ms", False), ("delay_after_ms", True)])
def test_an_effect_without_an_answer_is_kept_and_only_an_effect(keeping, fault, done):
    first = keeping()
    parent = first.id("development")
    first.fault(fault, "POST", "/branches$", ms=600_000)
    request = unanswered(first, "POST", f"{first.project}/branches",
                         {"branch": {"name": "a", "parent_id": parent}})
    if done:
        poll(lambda: first.admin("GET", "/effects"), "the effect")
    killed(first)
    request.join()
    second = keeping()
    assert ("a" in second.branches()) == done
    assert len(second.admin("GET", "/effects")) == done
    assert second.create("a").status == (409 if done else 201)


def test_running_operations_go_on(keeping):
    slow = ("--lock", "none", "--durations")
    first = keeping(*slow, "zero")
    for name in ("source", "deleted", "suspended"):
        first.create(name, endpoint=True)
    first.configure(durations="create_branch=600000,create_timeline=600000,"
                              "suspend_compute=600000,delete_timeline=600000")
    first.create("made", endpoint=True, wait=False)
    first.restore("development", "source", preserve_under_name="old", wait=False)
    first.delete("deleted", wait=False)
    endpoint = first.get(f"/branches/{first.id('suspended')}/endpoints")["endpoints"][0]["id"]
    assert first.call("DELETE", f"{first.project}/endpoints/{endpoint}").status == 200
    unended = {o["id"] for o in first.operations() if o["status"] != "finished"}
    assert len(unended) == 8
    killed(first)
    second = keeping(*slow, "create_branch=600000,create_timeline=600000,"
                            "suspend_compute=600000,delete_timeline=600000")
    assert unended == {o["id"] for o in second.operations() if o["status"] != "finished"}
    assert second.branches()["development"]["current_state"] == "resetting"
    killed(second)
    third = keeping(*slow, "zero")
    assert {o["status"] for o in third.operations()} == {"finished"}
    branches = third.branches()
    assert set(branches) == {"production", "development", "source", "suspended", "made", "old"}
    assert {branch["current_state"] for branch in branches.values()} == {"ready"}
    assert {e["branch_id"]: e["current_state"] for e in third.get("/endpoints")["endpoints"]} == {
        branches[name]["id"]: "active" for name in ("production", "development", "source", "made")}


def test_no_id_is_given_twice(keeping):
    """Not even with a seed, and not that of something that is gone."""
    seen = set()
    for _ in range(3):
        emulator = keeping("--seed", "7")
        for _ in range(2):
            branch = emulator.create("a", endpoint=True).json
            new = {branch["branch"]["id"], branch["endpoints"][0]["id"],
                   *(o["id"] for o in branch["operations"]), branch["branch"]["parent_lsn"],
                   branch["databases"][0]["id"]}
            assert not new & seen
            seen |= new
            emulator.delete("a")
        killed(emulator)


def test_what_expired_meanwhile_goes(keeping):
    first = keeping()
    first.create("brief", expires_at=from_now(seconds=2))
    killed(first)
    second = keeping()
    poll(lambda: "brief" not in second.branches(), "the branch to expire")


def test_what_was_being_written_is_as_if_it_had_not_been(keeping, folder):
    first = keeping()
    first.create("a")
    requests = first.admin("GET", "/requests")
    killed(first)
    (folder / "kept" / "state.json.new").write_text('{"starts":')
    for name in ("requests", "effects"):
        with open(folder / "kept" / name, "a", encoding="utf-8") as file:
            file.write('{"n":99,"at":"2026')
    second = keeping()
    assert second.admin("GET", "/requests") == requests
    assert set(second.branches()) == {"production", "development", "a"}
    assert second.admin("GET", "/requests")[-1]["n"] == len(requests) + 1


def test_two_emulators_do_not_share_what_they_keep(keeping):
    keeping()
    with pytest.raises(AssertionError, match="another neon-emulator uses"):
        keeping()


def test_what_cannot_be_taken_up_is_told(keeping, folder):
    killed(keeping())
    (folder / "kept" / "state.json").write_text('{"starts":1}')
    with pytest.raises(AssertionError, match="cannot take up what was kept"):
        keeping()
