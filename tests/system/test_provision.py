"""agent_project_create(): a project at Neon with production and development, and never two or half a
one, whatever is lost on the way."""
import psycopg2
import pytest

from host import wait_until

NAME = "shop"


@pytest.fixture
def stage(memory_system):
    return memory_system(register=False)


def project(system, name=NAME):
    rows = system.rows("SELECT * FROM agent_projects WHERE name = %s", name)
    return rows[0] if rows else None


def made(system, name=NAME, seconds=30):
    """The project, once it is there."""
    return wait_until(lambda: system.rows("SELECT * FROM agent_projects WHERE name = %s AND state = 'ready'",
                                          name), seconds, f"{name} to be made: {project(system, name)}")[0]


def at_neon(system, name=NAME):
    """The projects of that name, as the emulator has them."""
    return [entry for entry in system.emulator.state()["projects"]
            if entry.get("name") == name]


def only_one(system, name=NAME, production="production", parent="development"):
    (entry,) = at_neon(system, name)
    branches = {branch["name"]: branch for branch in entry["branches"]}
    assert set(branches) == {production, parent}
    assert branches[parent]["parent_id"] == branches[production]["id"]
    return entry


def test_a_project_is_made_and_worked_in(stage):
    stage.rows("SELECT agent_project_create(%s, %s)", NAME, '{"max_cu": 2, "max_parallel": 3}')
    row = made(stage)
    stage.create("s", project=NAME)
    entry = only_one(stage)
    assert row["project"] == entry["id"] != NAME
    assert row["options"] == {"max_cu": 2, "max_parallel": 3}
    assert (row["parent"], row["database"], row["role"]) == ("development", "neondb", "neondb_owner")
    (create,) = stage.calls("POST", "/projects")[:1]
    assert create["path"].endswith("/projects")
    stage.settle("s", "ready", project=NAME)
    # By its id and by its name, it is the same one.
    stage.rows("SELECT agent_discard('s', %s)", row["project"])
    stage.settle("s", "discarded", project=NAME)
    told = stage.rows("SELECT coalesce(asked, sent) AS what, outcome, request_id IS NOT NULL AS at_neon FROM agent_audit "
                      "WHERE asked IN ('provision', 'register') OR sent = 'create project' ORDER BY id")
    assert [(one["what"], one["outcome"], one["at_neon"]) for one in told] == [
        ("provision", None, False),
        ("create project", f"project made: {row['project']}", True),
        ("create project", "branch made: development", True),
        ("register", None, False),
        ("create project", "registered", False)]
    stage.rows("SELECT agent_project_remove(%s)", NAME)
    assert project(stage) is None
    assert at_neon(stage), "removing forgets, and deletes nothing"


def test_names_and_wishes_are_sent(stage):
    stage.rows("SELECT agent_project_create(%s, %s)", NAME,
               '{"production": "main", "parent": "dev", "database": "app", "role": "app_owner", "pg_version": 17}')
    made(stage)
    only_one(stage, production="main", parent="dev")
    row = project(stage)
    assert (row["parent"], row["database"], row["role"]) == ("dev", "app", "app_owner")


def test_a_name_is_taken_once(stage):
    stage.rows("SELECT agent_project_create(%s)", NAME)
    assert stage.refused("SELECT agent_project_create(%s)", NAME).pgcode == "42710"
    made(stage)
    assert stage.refused("SELECT agent_project_create(%s)", NAME).pgcode == "42710"
    stage.rows("SELECT agent_project_remove(%s)", NAME)
    stage.rows("SELECT agent_project_create(%s)", NAME)
    made(stage)
    assert len(at_neon(stage)) == 2


@pytest.mark.parametrize("options, code", [
    ("[]", "42804"), ('{"pg_version": "17"}', "42804"), ('{"pg_version": 9}', "22023"),
    ('{"parent": "production"}', "22023"), ('{"parent": ""}', "22023"), ('{"speed": 1}', "22023"),
    ('{"production": 7}', "42804"), ('{"min_cu": 4, "max_cu": 2}', "22023")])
