"""What merges leave in a project of ten branches: nothing by replay, two branches by restore; and the
way out of a chain that is full, as docs/merging.md and the hint tell it.
"""
import subprocess

import pytest

from emulator import Emulator
from host import wait_until
from system import PROJECT, System, point_at, query, unique


@pytest.fixture
def small(control):
    """A project of ten branches, where a restored parent hangs under what it was restored from."""
    with Emulator(engine="postgres", topology="lineage", max_branches=10, rate_per_minute=0,
                  durations="zero", arguments=("--suspend-after", "5")) as emulator:
        point_at(control, emulator)
        with System(control, emulator, unique("small")) as system:
            yield system


def merge(system, name, strategy):
    system.ready(name)
    system.migrate(name, f"CREATE TABLE {unique('made')} ()")
    system.rows("SELECT agent_merge(%s, strategy => %s)", name, strategy)
    return system.wait(name, 60)


def branch_id(system, name):
    return system.branch(name)["id"]


def test_a_chain_that_is_full_is_got_out_of_as_the_hint_says(small):
    system = small
    system.register(max_pinned=2)
    for number in range(6):  # twice as many as there would be places for
        assert merge(system, f"r{number}", "replay") == "merged"
    assert len(system.branch_names()) == 2, system.branch_names()
    assert merge(system, "one", "restore") == "merged"
    wait_until(lambda: len(system.branch_names()) == 4, 20, "the restore's two branches")
    wait_until(lambda: merge(system, unique("full"), "restore") == "conflict", 60,
               "the chain to be full")
    (refused,) = system.rows("SELECT session, error, hint FROM agent_sessions "
                             "WHERE state = 'conflict'")
    assert "max_pinned" in refused["error"] and "agent_project_register()" in refused["hint"]
    # 1. What is left is merged by replay.
    system.merge(refused["session"], strategy="replay")
    system.ready("uri")
    old = system.uri("uri", "parent")
    system.discard("uri")
    query(old, "CREATE TABLE orders AS SELECT 7 AS id")
    # 2. A new development below production, with the present schema and rows.
    status, made = system.emulator.call("POST", f"/projects/{PROJECT}/branches", {
        "branch": {"name": "development-2", "parent_id": branch_id(system, "production")},
        "endpoints": [{"type": "read_write"}]})
    assert status == 201, made
    new = made["connection_uris"][0]["connection_uri"]
    for kind in ("DROP SCHEMA public CASCADE; CREATE SCHEMA public",):
        wait_until(lambda sql=kind: _tried(new, sql), 30, "the new development")
    dump = subprocess.run([f"{system.cluster.bindir}/pg_dump", "-O", "-x", old],
                          capture_output=True, text=True, check=True, timeout=60).stdout
    subprocess.run([f"{system.cluster.bindir}/psql", "-Xq", "-v", "ON_ERROR_STOP=0", new],
                   input=dump, text=True, check=True, timeout=60, capture_output=True)
    # 3. The project has it for its parent.
    wait_until(lambda: not system.rows("SELECT 1 AS one FROM agent_sessions "
                                       "WHERE finished_at IS NULL"), 30, "no open session")
    system.register(parent="development-2", max_pinned=2)
    # 4. The old one goes, and with it the chain.
    status, answer = system.emulator.call(
        "DELETE", f"/projects/{PROJECT}/branches/{branch_id(system, 'development')}")
    assert status == 200, answer

    def only_the_new():
        system.reap()
        return system.branch_names() == {"production", "development-2"}
    wait_until(only_the_new, 60, "the chain to be deleted")
    assert merge(system, "after", "restore") == "merged"
    assert query(new, "SELECT id FROM orders") == [(7,)]


def _tried(uri, sql):
    try:
        query(uri, sql)
        return True
    except Exception:  # pylint: disable=broad-except
        return False
