"""Somebody on the network hangs, or sends a byte a second: the others go on meanwhile, and what
ends a session or the worker does so at once."""
import os

import pytest

import namespace
from host import wait_until
from relay import Relay
from silent import SilentNameServer, SlowPostgres
from system import query, unique

BRANCH = "branch-for-revision-"
PERMANENT = {"production", "development"}
LONGEST_RUN = 30  # seconds; alone it takes less than one


def projects(*names):
    return {"project": names[0], "topology": "flat",
            "arguments": [word for name in names[1:] for word in ("--project", name)]}


def talk_to(system, url):
    """Returns once there is a worker that knows no other address of the API."""
    system.cluster.reload({"agent_branch.api_url": url})
    wait_until(lambda: system.cluster.psql("SHOW agent_branch.api_url") == url, 10, "the setting")
    pid = system.worker_runs()
    system.rows("SELECT pg_terminate_backend(%s)", pid)
    system.worker_runs(other_than=pid)


def others_go_on(system, fixed_uri, table, runs=3):
    for _ in range(runs):
        name = unique("other")
        result = system.one("CALL agent_run(%s, %s, NULL, project => 'works', timeout => %s)",
                            name, [f"INSERT INTO {table} DEFAULT VALUES"], f"{LONGEST_RUN} s")
        assert result["state"] == "merged", result
    assert query(fixed_uri, f"SELECT count(*) > 0 FROM {table}") == [(True,)]


def worker_ends_at_once(system):
    pid = system.worker()
    system.rows("SELECT pg_terminate_backend(%s)", pid)
    wait_until(lambda: not system.rows("SELECT 1 AS one FROM pg_stat_activity WHERE pid = %s", pid), 8,
               "the worker to end", 0.005)
    system.worker_runs(other_than=pid)


def discarded_at_once(system, name, project):
    system.rows("SELECT agent_discard(%s, %s)", name, project)
    system.settle(name, "discarded", 10, project)


def clean(system, *names):
    wait_until(lambda: all(system.branch_names(name) == PERMANENT for name in names), 20,
               "clean-up")


@pytest.fixture
def table(fixed_uri):
    name = unique("slow_network")
    query(fixed_uri, f"CREATE TABLE {name} (id serial)")
    return name


def test_an_api_that_sends_a_byte_a_second(memory_system, fixed_uri, table):
    slow = ("headers", "body", "silent")
    memory = memory_system(register=False, **projects("works", *slow))
    with Relay(memory.emulator) as relay:
        talk_to(memory, relay.url)
        for name in slow:
            relay.slow(f"/projects/{name}/", name)
        for name in ("works", *slow):
            memory.register(name, on_unrecorded="drop")
        for name in slow:
            for number in range(3):
                memory.create(f"{name}-{number}", project=name)
        wait_until(lambda: len({path.split("/")[4] for path in relay.met}) == len(slow), 10,
                   "all of them to be met")
        others_go_on(memory, fixed_uri, table)
        for name in slow:
            memory.error_with(f"{name}-0", "has not answered yet", seconds=10)
        others_go_on(memory, fixed_uri, table, 1)
        worker_ends_at_once(memory)
        others_go_on(memory, fixed_uri, table, 1)
        relay.clear()
        worker_ends_at_once(memory)
        for name in slow:
            for number in range(3):
                memory.settle(f"{name}-{number}", "ready", project=name)
                discarded_at_once(memory, f"{name}-{number}", name)
        clean(memory, "works", *slow)


def test_a_branch_that_says_nothing_or_a_byte_a_second(memory_system, fixed_uri, table):
    memory = memory_system(register=False, **projects("works", "silent", "trickles"))
    with Relay(memory.emulator) as relay, SlowPostgres(False) as silent, \
            SlowPostgres(True) as trickles:
        talk_to(memory, relay.url)
        port = memory.cluster.port
        for name, server in (("silent", silent), ("trickles", trickles)):
            relay.rewrite(f"/projects/{name}/", f"127.0.0.1:{port}", f"127.0.0.1:{server.port}")
        for name in ("works", "silent", "trickles"):
            memory.register(name, on_unrecorded="drop")
        for name in ("silent", "trickles"):
            for number in range(2):
                memory.create(f"{name}-{number}", project=name)
        wait_until(lambda: silent.met and trickles.met, 10, "both to be connected to")
        others_go_on(memory, fixed_uri, table)
        for name in ("silent", "trickles"):
            discarded_at_once(memory, f"{name}-1", name)
            memory.error_with(f"{name}-0", "could not connect to the branch's database",
                              "did not answer in time", seconds=25)
        others_go_on(memory, fixed_uri, table, 1)
        worker_ends_at_once(memory)
        others_go_on(memory, fixed_uri, table, 1)
        for name in ("silent", "trickles"):
            discarded_at_once(memory, f"{name}-0", name)
        clean(memory, "works", "silent", "trickles")


@pytest.fixture
def without_dns(own_cluster, fixed_uri):
    """A system whose server has a name server that never answers."""
    namespace.needed()
    with SilentNameServer() as names:
        system = own_cluster(start=False, fixed_uri=fixed_uri, **projects("works", "hangs"))
        cluster = system.cluster
        path = os.path.join(cluster.directory, "resolv.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"nameserver {names.address}\noptions timeout:30 attempts:2\n")
        os.chmod(path, 0o644)
        os.chmod(cluster.directory, 0o755)
        cluster.prefix = namespace.prefix(namespace.bind(path, "/etc/resolv.conf"))
        cluster.start()
        system.rows("CREATE EXTENSION agent_branch")
        system.register("works", on_unrecorded="drop")
        system.register("hangs", max_parallel=20)
        system.names = names
        yield system


def test_a_branch_whose_name_is_never_resolved(without_dns, fixed_uri, table):
    system = without_dns
    with Relay(system.emulator) as relay:
        talk_to(system, relay.url)
        relay.rewrite("/projects/hangs/", "127.0.0.1", "branch.hangs.example")
        for number in range(20):
            system.create(f"h{number}", project="hangs")
        wait_until(lambda: system.names.asked("branch.hangs.example"), 10, "the name to be asked")
        others_go_on(system, fixed_uri, table)
        for number in (0, 19):
            discarded_at_once(system, f"h{number}", "hangs")
        worker_ends_at_once(system)
        others_go_on(system, fixed_uri, table, 1)
        for number in range(1, 19):
            system.rows("SELECT agent_discard(%s, 'hangs')", f"h{number}")
        clean(system, "works", "hangs")


def test_an_api_whose_name_is_never_resolved(without_dns, fixed_uri, table):
    system = without_dns
    system.ready("s", project="works")
    system.create("before", project="hangs")
    system.settle("before", "ready", project="hangs")
    talk_to(system, "https://api.hangs.example/api/v2")
    for number in range(20):
        system.create(f"h{number}", project="hangs")
    wait_until(lambda: system.names.asked("api.hangs.example"), 10, "the name to be asked")
    # What needs no API goes on, and so do those who only ask.
    for _ in range(3):
        system.rows("SELECT agent_migrate('s', %s)", f"INSERT INTO {table} DEFAULT VALUES")
        system.settle("s", "ready")
    worker_ends_at_once(system)
    system.cluster.reload({"agent_branch.api_url": system.emulator.url})
    system.settle("h1", "ready", 20, "hangs")
    for name in ("before", *(f"h{number}" for number in range(20))):
        system.rows("SELECT agent_discard(%s, 'hangs')", name)
    system.discard("s")
    clean(system, "works", "hangs")
