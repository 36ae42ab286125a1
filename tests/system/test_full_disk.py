"""A disk is full: that of the server's log, or that of the control database."""
import os
import pwd

import pytest

import namespace
from host import wait_until
from system import query, unique


def a_life(system, fixed_uri, name):
    table = unique("full")
    query(fixed_uri, f"CREATE TABLE {table} (id int)")
    system.ready(name)
    system.migrate(name, f"INSERT INTO {table} VALUES (1)")
    # Something that is logged.
    system.rows("SELECT agent_migrate(%s, 'SELECT nothing')", name)
    system.settle(name, "failed")
    system.migrate(name, f"INSERT INTO {table} VALUES (2)")
    # Branch and parent are one database here: the merge runs both migrations once more.
    system.merge(name)
    assert query(fixed_uri, f"SELECT count(*) FROM {table}") == [(4,)]


def works_without_log(system, fixed_uri):
    system.rows("CREATE EXTENSION agent_branch")
    system.register()
    a_life(system, fixed_uri, "first")
    pid = system.worker()
    system.rows("SELECT pg_terminate_backend(%s)", pid)
    system.worker_runs(other_than=pid)
    a_life(system, fixed_uri, "second")
    # An error of the worker's own.
    system.emulator.config(api_key="another")
    system.create("third")
    system.error_with("third", "does not accept the API key")
    system.emulator.config(api_key=system.emulator.api_key)
    system.settle("third", "ready")
    system.discard("third")
    wait_until(lambda: system.branch_names() == {"production", "development"}, 20, "clean-up")


def test_the_log_goes_to_a_full_device(own_cluster, fixed_uri):
    system = own_cluster({"log_min_messages": "debug1"}, start=False, fixed_uri=fixed_uri,
                         topology="flat")
    system.cluster.log_path = "/dev/full"
    system.cluster.start()
    works_without_log(system, fixed_uri)


def fill(path):
    """Takes what room there is on a file system; returns the file that holds it."""
    held = os.path.join(path, "held")
    with open(held, "wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            pass
    return held


@pytest.fixture
def on_small_disk(own_cluster, fixed_uri):
    """Makes a system whose server has a folder on a disk of its own, of 4 MB."""
    namespace.needed()

    def make(name, settings=None):
        system = own_cluster(settings, start=False, fixed_uri=fixed_uri, topology="flat")
        cluster = system.cluster
        path = os.path.join(cluster.directory, name)
        os.mkdir(path)
        owner = pwd.getpwnam("postgres").pw_uid
        cluster.prefix = namespace.prefix(namespace.small_disk(path, 4 << 20, owner))
        cluster.start()
        system.disk = namespace.inside(cluster.process, path)
        system.disk_path = path
        return system

    return make


@pytest.mark.parametrize("destination", ["csvlog", "jsonlog", "stderr"])
def test_the_log_goes_to_a_full_disk(on_small_disk, fixed_uri, destination):
    system = on_small_disk("logs", {"logging_collector": "on", "log_destination": destination,
                                    "log_directory": "../logs", "log_min_messages": "debug1"})
    fill(system.disk)
    assert os.statvfs(system.disk).f_bavail == 0
    works_without_log(system, fixed_uri)


def test_the_control_database_has_no_room(on_small_disk, fixed_uri):
    system = on_small_disk("tables")
    system.rows("CREATE EXTENSION agent_branch")
    names = [f"s{number}" for number in range(15)]
    system.register(max_parallel=len(names))
    for name in names:
        system.ready(name)
    system.cluster.psql(f"CREATE TABLESPACE small LOCATION '{system.disk_path}'")
    system.cluster.psql("ALTER TABLE agent_branch.step SET TABLESPACE small")
    pid = system.worker_runs()
    table = unique("full")
    query(fixed_uri, f"CREATE TABLE {table} (id int)")
    held = fill(system.disk)
    migrations = 20 * len(names)  # each is a step: soon the table's last page is full
    for number in range(migrations):
        system.rows("SELECT agent_migrate(%s, %s)", names[number % len(names)],
                    f"INSERT INTO {table} VALUES ({number})")
    wait_until(lambda: "could not record what happened" in system.cluster.log(), 20,
               "the disk to be full")
    assert "No space left" in system.cluster.log()
    assert "could not extend file" in system.one("SELECT last_error FROM agent_worker")
    done = query(fixed_uri, f"SELECT count(*) FROM {table}")
    assert done < [(migrations,)] and system.worker() == pid
    os.remove(held)
    for name in names:
        system.settle(name, "ready", 30)
    assert query(fixed_uri, f"SELECT count(*), count(DISTINCT id) FROM {table}") == \
        [(migrations, migrations)]
    for name in names:
        system.discard(name)
    assert system.branch_names() == {"production", "development"}
    assert system.worker() == pid and "PANIC" not in system.cluster.log()