def test_wrong_options_are_refused(stage, options, code):
    error = stage.refused("SELECT agent_project_create(%s, %s)", NAME, options)
    assert error.pgcode == code and error.diag.message_hint
    assert project(stage) is None


@pytest.mark.parametrize("path", ["/projects$", "/branches$"])
@pytest.mark.parametrize("what", ["drop_before", "drop_after", "truncate"])
def test_an_answer_that_is_lost(stage, path, what):
    stage.emulator.add_fault({"match": {"method": "POST", "path": path, "count": 1}, "do": what})
    stage.rows("SELECT agent_project_create(%s)", NAME)
    made(stage, seconds=60)
    only_one(stage)


@pytest.mark.parametrize("path", ["/projects$", "/branches$"])
@pytest.mark.parametrize("moment", ["delay_ms", "delay_after_ms"])
def test_a_worker_that_ends_while_it_asks(stage, path, moment):
    stage.emulator.add_fault({"match": {"method": "POST", "path": path, "count": 1}, "do": moment,
                              moment: 1500})
    worker = stage.worker_runs()
    stage.rows("SELECT agent_project_create(%s)", NAME)
    wait_until(lambda: stage.calls("POST", path.strip("$")), 20, "the request")
    stage.rows("SELECT pg_terminate_backend(%s)", worker)
    stage.worker_runs(other_than=worker)
    made(stage, seconds=60)
    only_one(stage)


@pytest.mark.parametrize("moment", ["delay_ms", "delay_after_ms"])
def test_a_server_that_loses_its_power_while_it_asks(own_cluster, moment):
    system = own_cluster()
    system.emulator.add_fault({"match": {"method": "POST", "path": "/projects$", "count": 1}, "do": moment,
                               moment: 1500})
    system.rows("SELECT agent_project_create(%s)", NAME)
    wait_until(lambda: system.calls("POST", "/projects"), 20, "the request")
    system.cluster.kill9()
    system.connection.close()
    system.cluster.start()
    made(system, seconds=60)
    only_one(system)


def test_what_neon_refuses_is_shown_and_can_be_given_up(stage):
    stage.emulator.add_fault({"match": {"method": "POST", "path": "/projects$"}, "do": "status",
                              "status": 422, "body": {"code": "PROJECTS_LIMIT_EXCEEDED",
                                                      "message": "projects limit exceeded"}})
    stage.rows("SELECT agent_project_create(%s)", NAME)
    row = wait_until(lambda: (project(stage) or {}).get("upkeep_error") and project(stage), 20, "its trouble")
    assert row["state"] == "creating" and "projects limit exceeded" in row["upkeep_error"]

    def given_up():
        try:
            stage.rows("SELECT agent_project_remove(%s)", NAME)
        except psycopg2.Error as error:
            # While it is being tried again nobody knows.
            assert error.pgcode == "55006"
            return False
        return True
    wait_until(given_up, 20, "a moment between two requests")
    assert project(stage) is None
    stage.emulator.clear_faults()
    # The name is free, and what was given up does not come after all.
    stage.rows("SELECT agent_project_create(%s)", NAME)
    made(stage)
    only_one(stage)


def test_a_copy_of_the_database_makes_nothing(stage):
    stage.emulator.add_fault({"match": {"method": "POST", "path": "/projects$", "count": 10**6},
                              "do": "status", "status": 503})
    stage.rows("SELECT agent_project_create(%s)", NAME)
    wait_until(lambda: stage.calls("POST", "/projects"), 20, "a request")
    stage.rows("UPDATE agent_branch.provision SET installation_id = gen_random_uuid()")
    worker = stage.worker_runs()
    stage.rows("SELECT pg_terminate_backend(%s)", worker)
    stage.worker_runs(other_than=worker)
    stage.emulator.clear_faults()
    stage.emulator.forget_requests()
    # What is asked for after it is done, and the project is not.
    stage.rows("SELECT agent_project_create('another')")
    made(stage, "another")
    assert at_neon(stage) == []
    stage.rows("SELECT agent_branch_take_over()")
    made(stage)
    only_one(stage)
