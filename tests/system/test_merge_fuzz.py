"""Random changes of both sides, merged: the verdict is held against both orders, run on a database.
make merge-fuzz CASES=1000 is the long run.

What is merged must run in both orders and give the same schema, and the parent must hold what its
own changes and then the session's give, row by row. What is refused though it would have gone is
counted: it is a price, and no fault.
"""
import collections
import concurrent.futures
import os
import random

import psycopg2
import pytest

from cluster import Cluster
from merge_cases import Case, difference, look
from system import System, query

CASES = int(os.environ.get("AGENT_BRANCH_FUZZ_CASES", "12"))
# Of `make check`; the long run chooses its own. What a run found is held by a test of its own, since a
# seed stands for another case when a kind of statement is added.
SEED = int(os.environ.get("AGENT_BRANCH_FUZZ_SEED", "282801") or 0) or \
    random.SystemRandom().randint(1, 10 ** 6)
AT_ONCE = 3
ROWS = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")


@pytest.fixture(scope="module")
def scratch():
    with Cluster({"autovacuum": "off", "fsync": "off"}, name="scratch") as cluster:
        cluster.psql("CREATE ROLE neondb_owner SUPERUSER LOGIN")
        cluster.psql("CREATE DATABASE scratch OWNER neondb_owner")
        uri = cluster.uri("scratch")
        yield uri.replace("postgres@", "neondb_owner@", 1)


def patiently(uri, sql):
    """Others look at the schema while it is changed, and PostgreSQL may choose this one to fail."""
    for _ in range(20):
        try:
            return query(uri, sql)
        except (psycopg2.errors.DeadlockDetected, psycopg2.errors.LockNotAvailable):
            continue
    raise AssertionError(f"deadlocks without an end: {sql}")


def play(real, parent, scratch, seed):
    """What became of one case: (verdict, explanation); an explanation of 'merged' is a fault."""
    case = Case(seed, scratch)
    system = System.__new__(System)  # the same database over a connection of its own
    system.__dict__.update(real.__dict__)
    system.connection = None
    name = f"case-{seed}"
    try:
        theirs_first = case.outcome(case.theirs, case.ours)
        ours_first = case.outcome(case.ours, case.theirs)
        # Their writes of rows were acknowledged before: nobody can have them run after.
        changes = [one for one in case.theirs if not one.startswith(ROWS)]
        other_order = case.outcome(case.ours, changes)
        patiently(parent, case.base)
        system.create(name)
        assert system.wait(name, 120) == "ready", system.session(name)
        system.rows("SELECT agent_migrate(%s, %s)", name, ";\n".join(case.ours))
        state = system.wait(name, 120)
        if state != "ready":
            return "not migrated", None
        for statement in case.theirs:
            patiently(parent, statement)
        before = look(parent, case.schema)
        system.rows("SELECT agent_merge(%s, strategy => 'replay', on_drift => 'rebase')", name)
        state = system.wait(name, 120)
        after = look(parent, case.schema)
        story = "\n".join([f"seed {seed}, ours:", *case.ours, "theirs:", *case.theirs])
        if state == "merged":
            if after != theirs_first:
                return "merged", f"{story}\nis not theirs, then ours:\n" + \
                    difference(theirs_first, after)
            if isinstance(other_order, str) or other_order[0] != theirs_first[0]:
                return "merged", f"{story}\nthe orders differ:\n" + \
                    difference(other_order, theirs_first)
            return "merged", None
        assert state == "conflict", system.session(name)
        if after != before:
            return "refused", f"{story}\nwas refused, and changed:\n{difference(before, after)}"
        goes = not isinstance(ours_first, str) and ours_first == theirs_first
        why = system.session(name)["error"].splitlines()[0]
        for row in system.rows("SELECT object, depends_on FROM agent_conflicts WHERE session = %s "
                               "AND depends_on IS NOT NULL LIMIT 1", name):
            why += f" ({row['object']} on {row['depends_on']})".replace(case.schema, "s")
        return ("refused though it goes: " + why if goes else "refused rightly"), None
    finally:
        if system.connection is not None:
            system.rows("SELECT agent_discard(session) FROM agent_sessions WHERE session = %s "
                        "AND finished_at IS NULL", name)
            system.connection.close()
        patiently(parent, f"DROP SCHEMA IF EXISTS {case.schema} CASCADE")
        case.close()


@pytest.mark.parametrize("real_emulator", ["flat"], indirect=True)
def test_no_merge_is_accepted_falsely(real, scratch):
    real.create("uri")
    assert real.wait("uri", 120) == "ready"
    parent = real.uri("uri", "parent")
    real.discard("uri", state=None)
    counts, faults = collections.Counter(), []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        played = [pool.submit(play, real, parent, scratch, SEED + number)
                  for number in range(CASES)]
        for done in concurrent.futures.as_completed(played):
            verdict, fault = done.result()
            counts[verdict] += 1
            if CASES >= 50:
                print(f"{sum(counts.values())}: {verdict}", flush=True)
            if fault:
                faults.append(fault)
                print(fault, flush=True)
    print(f"seed {SEED}: {dict(counts)}", flush=True)
    assert not faults, f"{len(faults)} of {CASES}:\n" + "\n\n".join(faults[:5])
