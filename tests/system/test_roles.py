"""The login roles of agents: what they may, what they may not, and that they are gone from a merge."""
import psycopg2
import pytest

from emulator import Emulator
from host import wait_until
from system import query, unique

OURS = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'agent\\_branch\\_session%%'"
OWNER = ("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = %s")


@pytest.fixture(scope="module")
def real_emulator():
    """One topology: where the parent hangs has nothing to do with roles."""
    with Emulator(engine="postgres", topology="flat", max_branches=1000, rate_per_minute=0,
                  durations="zero", arguments=("--max-root-branches", "1000")) as emulator:
        yield emulator


def login_of(uri):
    return uri.split("://")[1].split("@")[0]


def at(uri, other):
    """The place of a URI with the role and password of another."""
    return f"postgresql://{login_of(other)}@{uri.split('@', 1)[1]}"


def parents(system, name):
    return system.uri(name, "parent")


def opens(uri):
    try:
        return bool(query(uri, "SELECT 1"))
    except psycopg2.OperationalError as error:
        assert "authentication failed" in str(error) or "does not exist" in str(error), error
        return False


def test_an_agent_works_as_its_own_role_with_the_rights_of_the_projects(real):
    real.ready("s")
    table = unique("made")
    for pooled in (False, True):
        uri = real.uri("s", pooled=pooled)
        ((login, role),) = query(uri, "SELECT session_user::text, current_user::text")
        assert login.startswith("agent_branch_session_") and role == "neondb_owner"
        assert login == login_of(uri).split(":")[0] == real.session("s")["agent_role"]
        # It opens this branch, and neither the parent nor another branch.
        assert not opens(at(parents(real, "s"), uri))
    real.ready("t")
    assert not opens(at(real.uri("t"), uri)) and real.uri("t") != uri
    assert query(real.uri("t"), OURS) == [(real.session("t")["agent_role"],)]
    agent = psycopg2.connect(uri)
    agent.autocommit = True
    with agent.cursor() as cursor:
        for sql in (f"CREATE TABLE {table} (n int)", "DISCARD ALL", f"CREATE TABLE {table}_2 (n int)"):
            cursor.execute(sql)
    agent.close()
    assert query(uri, OWNER, f"{table}_2") == [("neondb_owner",)]
    # The worker goes on as the project's role, and what the agent made can be migrated.
    real.migrate("s", f"ALTER TABLE {table} ADD COLUMN m int")
    assert query(uri, f"SELECT m FROM {table}") == []
    assert real.session("s")["shared_role"] is None
    real.discard("s")
    real.discard("t")


@pytest.mark.parametrize("strategy", ["replay", "restore", "candidate"])
def test_nothing_of_the_role_is_left_by_a_merge(real, strategy):
    real.ready("s")
    parent, uri = parents(real, "s"), real.uri("s")
    assert login_of(parent) != login_of(uri)
    table = unique("merged")
    real.migrate("s", f"CREATE TABLE {table} (n int)")
    agent = psycopg2.connect(uri)
    agent.autocommit = True
    preview = real.one("SELECT agent_merge_preview('s')")
    assert preview["verdict"] == "merges" if "verdict" in preview else preview
    if strategy == "restore":
        with agent.cursor() as cursor:
            # What it makes with its own name, and what it is given, is the project's afterwards.
            cursor.execute(f"SET ROLE NONE; CREATE TABLE {table}_own (n int); RESET ROLE;"
                           f"GRANT SELECT ON {table} TO SESSION_USER")
    real.merge("s", strategy=strategy)
    (merge,) = real.rows("SELECT * FROM agent_merges WHERE session = 's' ORDER BY finished_at DESC LIMIT 1")
    assert merge["chosen"] == strategy
    ended = query(parent, OURS)
    assert ended == [], "the role is on the parent"
    assert query(parent, OWNER, table) == [("neondb_owner",)]
    if strategy == "restore":
        assert query(parent, OWNER, f"{table}_own") == [("neondb_owner",)]
        assert query(parent, "SELECT relacl FROM pg_class WHERE relname = %s", table) in (
            [(None,)], [("{neondb_owner=arwdDxt/neondb_owner}",)])
        with pytest.raises(psycopg2.OperationalError), agent.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert not opens(at(parent, uri))
    agent.close()


