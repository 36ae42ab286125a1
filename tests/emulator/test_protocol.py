"""Keys, ids, bodies, paging, rate limits: what holds for every route."""
import json

import pytest

from conftest import PROJECT


def test_a_wrong_or_missing_key_is_a_401_with_neons_body(emulator):
    for key in ("other", None, ""):
        answer = emulator.call("GET", f"/projects/{PROJECT}", key=key)
        assert answer.status == 401
        assert answer.message == "supplied credentials do not pass authentication"
        assert answer.json["code"] == ""


def test_a_request_id_is_echoed(emulator):
    answer = emulator.call("GET", "/projects/none-such", X_Request_ID="my-id")
    assert answer.status == 404
    assert answer.json["request_id"] == "my-id"
    assert answer.headers["x-neon-ret-request-id"] == "my-id"


def test_a_key_limited_to_a_project_sees_no_other(start):
    emulator = start("--project", "one-p", "--project", "two-p", key="scoped one-p")
    assert emulator.call("GET", "/projects/one-p", key="scoped").status == 200
    answer = emulator.call("GET", "/projects/two-p", key="scoped")
    assert answer.status == 404
    assert "outside the project this key is scoped to" in answer.message
    assert emulator.call("GET", "/projects", key="scoped").status == 404


def test_malformed_ids_are_routes_that_do_not_exist(emulator):
    for path in ("/projects/Upper", f"/projects/{PROJECT}/branches/br%20x", "/nothing"):
        answer = emulator.call("GET", path)
        assert (answer.status, answer.message) == (404, "this route does not exist")
    assert emulator.call("GET", f"/projects/{PROJECT}/branches/br-none").message == \
        "branch not found"


@pytest.mark.parametrize("body", [
    b"{", b"[]", b'{"branch":{"nme":"x"}}', b'{"branch":{"name":7}}', b'{"branch":{"name":""}}',
    b'{"branch":{"name":null}}', b'{"endpoints":[{}]}', b'{"endpoints":{"type":"read_write"}}',
    b'{"annotation_value":{"a":1}}', b'{"branch":{"expires_at":"tomorrow"}}', b'{"extra":1}',
    b'{"endpoints":[{"type":"read_write","suspend_timeout_seconds":5}]}', b"\xff\xfe",
    b'{"branch":{"parent_lsn":"0/1","parent_timestamp":"2026-01-01T00:00:00Z"}}',
])
def test_a_body_that_breaks_the_document_is_a_400_and_creates_nothing(emulator, body):
    assert emulator.post("/branches", body).status == 400
    assert set(emulator.branches()) == {"production", "development"}


def test_deep_nesting_is_refused_and_the_emulator_lives(emulator):
    assert emulator.post("/branches", b"[" * 500_000).status == 400
    assert emulator.get("/branches/count") == {"count": 2}


def test_branches_are_paged_to_an_empty_page(start):
    emulator = start("--max-branches", "50")
    for i in range(5):
        emulator.create(f"b{i}")
    seen, cursor = [], ""
    for _ in range(10):
        page = emulator.get(f"/branches?limit=3&sort_by=name&sort_order=asc&cursor={cursor}")
        if not page["branches"]:
            assert "next" not in page["pagination"]
            break
        seen += [branch["name"] for branch in page["branches"]]
        cursor = page["pagination"]["next"]
    assert seen == ["b0", "b1", "b2", "b3", "b4", "development", "production"]
    assert page["pagination"]["sort_order"] == "ASC"


def test_search_is_by_part_of_the_name_or_id(emulator):
    emulator.create("agent/1")
    emulator.create("agent/11")
    names = {b["name"] for b in emulator.get("/branches?search=agent/1")["branches"]}
    assert names == {"agent/1", "agent/11"}
    assert emulator.get("/branches/count?search=agent/11") == {"count": 1}
    own_id = emulator.id("agent/1")
    assert [b["id"] for b in emulator.get(f"/branches?search={own_id}")["branches"]] == [own_id]


def test_operations_are_paged_newest_first_with_a_cursor(emulator):
    for i in range(3):
        emulator.create(f"b{i}")
    first = emulator.get("/operations?limit=2")
    rest = emulator.get(f"/operations?limit=2&cursor={first['pagination']['cursor']}")
    ids = [o["id"] for o in first["operations"] + rest["operations"]]
    assert len(ids) == len(set(ids)) == 3
    end = emulator.get(f"/operations?limit=2&cursor={rest['pagination']['cursor']}")
    assert end == {"operations": []}
    assert emulator.get(f"/operations/{ids[0]}")["operation"]["action"] == "create_branch"


def test_bad_paging_parameters_are_400(emulator):
    for query in ("limit=0", "limit=x", "limit=10001", "sort_by=size", "sort_order=up", "cursor=!"):
        assert emulator.call("GET", f"{emulator.project}/branches?{query}").status == 400


def test_the_rate_of_a_minute_is_limited(start):
    emulator = start("--rate-burst", "0", rate="5")
    statuses = [emulator.call("GET", f"/projects/{PROJECT}").status for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    emulator.configure(rate_per_minute=0)
    assert emulator.call("GET", f"/projects/{PROJECT}").status == 200
    assert emulator.admin("GET", "/state")["counters"]["statuses"]["429"] == 2


def test_the_burst_is_limited_for_each_route_by_itself(start):
    emulator = start("--rate-burst", "3", rate="1000")
    statuses = [emulator.call("GET", f"/projects/{PROJECT}").status for _ in range(5)]
    assert statuses[:3] == [200] * 3 and 429 in statuses
    assert emulator.call("GET", "/users/me").status == 200


def test_account_routes_answer(emulator):
    assert emulator.call("GET", "/users/me").json["login"]
    assert emulator.call("GET", "/auth").json["auth_method"] == "api_key_user"
    projects = emulator.call("GET", "/projects").json
    assert [project["id"] for project in projects["projects"]] == [PROJECT]
    assert emulator.call("GET", "/projects/shared").json["projects"] == []


def test_projects_can_be_created_and_deleted(emulator):
    answer = emulator.call("POST", "/projects", {"project": {"name": "mine"}})
    assert answer.status == 201
    assert answer.json["branch"]["name"] == "main"
    assert answer.json["connection_uris"][0]["connection_uri"].startswith("postgresql://")
    path = "/projects/" + answer.json["project"]["id"]
    assert emulator.call("PATCH", path, {"project": {"name": "yours"}}).json["project"]["name"] == \
        "yours"
    assert emulator.call("DELETE", path).status == 200
    assert emulator.call("GET", path).status == 404


def test_requests_are_logged_without_keys(emulator):
    emulator.admin("DELETE", "/requests")
    emulator.create("logged")
    logged = emulator.admin("GET", "/requests")
    post = [entry for entry in logged if entry["method"] == "POST"]
    assert [entry["status"] for entry in post] == [201]
    assert json.loads(post[0]["body"])["branch"]["name"] == "logged"
    assert emulator.admin("GET", f"/requests?since={logged[-1]['n']}") == []
    emulator.stop()
    assert "test-key" not in (emulator.folder / "stderr").read_text() + json.dumps(logged)


def test_the_key_can_be_changed_while_running(emulator):
    emulator.configure(api_key="fresh")
    assert emulator.call("GET", f"/projects/{PROJECT}").status == 401
    assert emulator.call("GET", f"/projects/{PROJECT}", key="fresh").status == 200
