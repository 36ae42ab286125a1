"""Creating, changing and deleting branches; limits, locks and lifetimes."""
import datetime

import pytest

from conftest import poll


def from_now(**delta):
    time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**delta)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_created_branch_becomes_ready_only_when_its_operations_finish(start):
    emulator = start(durations="zero,create_branch=150,start_compute=150")
    answer = emulator.create("agent/1", endpoint=True, wait=False)
    assert answer.status == 201
    body = answer.json
    assert (body["branch"]["current_state"], body["branch"]["pending_state"]) == ("init", "ready")
    endpoint = body["endpoints"][0]
    assert (endpoint["current_state"], endpoint["pending_state"]) == ("init", "active")
    assert [(o["action"], o["status"]) for o in body["operations"]] == [
        ("create_branch", "running"), ("start_compute", "scheduling")]
    assert body["connection_uris"][0]["connection_parameters"]["role"] == "neondb_owner"
    emulator.settle()
    branch = emulator.branches()["agent/1"]
    assert branch["current_state"] == "ready" and "pending_state" not in branch
    assert branch["parent_id"] == emulator.id("development")
    assert [o["status"] for o in emulator.operations()] == ["finished"] * 2
    assert emulator.get(f"/endpoints/{endpoint['id']}")["endpoint"]["current_state"] == "active"


def test_without_durations_operations_are_finished_in_the_answer(emulator):
    body = emulator.create("b", endpoint=True, wait=False).json
    assert [o["status"] for o in body["operations"]] == ["finished"] * 2
    assert body["branch"]["current_state"] == "ready"


def test_an_empty_body_makes_a_branch_of_the_default_named_like_its_id(emulator):
    answer = emulator.call("POST", emulator.project + "/branches")
    assert answer.status == 201
    branch = answer.json["branch"]
    assert branch["name"] == branch["id"]
    assert branch["parent_id"] == emulator.id("production")
    assert answer.json["endpoints"] == [] and "connection_uris" not in answer.json
    assert [o["action"] for o in answer.json["operations"]] == ["create_branch"]


def test_a_name_in_use_is_a_409(emulator):
    emulator.create("agent/1")
    answer = emulator.create("agent/1")
    assert answer.status == 409
    assert answer.message == 'branch already exists; branch_name:"agent/1"'


def test_annotations_come_back_from_get_and_list(emulator):
    body = {"branch": {"name": "a"}, "annotation_value": {"agent-id": "42", "run": "x"}}
    branch_id = emulator.post("/branches", body).json["branch"]["id"]
    annotation = emulator.get(f"/branches/{branch_id}")["annotation"]
    assert annotation["value"] == {"agent-id": "42", "run": "x"}
    assert annotation["object"] == {"type": "console/branch", "id": branch_id}
    listed = emulator.get("/branches")["annotations"]
    assert {key: entry["value"] for key, entry in listed.items()} == {
        branch_id: {"agent-id": "42", "run": "x"}}


def test_connection_uris_are_left_out_with_two_databases_or_by_option(start):
    emulator = start("--omit-connection-uris")
    assert "connection_uris" not in emulator.create("a", endpoint=True).json
    emulator.configure(omit_connection_uris=False)
    assert "connection_uris" in emulator.create("b", endpoint=True).json
    development = emulator.id("development")
    assert emulator.post(f"/branches/{development}/databases", {
        "database": {"name": "second", "owner_name": "neondb_owner"}}).status == 201
    assert "connection_uris" not in emulator.create("c", endpoint=True).json


def test_connection_uri_defaults_to_the_default_branch_and_checks_names(start):
    emulator = start("--fixed-uri", "")
    emulator.create("a", endpoint=True)
    emulator.create("bare")
    query = "/connection_uri?database_name=neondb&role_name=neondb_owner"
    assert emulator.get(query)["uri"] == emulator.uri("production") != emulator.uri("a")
    assert "-pooler." in emulator.uri("a", pooled=True)
    endpoint_id = emulator.get(f"/branches/{emulator.id('a')}/endpoints")["endpoints"][0]["id"]
    assert emulator.get(f"{query}&endpoint_id={endpoint_id}")["uri"] == emulator.uri("a")

    def status(path):
        return emulator.call("GET", emulator.project + path).status
    assert status(f"{query}&branch_id={emulator.id('bare')}") == 404
    assert status(query.replace("neondb_owner", "nobody")) == 404
    assert status(query.replace("=neondb&", "=nothing&")) == 404
    assert status("/connection_uri?role_name=neondb_owner") == 400


