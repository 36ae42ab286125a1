"""Each kind of injected fault, and whether the request had its effect."""
import http.client
import socket
import time

import pytest

CONNECTION_LOST = (http.client.HTTPException, ConnectionError, OSError)


def has(emulator, name):
    return name in emulator.branches()


def test_a_status_comes_without_effect_unless_asked_for(emulator):
    emulator.fault("status", "POST", "/branches$", status=503, body={"message": "no", "code": ""},
                   headers={"Retry-After": "7"})
    answer = emulator.create("a")
    assert (answer.status, answer.message) == (503, "no")
    assert answer.headers["Retry-After"] == "7"
    assert not has(emulator, "a")
    emulator.fault("status", "POST", "/branches$", status=500, effect=True)
    assert emulator.create("a").status == 500
    assert has(emulator, "a")


def test_nth_and_count_choose_the_requests(emulator):
    emulator.fault("status", "POST", "/branches$", nth=2, count=2, status=503)
    assert [emulator.create(f"b{i}").status for i in range(4)] == [201, 503, 503, 201]
    listed = emulator.admin("GET", "/faults")
    assert (listed[0]["met"], listed[0]["done"]) == (4, 2)
    emulator.admin("DELETE", "/faults")
    assert emulator.admin("GET", "/faults") == []


def test_drop_before_has_no_effect_and_drop_after_has(emulator):
    emulator.fault("drop_before", "POST")
    with pytest.raises(CONNECTION_LOST):
        emulator.create("a")
    assert not has(emulator, "a")
    emulator.fault("drop_after", "POST")
    with pytest.raises(CONNECTION_LOST):
        emulator.create("a")
    assert has(emulator, "a")
    assert emulator.create("a").status == 409
    assert [r["status"] for r in emulator.admin("GET", "/requests") if r["method"] == "POST"] == \
        [0, 0, 409]


def test_a_truncated_answer_promises_more_than_it_holds(emulator):
    emulator.fault("truncate", "POST")
    with pytest.raises(http.client.IncompleteRead):
        emulator.create("a")
    assert has(emulator, "a")


def test_html_524_hides_an_answer_that_had_its_effect(emulator):
    emulator.fault("html_524", "POST")
    answer = emulator.create("a")
    assert answer.status == 524
    assert answer.headers["Content-Type"].startswith("text/html") and "<html>" in answer.text
    assert has(emulator, "a")


@pytest.mark.parametrize("kind, effect_meanwhile", [("delay_ms", False), ("delay_after_ms", True)])
def test_delays_come_before_or_after_the_effect(emulator, kind, effect_meanwhile):
    emulator.fault(kind, "POST", **{kind: 400})
    host, port = emulator.root[len("http://"):].split(":")
    begun = time.monotonic()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /api/v2" + emulator.project.encode() + b"/branches HTTP/1.1\r\n"
                           b"Host: x\r\nAuthorization: Bearer test-key\r\nContent-Length: 23\r\n\r\n"
                           b'{"branch":{"name":"a"}}')
        assert has(emulator, "a") == effect_meanwhile
        assert b" 201 " in connection.recv(4096)
    assert time.monotonic() - begun >= 0.4
    assert has(emulator, "a")


def test_operations_can_fail_be_cancelled_or_be_skipped(emulator):
    for kind, status in [("fail_operation", "failed"), ("cancel_operation", "cancelled")]:
        emulator.fault(kind, "POST", "/branches$")
        body = emulator.create(kind, endpoint=True).json
        assert [o["status"] for o in body["operations"]] == [status] * 2
        assert emulator.branches()[kind]["current_state"] == "init"
        assert emulator.delete(kind).status == 200
    emulator.fault("skip_operation", "POST", "/branches$")
    body = emulator.create("skipped", endpoint=True).json
    assert [o["status"] for o in body["operations"]] == ["skipped"] * 2
    assert emulator.branches()["skipped"]["current_state"] == "ready"


def test_a_delete_that_fails_leaves_the_branch(emulator):
    emulator.create("a")
    emulator.fault("fail_operation", "DELETE")
    answer = emulator.delete("a")
    assert [o["status"] for o in answer.json["operations"]] == ["failed"]
    assert has(emulator, "a") and emulator.delete("a").status == 200


def test_a_new_branch_can_be_unknown_to_the_first_get(emulator):
    emulator.create("a")
    emulator.fault("get_404_once", "POST", "/restore$")
    emulator.restore("development", "a", preserve_under_name="old")
    path = f"{emulator.project}/branches/{emulator.id('old')}"
    assert [emulator.call("GET", path).status for _ in range(2)] == [404, 200]


def test_faults_that_meet_one_request_add_up(emulator):
    emulator.fault("fail_operation", "POST")
    emulator.fault("drop_after", "POST")
    with pytest.raises(CONNECTION_LOST):
        emulator.create("a")
    assert emulator.branches()["a"]["current_state"] == "init"


def test_a_fault_that_makes_no_sense_is_refused(emulator):
    for body in ({"do": "explode"}, {"do": "delay_ms"}, {"do": "status", "status": 99},
                 {"do": "truncate", "match": {"path": "("}}, {"do": "truncate", "more": 1}):
        answer = emulator.request("POST", emulator.root + "/admin/faults", body)
        assert answer.status == 400