def test_what_the_worker_does_with_roles_is_no_work_of_the_agents(real):
    """Neither making a role nor giving it another password is an unrecorded change."""
    real.ready("s")
    first = real.uri("s")
    real.rows("SELECT agent_rotate_credentials('s')")
    real.settle("s", "ready")
    second = real.uri("s")
    assert second != first and second.split("@")[1] == first.split("@")[1]
    assert opens(second) and not opens(first)
    real.merge("s")
    assert real.rows("SELECT chosen FROM agent_merges WHERE session = 's' ORDER BY finished_at DESC LIMIT 1"
                     )[0]["chosen"] == "nothing"


def test_after_a_refused_restore_the_agent_has_a_role_again(real):
    real.ready("s")
    uri = real.uri("s")
    table = unique("refused")
    real.migrate("s", f"CREATE TABLE {table} (n int)")
    query(parents(real, "s"), f"CREATE TABLE {table}_elsewhere (n int)")
    real.merge("s", state="conflict", strategy="restore")
    again = real.uri("s")
    wait_until(lambda: opens(real.uri("s")), 10, "a URI that opens the branch")
    again = real.uri("s")
    assert query(again, f"SELECT * FROM {table}") == [] and again != uri
    assert not opens(uri)
    real.merge("s", strategy="replay", on_drift="rebase")
    assert query(parents_of_new(real), OURS) == []


def parents_of_new(system):
    name = unique("looks")
    system.ready(name)
    return parents(system, name)


def test_the_option_turns_it_off_and_what_is_not_there_is_not_rotated(real):
    real.register(isolate_role=False)
    real.ready("s")
    uri = real.uri("s")
    assert login_of(uri).startswith("neondb_owner:")
    assert "isolate_role" in real.session("s")["shared_role"]
    error = real.refused("SELECT agent_rotate_credentials('s')")
    assert error.pgcode == "55000" and error.diag.message_hint
    real.discard("s")


def test_a_server_that_lets_no_roles_be_made_is_told_of(control, real_emulator):
    from system import System, point_at
    answer = real_emulator.call("POST", "/projects", {"project": {"name": unique("poor")}})
    project = answer[1]["project"]["id"]
    point_at(control, real_emulator)
    with System(control, real_emulator, unique("poor")) as system:
        system.register(project, parent="main")
        system.create("own", project=project)
        system.settle("own", "ready", project=project)
        parent = system.uri("own", "parent")
        for sql in ("CREATE ROLE poor", "GRANT poor TO neondb_owner", "GRANT ALL ON SCHEMA public TO poor",
                    "ALTER ROLE neondb_owner SET role = poor"):
            query(parent, sql)
        system.ready("s", project=project)
        row = system.session("s")
        assert row["agent_role"] is None and "lets none be made" in row["shared_role"], row
        assert login_of(system.uri("s")).startswith("neondb_owner:")
        system.migrate("s", "CREATE TABLE t (n int)")
        # Who insists gets an error, and what to do.
        system.register(project, parent="main", isolate_role=True)
        system.create("t", project=project)
        system.settle("t", "failed", project=project)
        row = system.error_with("t", "isolate_role", "role")
        assert "permission denied" in row["error"], row
        for name in ("own", "s", "t"):
            system.discard(name)


