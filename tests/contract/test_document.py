"""The emulator's answers against the OpenAPI document that Neon publishes."""
import datetime
import http.server
import itertools
import threading

import pytest

from conftest import Api
from host import wait_until
from prism import Prism

_names = (f"contract-{number}" for number in itertools.count())


def in_days(days):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def expect(answer, status):
    assert not answer.violations, "\n".join(answer.violations)
    assert answer.status == status, answer.body
    return answer.body


@pytest.fixture(scope="module")
def make_branch(direct, project, settle):
    def make(parent=None, name=None, **fields):
        settle()
        branch = {"name": name or next(_names), **({"parent_id": parent} if parent else {}),
                  **fields}
        answer = direct("POST", f"/projects/{project}/branches",
                        {"branch": branch, "endpoints": [{"type": "read_write"}]})
        assert answer.status == 201, answer.body
        settle()
        return answer.body["branch"]["id"]
    return make


@pytest.fixture(scope="module")
def development(direct, project):
    branches = direct("GET", f"/projects/{project}/branches").body["branches"]
    return next(branch["id"] for branch in branches if branch["name"] == "development")


@pytest.fixture(scope="module")
def things(direct, project, make_branch):
    """What the paths below name: one of each kind."""
    branch = make_branch()
    base = f"/projects/{project}/branches/{branch}"
    return {
        "project": project,
        "branch": branch,
        "endpoint": direct("GET", f"{base}/endpoints").body["endpoints"][0]["id"],
        "database": direct("GET", f"{base}/databases").body["databases"][0]["name"],
        "role": direct("GET", f"{base}/roles").body["roles"][0]["name"],
        "operation": direct("GET", f"/projects/{project}/operations").body["operations"][0]["id"],
    }


@pytest.mark.parametrize("path", [
    "/users/me",
    "/projects",
    "/projects?limit=10&search=a",
    "/projects/shared",
    "/projects/{project}",
    "/projects/{project}/operations",
    "/projects/{project}/operations?limit=1",
    "/projects/{project}/operations/{operation}",
    "/projects/{project}/branches",
    "/projects/{project}/branches?limit=1",
    "/projects/{project}/branches?search=contract&sort_by=created_at&sort_order=asc",
    "/projects/{project}/branches/count",
    "/projects/{project}/branches/{branch}",
    "/projects/{project}/branches/{branch}/endpoints",
    "/projects/{project}/branches/{branch}/databases",
    "/projects/{project}/branches/{branch}/databases/{database}",
    "/projects/{project}/branches/{branch}/roles",
    "/projects/{project}/branches/{branch}/roles/{role}",
    "/projects/{project}/branches/{branch}/roles/{role}/reveal_password",
    "/projects/{project}/branches/{branch}/schema?db_name={database}",
    "/projects/{project}/branches/{branch}/compare_schema?db_name={database}",
    "/projects/{project}/endpoints",
    "/projects/{project}/endpoints/{endpoint}",
    "/projects/{project}/connection_uri?branch_id={branch}&database_name={database}"
    "&role_name={role}",
    "/projects/{project}/connection_uri?branch_id={branch}&database_name={database}"
    "&role_name={role}&pooled=true",
])
def test_reading(api, things, path):
    expect(api("GET", path.format(**things)), 200)


def test_pages_are_followed_by_their_cursor(api, project, make_branch):
    make_branch()
    path = f"/projects/{project}/branches"
    every_name = {branch["name"] for branch in expect(api("GET", path), 200)["branches"]}
    seen, cursor = set(), ""
    for _ in range(len(every_name) + 2):
        page = expect(api("GET", f"{path}?limit=1{cursor}"), 200)
        if not page["branches"]:
            break
        seen |= {branch["name"] for branch in page["branches"]}
        cursor = f"&cursor={page['pagination']['next']}"
    assert seen == every_name


def test_a_project_is_created_and_deleted(api, direct, settle):
    created = expect(api("POST", "/projects",
                         {"project": {"name": "contract", "branch": {"name": "production"}}}), 201)
    project = created["project"]["id"]
    expect(api("GET", f"/projects/{project}"), 200)
    expect(api("PATCH", f"/projects/{project}", {"project": {"name": "renamed"}}), 200)
    expect(api("DELETE", f"/projects/{project}"), 200)


def test_a_branch_is_created_with_all_that_we_send(api, project, development, settle):
    settle()
    body = expect(api("POST", f"/projects/{project}/branches", {
        "branch": {"name": next(_names), "parent_id": development, "expires_at": in_days(1)},
        "endpoints": [{"type": "read_write", "autoscaling_limit_min_cu": 0.25,
                       "autoscaling_limit_max_cu": 1, "suspend_timeout_seconds": 300}],
        "annotation_value": {"agent_branch.session": "contract", "agent_branch.owner": "test"},
    }), 201)
    assert body["branch"]["parent_id"] == development
    assert len(body["endpoints"]) == 1


def test_a_branch_is_created_as_neonctl_does(api, project, settle):
    settle()
    expect(api("POST", f"/projects/{project}/branches", {
        "branch": {"name": next(_names)}, "endpoints": [{"type": "read_write"}],
        "annotation_value": {}}), 201)


