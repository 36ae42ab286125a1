"""The key, passwords and URIs stay where they belong, and sessions are their owner's."""
import json
import os
import re

import psycopg2
import pytest

from host import wait_until
from system import unique


def columns_of_all_tables(system):
    return system.rows(
        "SELECT format('%I.%I', table_schema, table_name) AS table FROM information_schema.tables "
        "WHERE table_schema NOT IN ('information_schema') AND table_type = 'BASE TABLE' "
        "ORDER BY 1")


def files_with(system, secrets):
    """Files of the cluster that hold one, WAL among them, but for those that a standby and a base
    backup leave out: the unlogged table's."""
    system.rows("CHECKPOINT")
    own = [row["path"] for row in system.rows(
        "SELECT pg_relation_filepath(c.oid) AS path FROM pg_class AS c, pg_class AS t "
        "WHERE t.oid = 'agent_branch.credential'::regclass AND (c.oid IN (t.oid, t.reltoastrelid) OR c.oid IN "
        "(SELECT indexrelid FROM pg_index WHERE indrelid IN (t.oid, t.reltoastrelid)))")]
    found, looked_at = [], 0
    for folder, _, names in os.walk(system.cluster.data):
        for name in names:
            path = os.path.join(folder, name)
            if any(os.path.relpath(path, system.cluster.data).startswith(file) for file in own):
                continue
            try:
                with open(path, "rb") as file:
                    text = file.read()
            except FileNotFoundError:
                continue
            looked_at += 1
            found += [(path, secret) for secret in secrets if secret.encode() in text]
    assert looked_at > 500, "the cluster's files were not found"
    return found


def test_nothing_secret_is_written_anywhere(own_cluster, still_parent):
    system = own_cluster({"shared_preload_libraries": "agent_branch,auto_explain,pg_stat_statements",
                          "pg_stat_statements.track": "all",
                          "auto_explain.log_min_duration": "0", "auto_explain.log_verbose": "on",
                          "auto_explain.log_analyze": "on", "auto_explain.log_triggers": "on",
                          "auto_explain.log_nested_statements": "on",
                          "debug_print_plan": "on", "debug_print_parse": "on",
                          "debug_print_rewritten": "on",
                          "log_statement": "all", "log_min_messages": "debug5",
                          "log_min_error_statement": "debug5", "log_duration": "on",
                          "log_min_duration_statement": "0",
                          "log_parameter_max_length": "-1", "log_error_verbosity": "verbose",
                          "track_activity_query_size": "64kB"},
                         fixed_uri=None, fixed_parent_uri=still_parent,
                         api_key="very-secret-key")
    system.register()
    # With engine memory's own addresses, which nobody answers at: the URI is known meanwhile.
    system.create("s")
    uri = wait_until(lambda: system.rows("SELECT uri FROM agent_branch.credential "
                                         "WHERE session_id IS NOT NULL"), 20, "a URI")
    password = re.search(r"//[^:]+:([^@]+)@", uri[0]["uri"])[1]
    secrets = {"very-secret-key", password}
    wait_until(lambda: system.session("s")["error"], 20, "an error")
    system.emulator.config(api_key="another")
    system.rows("SELECT agent_discard('s')")
    wait_until(lambda: "does not accept" in (system.session("s")["error"] or ""), 20, "an error")
    system.rows("ANALYZE")
    system.rows("ANALYZE agent_branch.credential")
    activity = str(system.rows("SELECT * FROM pg_stat_activity"))
    tables = {row["table"]: str(system.rows(f"SELECT * FROM {row['table']}"))
              for row in columns_of_all_tables(system)}
    credentials = tables.pop("agent_branch.credential")
    assert password in credentials and "very-secret-key" not in credentials
    views = {view: str(system.rows(f"SELECT * FROM {view}")) for view in (
        "agent_sessions", "agent_events", "agent_worker", "agent_projects", "agent_merges",
        "agent_migrations", "agent_branches", "agent_conflicts")}
    system.rows("CREATE EXTENSION pg_stat_statements")
    views["pg_stat_statements"] = str(system.rows("SELECT * FROM pg_stat_statements"))
    log = system.cluster.log()
    assert not files_with(system, secrets)
    assert not [secret for secret in secrets if secret in system.emulator.log()]
    for secret in secrets:
        assert secret not in log, [line for line in log.splitlines() if secret in line][:3]
        assert secret not in activity
        assert not [table for table, text in {**tables, **views}.items() if secret in text]


def test_statistics_have_no_credentials(memory):
    memory.rows(
        "INSERT INTO agent_branch.credential (session_id, project_id, pooled, uri) "
        "SELECT n, 1, false, 'postgresql://user:secret' || n % 3 FROM generate_series(1, 300) AS n")
    memory.rows("ANALYZE agent_branch.credential")
    statistics = memory.rows("SELECT attname, most_common_vals::text, histogram_bounds::text "
                             "FROM pg_stats WHERE tablename = 'credential'")
    assert "project_id" in {row["attname"] for row in statistics}, "nothing was analyzed"
    assert "secret" not in str(statistics)
    assert not memory.rows("SELECT * FROM pg_statistic WHERE starelid = "
                           "'agent_branch.credential'::regclass AND staattnum = 4")


