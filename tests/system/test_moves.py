"""A control database moves, with sessions under way: a dump that is restored, pg_upgrade, a replica
by logical replication."""
import os
import subprocess

import pytest

import host
from cluster import Cluster
from host import wait_until
from system import System, settings_for, unique

BRANCH = "branch-for-revision-"


@pytest.fixture
def moved_to(memory_emulator):
    """Makes clusters for databases to move to, which talk to the same emulator."""
    made = []

    def make(emulator, start=True):
        made.append(Cluster(settings_for(emulator), name="moved", start=start))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


def at_work(own_cluster, still_parent):
    """A system with a session that is ready, one in the middle of its merge, and one that is over."""
    system = own_cluster(topology="flat", fixed_parent_uri=still_parent)
    system.register()
    for name in ("over", "ready", "merging"):
        system.ready_with_work(name)
    system.discard("over")
    system.emulator.add_fault({"match": {"method": "POST", "path": "/restore$", "count": 100000},
                               "do": "status", "status": 423})
    system.merge("merging", state=None, strategy="restore")
    wait_until(lambda: system.calls("POST", "/restore"), 20, "the restore to be sent")
    return system


def says_whose_it_is(system, names=("ready", "merging")):
    system.worker_runs()
    for name in names:
        row = system.error_with(name, "another installation", seconds=30)
        assert "agent_branch_take_over" in row["hint"]
    assert system.branch(BRANCH + "ready")


def goes_on(system):
    assert system.one("SELECT agent_branch_take_over()") == 2
    system.emulator.clear_faults()
    system.settle("merging", "merged", 60)
    wait_until(lambda: not system.session("ready")["error"], 20, "the session to be taken over")
    system.migrate("ready", "SELECT 1")
    system.discard("ready")
    assert system.state("over") == "discarded"
    assert len([call for call in system.calls("POST", "/restore")
                if call["status"] // 100 == 2]) == 1
    wait_until(lambda: system.branch_names() == {"production", "development"}, 30, "clean-up")


def tool(cluster, name, *arguments):
    result = subprocess.run(
        host.as_server_user([os.path.join(cluster.bindir, name), *arguments]),
        cwd=cluster.directory, text=True, capture_output=True, check=False)
    assert result.returncode == 0, f"{name}: {result.stdout}{result.stderr}"


def test_a_dump_that_is_restored_goes_on_when_told(own_cluster, moved_to, still_parent):
    system = at_work(own_cluster, still_parent)
    dump = os.path.join(system.cluster.directory, "dump")
    tool(system.cluster, "pg_dump", "-Fc", "-f", dump, system.cluster.uri("postgres"))
    system.cluster.stop()
    cluster = moved_to(system.emulator)
    name = unique("restored")
    cluster.psql(f'CREATE DATABASE "{name}" TEMPLATE template0')
    tool(cluster, "pg_restore", "--exit-on-error", "-d", cluster.uri(name), dump)
    with System(cluster, system.emulator, extension=False) as restored:
        restored.database = name
        says_whose_it_is(restored)
        goes_on(restored)


def test_pg_upgrade_brings_sessions_along(own_cluster, moved_to, still_parent):
    system = at_work(own_cluster, still_parent)
    system.cluster.stop()
    cluster = moved_to(system.emulator, start=False)
    tool(cluster, "pg_upgrade", "-b", system.cluster.bindir, "-B", cluster.bindir,
         "-d", system.cluster.data, "-D", cluster.data, "-U", "postgres",
         "-s", cluster.directory, "-p", str(system.cluster.port), "-P", str(cluster.port))
    cluster.start()
    with System(cluster, system.emulator, extension=False) as upgraded:
        says_whose_it_is(upgraded)
        goes_on(upgraded)


def test_a_logical_replica_shows_sessions_and_touches_none(own_cluster, moved_to):
    system = own_cluster({"wal_level": "logical"})
    system.register()
    system.rows("CREATE PUBLICATION history FOR TABLE agent_branch.session, agent_branch.event")
    replica = moved_to(system.emulator)
    replica.psql("CREATE SCHEMA agent_branch")
    for table in ("session", "event"):
        columns = system.one("""SELECT string_agg(format('%%I %%s', attname,
            CASE WHEN format_type(atttypid, atttypmod) = 'regrole' THEN 'oid'
                 ELSE format_type(atttypid, atttypmod) END), ', ' ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
                AND attgenerated = ''""", f"agent_branch.{table}")
        replica.psql(f"CREATE TABLE agent_branch.{table} ({columns}, PRIMARY KEY (id))")
    connection = system.cluster.uri("postgres")
    replica.psql(f"CREATE SUBSCRIPTION history CONNECTION '{connection}' PUBLICATION history")
    system.ready("seen")
    seen = "SELECT count(*) FROM agent_branch.event WHERE state = 'ready'"
    wait_until(lambda: replica.psql(seen) == "1", 30, "the event to be replicated")
    assert replica.psql("SELECT name FROM agent_branch.session") == "seen"
    system.discard("seen")
    replica.psql("DROP SUBSCRIPTION history")
    assert replica.psql("SELECT count(*) FROM pg_stat_activity "
                        "WHERE backend_type = 'agent_branch worker'") == "0"