def test_the_limits_have_their_codes(start):
    emulator = start("--max-branches", "4", "--max-root-branches", "2",
                     "--max-protected-branches", "1")
    assert emulator.create("root", init_source="schema-only").status == 201
    answer = emulator.create("root2", init_source="schema-only")
    assert (answer.status, answer.json["code"]) == (422, "ROOT_BRANCHES_LIMIT_EXCEEDED")
    assert emulator.create("p", protected=True).status == 201
    answer = emulator.create("b")
    assert (answer.status, answer.json["code"]) == (422, "BRANCHES_LIMIT_EXCEEDED")
    answer = emulator.call("PATCH", f"{emulator.project}/branches/{emulator.id('development')}",
                           {"branch": {"protected": True}})
    assert (answer.status, answer.json["code"]) == (422, "BRANCHES_PROTECTED_LIMIT_EXCEEDED")
    assert "parent_id" not in emulator.branches()["root"]
    assert emulator.delete("root").status == 200


def test_computes_beyond_the_limit_stay_suspended(start):
    emulator = start("--max-active-computes", "2")
    assert emulator.create("a", endpoint=True).json["endpoints"][0]["current_state"] == "active"
    body = emulator.create("b", endpoint=True).json
    assert body["endpoints"][0]["current_state"] == "idle"
    assert [o["action"] for o in body["operations"]] == ["create_branch"]
    answer = emulator.post(f"/endpoints/{body['endpoints'][0]['id']}/start")
    assert (answer.status, answer.json["code"]) == (422, "ACTIVE_ENDPOINTS_LIMIT_EXCEEDED")
    emulator.delete("a")
    assert emulator.post(f"/endpoints/{body['endpoints'][0]['id']}/start").status == 200


def test_a_plan_can_refuse_suspend_settings(start):
    emulator = start("--plan-gates-suspend")
    body = {"endpoints": [{"type": "read_write", "suspend_timeout_seconds": 300}]}
    answer = emulator.post("/branches", body)
    assert answer.status == 412 and set(emulator.branches()) == {"production", "development"}
    assert emulator.post("/branches", {"endpoints": [{"type": "read_write"}]}).status == 201


@pytest.mark.parametrize("lock, sibling", [("project", 423), ("branch", 201), ("none", 201)])
def test_a_running_operation_locks_as_much_as_the_mode_says(start, lock, sibling):
    emulator = start("--lock", lock, durations="zero,create_branch=300")
    new = emulator.create("first", wait=False).json["branch"]["id"]
    assert emulator.create("second", wait=False).status == sibling
    answer = emulator.call("PATCH", f"{emulator.project}/branches/{new}",
                           {"branch": {"name": "x"}})
    if lock == "none":
        assert (answer.status, answer.message) == (422, "branch not ready yet")
    else:
        assert answer.status == 423
        assert "already has running conflicting operations" in answer.message
    emulator.settle()
    assert emulator.create("third", wait=False).status == 201


def test_the_control_planes_own_operations_lock_too(start):
    emulator = start(durations="zero,check_availability=200")
    emulator.admin("POST", "/operations/check_availability", {})
    assert emulator.create("a").status == 423
    emulator.settle()
    assert emulator.create("a").status == 201


def test_deleting(start):
    emulator = start(durations="zero,delete_timeline=150")
    emulator.create("parent", endpoint=True)
    emulator.create("child", parent="parent")
    emulator.create("guarded", protected=True)
    for name, message in [("parent", "cannot delete branch that has children"),
                          ("guarded", "cannot delete protected branch"),
                          ("production", "cannot delete the default branch")]:
        answer = emulator.delete(name)
        assert (answer.status, answer.message) == (422, message)
    child = emulator.id("child")
    emulator.delete("child")
    parent = emulator.id("parent")
    answer = emulator.delete("parent", wait=False)
    assert [o["action"] for o in answer.json["operations"]] == ["suspend_compute",
                                                                "delete_timeline"]
    assert answer.json["branch"]["pending_state"] == "storage_deleted"
    # Gone for readers at once; the name is free only when the operations are through.
    assert emulator.call("GET", f"{emulator.project}/branches/{parent}").message == \
        "branch not found"
    emulator.configure(lock="none")
    assert emulator.create("parent", wait=False).status == 409
    emulator.settle()
    for branch_id in (child, parent, "br-never-was-00000000"):
        answer = emulator.call("DELETE", f"{emulator.project}/branches/{branch_id}")
        assert (answer.status, answer.text) == (204, "")
    assert emulator.create("parent").status == 201
    assert emulator.get("/endpoints")["endpoints"].__len__() == 2


def test_the_first_root_stays_undeletable_when_another_branch_is_default(emulator):
    answer = emulator.post(f"/branches/{emulator.id('development')}/set_as_default")
    assert answer.status == 200 and answer.json["operations"] == []
    assert emulator.branches()["development"]["default"]
    assert not emulator.branches()["production"]["default"]
    answer = emulator.delete("production")
    assert (answer.status, answer.message) == (422,
                                               "cannot delete the root branch of the project")