def test_the_passwords_of_agents_are_written_nowhere(real_emulator):
    """What test_secrets.py asks of the passwords that Neon told, with those that were made."""
    from cluster import Cluster
    from system import System, settings_for
    from test_secrets import columns_of_all_tables, files_with
    settings = {"shared_preload_libraries": "agent_branch,auto_explain",
                "auto_explain.log_min_duration": "0", "auto_explain.log_verbose": "on",
                "auto_explain.log_nested_statements": "on", "debug_print_plan": "on",
                "log_statement": "all", "log_min_messages": "debug5",
                "log_parameter_max_length": "-1", "track_activity_query_size": "64kB"}
    with Cluster(settings_for(real_emulator, **settings), name="leaks") as cluster:
        with System(cluster, real_emulator) as system:
            cluster.psql("CREATE ROLE reads LOGIN; SELECT agent_branch_grant('reads', 'user')")
            system.register()
            system.connection = cluster.connect("postgres", user="reads")
            system.ready("s")
            uris = [system.uri("s"), system.uri("s", "parent")]
            system.rows("SELECT agent_rotate_credentials('s')")
            system.settle("s", "ready")
            uris.append(system.uri("s"))
            passwords = {login_of(uri).split(":")[1] for uri in uris}
            assert len(passwords) == 3
            # The parent is read, and no more.
            ((reader, role),) = query(uris[1], "SELECT session_user::text, current_user::text")
            assert reader == role and reader.startswith("agent_branch_reader_")
            table = unique("not_by_readers")
            with pytest.raises(psycopg2.Error) as refused:
                query(uris[1], f"CREATE TABLE {table} ()")
            assert refused.value.pgcode == "25006"
            system.migrate("s", f"CREATE TABLE {table} ()")
            system.merge("s", strategy="restore")
            system.connection.close()
            system.rows("ANALYZE")
            tables = {row["table"]: str(system.rows(f"SELECT * FROM {row['table']}"))
                      for row in columns_of_all_tables(system)}
            activity = str(system.rows("SELECT * FROM pg_stat_activity"))
            assert not files_with(system, passwords)
            for password in passwords:
                assert password not in cluster.log() and password not in activity
                assert password not in real_emulator.log()
                assert not [name for name, text in tables.items() if password in text
                            and name != "agent_branch.credential"]
            # A restore was done: the reader has another password, and is there.
            name = unique("after")
            system.connection = cluster.connect("postgres", user="reads")
            system.ready(name)
            assert query(system.uri(name, "parent"), f"SELECT * FROM {table}") == []
            assert opens(system.uri(name, "parent", pooled=True))
            system.discard(name)


def test_a_restore_carries_nobody_who_could_not_log_in_before(real):
    real.ready("s")
    uri, parent = real.uri("s"), parents(real, "s")
    table, role = unique("carried"), unique("backdoor")
    real.migrate("s", f"CREATE TABLE {table} (n int)")
    query(uri, f"CREATE ROLE {role} LOGIN PASSWORD 'known' IN ROLE neondb_owner")
    real.merge("s", state="conflict", strategy="restore")
    error = real.session("s")["error"]
    assert role in error and "outside of migrations" in error
    # What a migration names was asked for.
    real.migrate("s", f"COMMENT ON ROLE {role} IS 'wanted, in neondb_owner'")
    real.merge("s", strategy="restore")
    assert query(parent, "SELECT count(*) FROM pg_roles WHERE rolname = %s", role) == [(1,)]


def test_a_crash_takes_the_password_and_another_one_is_made(control, real_emulator):
    from cluster import Cluster
    from system import System, settings_for
    with Cluster(settings_for(real_emulator), name="crash") as cluster:
        with System(cluster, real_emulator) as system:
            system.register()
            system.ready("s")
            first = system.uri("s")
            table = unique("crash")
            system.migrate("s", f"CREATE TABLE {table} (n int)")
            system.connection.close()
            cluster.stop("immediate")
            cluster.start()
            system.worker_runs()
            second = wait_until(lambda: system.uri("s"), 30, "a URI")
            assert opens(second) and not opens(first)
            # What was open when the worker died is done again.
            system.rows("""WITH s AS (UPDATE agent_branch.session SET role_branch_id = NULL,
                settled = false RETURNING id, project_id, branch_id) INSERT INTO agent_branch.step
                (id, project_id, session_id, kind, target, status) SELECT (SELECT max(id) + 1000
                FROM agent_branch.step), project_id, id, 'make role', branch_id, 'intended' FROM s""")
            system.rows("SELECT pg_terminate_backend(%s)", system.worker())
            wait_until(lambda: system.session("s")["agent_role"], 30, "the role to be made again")
            assert opens(system.uri("s"))
            # The role that reads the parent was made again there, which a restore takes for a write.
            system.merge("s", strategy="replay")
            name = unique("after")
            system.ready(name)
            assert query(system.uri(name, "parent"), OURS) == []
            system.discard(name)
