"""Whatever a role calls, with whatever arguments: no crash, no leak, nothing changed that it may not
change, and errors that say what to do. AGENT_BRANCH_HOSTILE_CALLS says how many calls; make hostile
makes 100,000."""
import os
import re

import pytest

from hostile import Caller, run_all

CALLS = int(os.environ.get("AGENT_BRANCH_HOSTILE_CALLS", "700"))
SEED = os.environ.get("AGENT_BRANCH_HOSTILE_SEED", "1")
OPEN, VAULT = "first-one-1", "vault-two-2"
# What each role has, and in which project: None is every one.
ROLES = {"hostile_stranger": (), "hostile_user_a": (("user", OPEN),),
         "hostile_user_b": (("user", OPEN),), "hostile_user_all": (("user", None),),
         "hostile_monitor": (("monitor", None),), "hostile_admin_a": (("admin", OPEN),)}
MAKERS = {"hostile_user_a": "own-a", "hostile_user_b": "own-b", "hostile_admin_a": "own-admin"}
# What only those change who may: the vault's row and sessions, rights, roles, and the objects.
GUARDED = {
    "the vault": "SELECT to_jsonb(p) FROM agent_branch.project AS p WHERE project = 'vault-two-2'",
    "sessions there": "SELECT s.name, s.state, s.goal, s.options, s.expires_at, s.owner FROM agent_branch.session "
                      "AS s JOIN agent_branch.project AS p ON p.id = s.project_id WHERE "
                      "p.project = 'vault-two-2' AND s.owner_name = 'postgres' ORDER BY 1",
    "migrations there": "SELECT t.* FROM agent_migrations AS t WHERE session = 'victim' ORDER BY ordinal",
    "rights": "SELECT role, level, project, limits FROM agent_grants ORDER BY 1, 2, 3",
    "roles": "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication FROM pg_roles "
             "ORDER BY 1",
    "memberships": "SELECT roleid, member, admin_option FROM pg_auth_members ORDER BY 1, 2",
    "functions": "SELECT oid, proacl, prosrc, probin, proowner FROM pg_proc WHERE proname ~ '^agent_' ORDER BY 1",
    "relations": "SELECT oid, relacl, relowner, relkind FROM pg_class WHERE relnamespace = "
                 "'agent_branch'::regnamespace AND relkind <> 't' ORDER BY 1",
    "settings": "SELECT name, setting FROM pg_settings WHERE name LIKE 'agent\\_branch.%' ORDER BY 1",
    "who we are": "SELECT id FROM agent_branch.installation",
}


def ask(system, role, sql, *values):
    connection = system.cluster.connect(system.database, user=role)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall()
    finally:
        connection.close()


@pytest.fixture
def stage(own_cluster):
    system = own_cluster({"agent_branch.reap_interval": 0, "log_min_messages": "warning",
                          "max_connections": 40},
                         fixed_uri=None, project=OPEN, api_key="very-secret-key",
                         arguments=("--project", VAULT))
    system.emulator.stop()
    # Every branch is this one database: only what comes back and what is written here counts.
    system.cluster.psql("CREATE DATABASE fixed")
    system.emulator._arguments += ["--fixed-uri", system.cluster.uri("fixed")]
    system.emulator.start()
    system.cluster.reload({"agent_branch.api_url": system.emulator.url})
    for project in (OPEN, VAULT):
        system.register(project)
    for role, levels in ROLES.items():
        system.rows(f"CREATE ROLE {role} LOGIN")
        for level, project in levels:
            system.rows("SELECT agent_branch_grant(%s::regrole, %s, %s)", role, level, project)
    for role, name in MAKERS.items():
        ask(system, role, "SELECT agent_branch_create(%s, %s)", name, OPEN)
    for name, project in (("victim", VAULT), ("own-a", VAULT), ("own-b", VAULT)):
        system.create(name, project=project)
    for name, project in (*((name, OPEN) for name in MAKERS.values()), ("victim", VAULT), ("own-a", VAULT),
                          ("own-b", VAULT)):
        system.settle(name, "ready", project=project)
    system.rows("SELECT agent_migrate('victim', 'SELECT 1', 'one', 'vault-two-2')")
    system.settle("victim", "ready", project=VAULT)
    mark_secrets(system)
    return system


def mark_secrets(system):
    """In the place of the connection URIs that are known, texts that tell whose each is."""
    system.rows("""UPDATE agent_branch.credential SET uri = format('postgresql://x:secret-%s-mark@y/z',
        CASE WHEN session_id IS NULL THEN 'parent' || project_id ELSE session_id::text END)""")
    system.rows("""INSERT INTO agent_branch.credential (session_id, project_id, pooled, uri)
        SELECT NULL, p.id, pooled, format('postgresql://x:secret-parent%s-mark@y/z', p.id)
        FROM agent_branch.project AS p, unnest(ARRAY[false, true]) AS pooled ON CONFLICT DO NOTHING""")


def marks(system, role):
    """Of the secrets that a role may be told: its own sessions', and the parent's where it is admin."""
    own = system.rows("SELECT id::text AS mark FROM agent_branch.session WHERE owner_name = %s", role)
    parents = system.rows("SELECT 'parent' || id AS mark FROM agent_branch.project WHERE project = %s AND %s",
                          OPEN, role == "hostile_admin_a")
    return {row["mark"] for row in (*own, *parents)}


def guarded(system):
    return {what: [tuple(row.values()) for row in system.rows(sql)] for what, sql in GUARDED.items()}


def live(system):
    """The worker is the one that it was, and still does what it is for."""
    system.rows("SELECT agent_branch_create('afterwards', 'vault-two-2')")
    system.settle("afterwards", "ready", 60, project=VAULT)


def test_whatever_is_called(stage):
    worker = stage.worker_runs()
    before = guarded(stage)
    callers = [Caller(stage, role, SEED, marks(stage, role)) for role in ROLES]
    complaints = run_all(callers, CALLS // len(ROLES))
    assert not complaints, "\n".join(complaints)
    after = guarded(stage)
    for what in GUARDED:
        assert after[what] == before[what], what
    # It was a test of something: calls that were refused, and calls that were not.
    for caller in callers[1:]:
        assert caller.seen.get("", 0) > CALLS // len(ROLES) // 20, (caller.role, caller.seen)
    assert stage.worker() == worker
    live(stage)
    bad = re.compile("terminated by signal|PANIC:|TRAP:|XX000|very-secret-key|secret-\\w+-mark")
    assert not [line for line in stage.cluster.log().splitlines() if bad.search(line)]


def test_errors_of_those_who_may_do_all(stage):
    """An admin and the superuser: the functions that are meant for people, which then may succeed."""
    worker = stage.worker_runs()
    stage.rows("CREATE ROLE hostile_boss LOGIN")
    stage.rows("SELECT agent_branch_grant('hostile_boss', 'admin')")
    parents = {row["mark"] for row in stage.rows("SELECT 'parent' || id AS mark FROM agent_branch.project")}
    own = {row["mark"] for row in stage.rows("SELECT id::text AS mark FROM agent_branch.session")}
    callers = [Caller(stage, "hostile_boss", SEED, parents, only="agent_(?!branch_take_over)"),
               Caller(stage, "postgres", SEED, parents | own, only="agent_(?!branch_take_over)")]
    complaints = run_all(callers, CALLS // 4)
    assert not complaints, "\n".join(complaints)
    assert stage.worker() == worker