def test_a_stranger_who_listens_is_told_nothing(memory, roles):
    stranger = memory.cluster.connect(memory.database, user=roles["stranger"])
    try:
        with stranger.cursor() as cursor:
            cursor.execute("LISTEN agent_branch")
        memory.ready("secret-acquisition")

        def heard():
            stranger.poll()
            return len(stranger.notifies) >= 2
        wait_until(heard, 10, "notifications")
        for notification in stranger.notifies:
            assert set(json.loads(notification.payload)) == {"session_id"}, notification.payload
    finally:
        stranger.close()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_is_refused(control, encoding):
    database = unique("encoded")
    control.psql(f"CREATE DATABASE {database} ENCODING '{encoding}' TEMPLATE template0 "
                 "LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        result = control.psql("CREATE EXTENSION agent_branch", database=database, check=False)
        assert "agent_branch needs a database with encoding UTF8" in result.stderr
        assert f"The encoding of this database is {encoding}." in result.stderr
    finally:
        control.psql(f"DROP DATABASE {database}")


def test_a_password_that_the_branch_refuses_is_in_no_error(memory_system, control):
    memory = memory_system(fixed_uri=f"postgresql://postgres:hidden-password@127.0.0.1:"
                                     f"{control.port}/does_not_exist")
    memory.create("s")
    row = memory.error_with("s", "does_not_exist")
    assert "hidden-password" not in str(row)
    assert "hidden-password" not in control.log()


@pytest.fixture
def roles(memory, control):
    names = {level: unique(level) for level in ("owner", "other", "monitor", "admin", "stranger")}
    for name in names.values():
        control.psql(f"CREATE ROLE {name} LOGIN")
    for level, granted in (("owner", "user"), ("other", "user"), ("monitor", "monitor"),
                           ("admin", "admin")):
        memory.rows(f"SELECT agent_branch_grant('{names[level]}', %s)", granted)
    yield names
    memory.close()
    for name in names.values():
        control.psql(f"DROP ROLE {name}")


def asks(memory, role, sql):
    connection = memory.cluster.connect(memory.database, user=role)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    except psycopg2.Error as error:
        return error.pgcode
    finally:
        connection.close()


def test_sessions_belong_to_the_role_that_made_them(memory, roles):
    assert asks(memory, roles["owner"], "SELECT agent_branch_create('s')") == \
        [("branch-for-revision-s",)]
    memory.settle("s", "ready")
    uri = "SELECT agent_connection_uri('s')"
    assert asks(memory, roles["owner"], uri)[0][0].startswith("postgresql://")
    names = "SELECT session FROM agent_sessions"
    assert asks(memory, roles["owner"], names) == [("s",)]
    assert asks(memory, roles["other"], names) == []
    assert asks(memory, roles["monitor"], names) == [("s",)]
    assert asks(memory, roles["admin"], names) == [("s",)]
    assert asks(memory, roles["stranger"], names) == "42501"
    for view in ("agent_events", "agent_migrations", "agent_merges", "agent_conflicts"):
        assert asks(memory, roles["other"], f"SELECT * FROM {view}") == []
    for call in ("agent_connection_uri('s')", "agent_wait('s')", "agent_merge('s')",
                 "agent_discard('s')", "agent_migrate('s', 'SELECT 1')",
                 "agent_extend('s', '1 day')"):
        assert asks(memory, roles["other"], f"SELECT {call}") == "42704", call
        assert asks(memory, roles["monitor"], f"SELECT {call}") == "42501", call
        assert asks(memory, roles["stranger"], f"SELECT {call}") == "42501", call
    assert asks(memory, roles["admin"], uri) == "42704"  # never another's credentials
    for table in ("credential", "session", "request", "step"):
        assert asks(memory, roles["admin"], f"SELECT * FROM agent_branch.{table}") == "42501"
    assert asks(memory, roles["admin"], "SELECT agent_discard('s')") == [("",)]
    memory.settle("s", "discarded")


def test_settings_that_name_files_and_hosts_are_the_superusers(memory, roles):
    for setting in ("api_url", "api_key_file", "api_key_directory"):
        assert asks(memory, roles["admin"], f"SHOW agent_branch.{setting}") == "42501"
        assert asks(memory, roles["admin"], f"SET agent_branch.{setting} = 'x'") in \
            ("42501", "55P02")


def test_the_credential_table_is_not_in_the_wal(memory):
    memory.ready("s")
    assert memory.one("SELECT relpersistence FROM pg_class "
                      "WHERE oid = 'agent_branch.credential'::regclass") == "u"
    memory.discard("s")
    assert not memory.rows("SELECT session_id FROM agent_branch.credential "
                           "WHERE session_id IS NOT NULL")