def test_a_branch_is_created_without_a_body(api, project, settle):
    settle()
    expect(api("POST", f"/projects/{project}/branches"), 201)


@pytest.mark.parametrize("change", [
    {"name": "contract-renamed"},
    {"expires_at": in_days(2)},
    {"expires_at": None},
    {"protected": True},
    {"protected": False},
], ids=lambda change: "=".join(map(str, *change.items())))
def test_a_branch_is_changed(api, settle, things, change):
    settle()
    expect(api("PATCH", "/projects/{project}/branches/{branch}".format(**things),
               {"branch": change}), 200)


def test_a_branch_is_deleted(api, direct, project, make_branch, settle):
    path = f"/projects/{project}/branches/{make_branch()}"
    expect(api("DELETE", path), 200)
    settle()
    expect(api("GET", path), 404)
    expect(api("DELETE", path), 204)


@pytest.mark.parametrize("preserve", [None, "kept"], ids=["plain", "preserving"])
def test_a_branch_is_restored(api, project, make_branch, settle, development, preserve):
    target = make_branch(development)
    source = make_branch(development)
    body = {"source_branch_id": source}
    if preserve:
        body["preserve_under_name"] = next(_names)
    answer = expect(api("POST", f"/projects/{project}/branches/{target}/restore", body), 200)
    assert answer["branch"]["id"] == target
    settle()
    expect(api("GET", f"/projects/{project}/branches/{target}"), 200)


def test_a_branch_becomes_the_default(api, direct, project, make_branch, settle):
    listed = direct("GET", f"/projects/{project}/branches").body["branches"]
    before = next(branch["id"] for branch in listed if branch["default"])
    path = "/projects/{}/branches/{}/set_as_default"
    expect(api("POST", path.format(project, make_branch())), 200)
    settle()
    assert direct("POST", path.format(project, before)).status == 200


@pytest.mark.parametrize("action", ["suspend", "start", "restart"])
def test_a_compute_is_told_to(api, settle, things, action):
    settle()
    expect(api("POST", "/projects/{project}/endpoints/{endpoint}/".format(**things) + action), 200)


def test_a_compute_is_changed_deleted_and_made(api, project, make_branch, settle):
    branch = make_branch()
    listed = expect(api("GET", f"/projects/{project}/branches/{branch}/endpoints"), 200)
    endpoint = f"/projects/{project}/endpoints/{listed['endpoints'][0]['id']}"
    expect(api("PATCH", endpoint, {"endpoint": {"autoscaling_limit_max_cu": 2}}), 200)
    settle()
    expect(api("DELETE", endpoint), 200)
    settle()
    expect(api("POST", f"/projects/{project}/endpoints",
               {"endpoint": {"branch_id": branch, "type": "read_write"}}), 201)


def test_a_password_is_reset(api, settle, things):
    settle()
    expect(api("POST", "/projects/{project}/branches/{branch}/roles/{role}/reset_password"
               .format(**things)), 200)


def test_a_database_and_a_role_are_made_and_dropped(api, settle, things):
    base = "/projects/{project}/branches/{branch}".format(**things)
    settle()
    expect(api("POST", f"{base}/roles", {"role": {"name": "contract"}}), 201)
    settle()
    expect(api("POST", f"{base}/databases",
               {"database": {"name": "contract", "owner_name": "contract"}}), 201)
    settle()
    expect(api("DELETE", f"{base}/databases/contract"), 200)
    settle()
    expect(api("DELETE", f"{base}/roles/contract"), 200)


def test_errors_have_the_form_that_the_document_gives_them(api, project, make_branch, settle):
    branches = f"/projects/{project}/branches"
    make_branch(name="contract-taken")
    for answer, status in (
            (api("GET", "/users/me", key="wrong"), 401),
            (api("GET", "/projects/no-such-project-1"), 404),
            (api("GET", f"{branches}/br-no-such-11111111"), 404),
            (api("POST", branches, {"branch": {"name": "contract-taken"}}), 409)):
        assert {"message", "code"} <= set(expect(answer, status))


def test_a_request_that_breaks_the_document_is_refused(api, emulator, project):
    """Proves that the tests above can fail on what is sent."""
    count = emulator.call("GET", f"/projects/{project}/branches/count")
    answer = api("POST", f"/projects/{project}/branches", {"branch": {"name": 5}})
    assert answer.status == 422
    assert any("branch.name must be string" in violation for violation in answer.violations)
    assert emulator.call("GET", f"/projects/{project}/branches/count") == count


def test_an_answer_that_breaks_the_document_is_noticed(npm_programs):
    """Proves that the tests above can fail on what comes back."""
    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Prism(f"http://127.0.0.1:{server.server_port}/api/v2") as prism:
            answer = Api(prism.url, "key")("GET", "/users/me")
            wait_until(prism.refused, 10, "the proxy to say so in its log")
        server.shutdown()
    assert answer.status == 500
    assert any("'email'" in violation for violation in answer.violations)