def test_patching(emulator):
    emulator.create("a")
    emulator.create("b")
    path = f"{emulator.project}/branches/{emulator.id('a')}"

    def patch(**branch):
        return emulator.call("PATCH", path, {"branch": branch})
    assert patch(name="b").status == 409
    assert patch(name="c").json["branch"]["name"] == "c"
    assert patch(expires_at=from_now(days=1)).json["branch"]["ttl_interval_seconds"] == 86400
    assert patch(protected=True).status == 422
    assert "expires_at" in patch(name="c").json["branch"]
    assert "expires_at" not in patch(expires_at=None).json["branch"]
    assert patch(protected=True).status == 200
    assert patch(expires_at=from_now(days=1)).status == 422


def test_lifetimes_have_bounds_and_exclude_children(emulator):
    assert emulator.create("a", expires_at=from_now(seconds=-5)).status == 400
    assert emulator.create("a", expires_at=from_now(days=31)).status == 400
    assert emulator.create("a", expires_at=from_now(days=1), protected=True).status == 422
    answer = emulator.create("a", expires_at=from_now(days=1))
    assert answer.json["branch"]["expires_at"].endswith("Z")
    assert emulator.create("child", parent="a").status == 422
    answer = emulator.call("PATCH", f"{emulator.project}/branches/{emulator.id('production')}",
                           {"branch": {"expires_at": from_now(days=1)}})
    assert answer.status == 422
    assert emulator.post(f"/branches/{emulator.id('a')}/set_as_default").status == 422


def test_an_expired_branch_is_deleted(emulator):
    emulator.create("short", endpoint=True, expires_at=from_now(seconds=2))
    emulator.create("longer", expires_at=from_now(seconds=2))
    emulator.call("PATCH", f"{emulator.project}/branches/{emulator.id('longer')}",
                  {"branch": {"expires_at": from_now(hours=1)}})
    poll(lambda: "short" not in emulator.branches(), "the branch expires", 10)
    assert "longer" in emulator.branches()
    assert "delete_timeline" in [o["action"] for o in emulator.operations()]


def test_endpoints_can_be_made_started_suspended_and_deleted(emulator):
    emulator.create("bare")
    bare = emulator.id("bare")
    answer = emulator.post("/endpoints", {"endpoint": {"branch_id": bare, "type": "read_write",
                                                       "settings": {}}})
    assert (answer.status, answer.message) == (400, "settings must not be nil")
    body = {"endpoint": {"branch_id": bare, "type": "read_write"}}
    answer = emulator.post("/endpoints", body)
    assert answer.status == 201
    path = "/endpoints/" + answer.json["endpoint"]["id"]
    assert emulator.post("/endpoints", body).status == 409
    for verb, actions, state in [("suspend", ["suspend_compute"], "idle"), ("suspend", [], "idle"),
                                 ("start", ["start_compute"], "active"), ("start", [], "active"),
                                 ("restart", ["suspend_compute", "start_compute"], "active")]:
        answer = emulator.post(f"{path}/{verb}")
        assert [o["action"] for o in answer.json["operations"]] == actions
        assert answer.json["endpoint"]["current_state"] == state
    answer = emulator.call("PATCH", emulator.project + path, {"endpoint": {"disabled": True}})
    assert answer.json["endpoint"]["disabled"]
    assert emulator.post(f"{path}/start").status == 422
    assert emulator.call("DELETE", emulator.project + path).status == 200
    assert emulator.call("DELETE", emulator.project + path).status == 204


def test_roles_keep_their_passwords_in_children_unless_the_parent_is_protected(emulator):
    def password(name):
        return emulator.get(
            f"/branches/{emulator.id(name)}/roles/neondb_owner/reveal_password")["password"]
    emulator.create("a")
    assert password("a") == password("development") and password("a").startswith("npg_")
    emulator.call("PATCH", f"{emulator.project}/branches/{emulator.id('a')}",
                  {"branch": {"protected": True}})
    emulator.create("b", parent="a")
    assert password("b") != password("a")
    answer = emulator.post(f"/branches/{emulator.id('b')}/roles/neondb_owner/reset_password")
    assert answer.json["role"]["password"] == password("b")
    assert [o["action"] for o in answer.json["operations"]] == ["apply_config"]
    path = f"/branches/{emulator.id('b')}/roles"
    assert emulator.post(path, {"role": {"name": "reader"}}).status == 201
    assert {r["name"] for r in emulator.get(path)["roles"]} == {"neondb_owner", "reader"}
    assert emulator.call("DELETE", f"{emulator.project}{path}/neondb_owner").status == 422
    assert emulator.call("DELETE", f"{emulator.project}{path}/reader").status == 200
    assert emulator.call("DELETE", f"{emulator.project}{path}/reader").status == 204
