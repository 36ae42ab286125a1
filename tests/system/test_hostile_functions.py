"""fixer_function: whatever a role names runs with that role's rights, and holds nobody up."""
import pytest

from host import wait_until
from system import unique

HELPERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'agent_branch helper'"
ANSWER = """
CREATE OR REPLACE FUNCTION {schema}.fix(failure jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN {body} END $$
"""


@pytest.fixture
def stage(memory_system, control):
    """A system with the fixer on, whose project a role of level admin has registered."""
    memory = memory_system({"agent_branch.fixer_attempts": 3}, register=False)
    memory.boss = unique("boss")
    memory.rows(f"CREATE ROLE {memory.boss} LOGIN; CREATE SCHEMA {memory.boss} "
                f"AUTHORIZATION {memory.boss}; GRANT USAGE ON SCHEMA {memory.boss} TO PUBLIC")
    memory.rows("SELECT agent_branch_grant(%s::regrole, 'admin')", memory.boss)
    yield memory
    memory.rows(f"DROP OWNED BY {memory.boss} CASCADE")


def as_role(memory, role, *statements):
    connection = memory.connect(user=role)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


REGISTER = """SELECT agent_project_register('shiny-wind-028834', options =>
    '{{"fixer": "function", "fixer_function": "{schema}.fix"}}')"""


def play(memory, body, *before):
    """Boss's function is asked about a migration of a superuser's session."""
    boss = memory.boss
    as_role(memory, boss, *before, ANSWER.format(schema=boss, body=body),
            REGISTER.format(schema=boss))
    memory.create("victim")
    memory.settle("victim", "ready")
    memory.rows("SELECT agent_migrate('victim', 'SELECT nope')")


def calls(memory):
    return [(row["outcome"], row["reason"]) for row in memory.rows(
        "SELECT outcome, reason FROM agent_fixer_calls WHERE source = 'function' ORDER BY asked_at")]


def rights(memory):
    return memory.one("SELECT rolsuper FROM pg_roles WHERE rolname = %s", memory.boss)


def test_it_runs_as_the_role_that_registered_it_and_never_as_the_sessions_owner(stage):
    boss = stage.boss
    play(stage, f"INSERT INTO {boss}.loot VALUES (current_user, session_user); RETURN NULL;",
         f"CREATE TABLE {boss}.loot (who text, session text)")
    stage.settle("victim", "failed")
    assert stage.rows(f"SELECT * FROM {boss}.loot") == [{"who": boss, "session": boss}]


@pytest.mark.parametrize("body", [
    "EXECUTE 'ALTER ROLE ' || quote_ident(session_user) || ' SUPERUSER'; RETURN NULL;",
    "SET SESSION AUTHORIZATION postgres; RETURN NULL;",
    "RESET SESSION AUTHORIZATION; EXECUTE format('ALTER ROLE %I SUPERUSER', current_user); "
    "RETURN NULL;",
    "SET ROLE postgres; RETURN NULL;",
    "RETURN public.agent_connection_uri(failure->>'session');",
])
def test_it_gets_no_rights_but_its_own(stage, body):
    play(stage, body)
    stage.settle("victim", "failed")
    ((outcome, _),) = calls(stage)
    # What is no error changes nothing, and ends with the process.
    assert outcome in ("failed", "nothing")
    assert rights(stage) is False


def test_settings_that_it_changes_are_nobody_elses(stage):
    boss = stage.boss
    play(stage, f"PERFORM set_config('search_path', '{boss}, pg_catalog', false); "
         "PERFORM set_config('default_transaction_read_only', 'on', false); RETURN NULL;",
         f"CREATE TABLE {boss}.loot (who text)", f"GRANT INSERT ON {boss}.loot TO PUBLIC",
         f"""CREATE FUNCTION {boss}.hijack(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO {boss}.loot VALUES (current_user);
             RETURN $1 OPERATOR(pg_catalog.=) $2; END $$""",
         f"CREATE OPERATOR {boss}.= (LEFTARG = bigint, RIGHTARG = bigint, "
         f"FUNCTION = {boss}.hijack)")
    stage.settle("victim", "failed")
    stage.discard("victim")
    stage.ready("next")
    stage.discard("next")
    assert stage.rows(f"SELECT * FROM {boss}.loot") == []


def test_one_that_catches_its_cancellation_ends_and_others_do_not_notice(stage):
    worker = stage.worker_runs()
    play(stage, "LOOP BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN query_canceled THEN NULL; END; "
         "END LOOP; RETURN NULL;")
    wait_until(lambda: stage.one(HELPERS), 20, "the function to be called")
    # Before it has ended: another session's whole life.
    stage.ready("other")
    stage.discard("other")
    assert stage.one(HELPERS) == 1
    stage.settle("victim", "failed", 60)
    assert [outcome for outcome, _ in calls(stage)] == ["failed"]
    wait_until(lambda: stage.one(HELPERS) == 0, 20, "the helper to end")
    assert stage.worker() == worker


def test_a_discard_and_the_workers_end_take_it_along(stage):
    play(stage, "PERFORM pg_sleep(3); PERFORM pg_sleep(3600); RETURN NULL;")
    wait_until(lambda: stage.one(HELPERS), 20, "the function to be called")
    stage.discard("victim")
    wait_until(lambda: stage.one(HELPERS) == 0, 20, "the helper to end")
    stage.ready("again")
    stage.rows("SELECT agent_migrate('again', 'SELECT nope')")
    wait_until(lambda: stage.one(HELPERS), 20, "the function to be called")
    stage.rows("SELECT pg_terminate_backend(pid) FROM agent_worker")
    wait_until(lambda: stage.one(HELPERS) == 0, 20, "the helper to end")


def test_a_function_of_somebody_with_fewer_rights_is_not_called(stage):
    boss = stage.boss
    as_role(stage, boss, ANSWER.format(schema=boss, body="EXECUTE format('ALTER ROLE %I SUPERUSER', "
                                       f"'{boss}'); RETURN NULL;"))
    stage.rows(REGISTER.format(schema=boss))  # as the superuser
    stage.ready("victim")
    stage.rows("SELECT agent_migrate('victim', 'SELECT nope')")
    stage.settle("victim", "failed")
    ((outcome, reason),) = calls(stage)
    assert outcome == "failed" and "belongs to a role that could misuse it" in reason
    assert rights(stage) is False


def test_execute_is_checked_at_each_call(stage):
    boss = stage.boss
    stage.rows(ANSWER.format(schema="public", body="RETURN NULL;"))
    as_role(stage, boss, REGISTER.format(schema="public"))
    for name, revoke, outcome in (("first", "", "nothing"), (
            "second", "REVOKE EXECUTE ON FUNCTION public.fix(jsonb) FROM PUBLIC", "failed")):
        if revoke:
            stage.rows(revoke)
        stage.ready(name)
        stage.rows("SELECT agent_migrate(%s, 'SELECT nope')", name)
        stage.settle(name, "failed")
        assert calls(stage)[-1][0] == outcome
    assert "permission denied for function" in calls(stage)[-1][1]


def test_a_role_that_may_not_log_in_is_told_so(stage):
    if stage.cluster.connect("postgres").server_version >= 170000:
        pytest.skip("from 17 on it need not")
    play(stage, "RETURN NULL;")
    stage.settle("victim", "failed")
    stage.rows(f"ALTER ROLE {stage.boss} NOLOGIN")
    stage.ready("s")
    stage.rows("SELECT agent_migrate('s', 'SELECT nope')")
    stage.settle("s", "failed")
    assert "needs a role that may log in" in calls(stage)[-1][1]
