"""Nobody's acknowledged write is lost, whatever is merged, by whichever strategy, and undone, while
the worker is killed at random. make merge-oracle MERGES=500 is the long run.
"""
import os
import random
import time

import psycopg2
import pytest

from cluster import Cluster
from emulator import Emulator
from host import wait_until
from lost_writes import DATABASES, TABLES, Oracle, in_database
from system import System, query, settings_for

MERGES = int(os.environ.get("AGENT_BRANCH_ORACLE_MERGES", "6"))  # in each topology
SEED = int(os.environ.get("AGENT_BRANCH_ORACLE_SEED") or 0) or random.SystemRandom().randint(1, 10 ** 6)
A_ROUND = 25  # merges into one emulator: branches that are pinned have clusters, too

STRATEGIES = ("auto", "replay", "restore", "candidate")
MIGRATIONS = (
    "ALTER TABLE orders ADD COLUMN c{n} int",
    "CREATE TABLE made_{n} (id int PRIMARY KEY); INSERT INTO made_{n} SELECT generate_series(1, 50)",
    "CREATE INDEX CONCURRENTLY orders_{n} ON orders (value)",
    "UPDATE orders SET value = value; CREATE INDEX made_index_{n} ON orders (id)",
    "CREATE VIEW view_{n} AS SELECT key FROM orders",
)


class Killer:
    """Ends the worker, gently or not, when it is about to do something."""

    def __init__(self, system, chance):
        self.system = system
        self.chance = chance
        self.kills = 0

    def maybe(self):
        if self.chance.random() > 0.5:
            return
        pid = self.system.worker()
        if pid is None:
            return
        self.kills += 1
        if self.chance.random() < 0.2:
            os.kill(pid, 9)  # the whole server recovers from that
        else:
            self.system.rows("SELECT pg_terminate_backend(%s)", pid)


def patiently(system, call, *arguments):
    """Again after the server has recovered."""
    def tried():
        try:
            return (call(*arguments),)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            if system.connection is not None:
                system.connection.close()
            return None
    return wait_until(tried, 60, "the control server to answer")[0]


def merge_one(system, oracle, killer, chance, number):
    """How it ended: the strategy that was carried out, conflict or undone."""
    # A restore needs a parent that is still: nobody writes until it is about to be sent, or longer.
    still = chance.random() < 0.4
    if still:
        oracle.pause()
    name = f"s{number}"
    patiently(system, system.create, name)
    assert patiently(system, system.wait, name, 120) == "ready", system.session(name)["error"]
    sql = chance.choice(MIGRATIONS).format(n=number)
    system.rows("SELECT agent_migrate(%s, %s)", name, f"INSERT INTO merged VALUES ('{name}')")
    system.rows("SELECT agent_migrate(%s, %s)", name, sql)
    state = patiently(system, system.wait, name, 120)
    assert state == "ready", system.session(name)["error"]
    oracle.sessions[name] = None
    strategy = chance.choice(("restore", "restore", "candidate") if still else STRATEGIES)
    patiently(system, system.rows,
              "SELECT agent_merge(%s, strategy => %s, on_drift => 'rebase', "
              "on_unrecorded => 'fail')", name, strategy)
    if still:
        time.sleep(chance.choice((0, 0.05, 0.3, 1)))  # at any moment of the merge
        oracle.resume()
    killer.maybe()
    state = patiently(system, system.wait, name, 180)
    merge = patiently(system, system.rows, "SELECT * FROM agent_merges WHERE session = %s "
                      "ORDER BY requested_at DESC", name)[0]
    oracle.sessions[name] = state == "merged"
    if state != "merged":
        assert state == "conflict", (state, merge)
        patiently(system, system.rows, "SELECT agent_discard(%s)", name)
        assert patiently(system, system.wait, name, 120) == "discarded"
        return "conflict"
    if merge.get("undo_until") is not None and chance.random() < 0.4:
        patiently(system, system.rows, "SELECT agent_merge_undo(%s)", name)
        killer.maybe()
        patiently(system, system.wait, name, 180)
        merge = patiently(system, system.rows, "SELECT * FROM agent_merges WHERE session = %s "
                          "ORDER BY requested_at DESC", name)[0]
        assert merge["undo_status"] in ("undone", "refused"), merge
        if merge["undo_status"] == "undone":
            oracle.sessions[name] = False
            return "undone"
    return merge["chosen"]


@pytest.mark.parametrize("topology", ["flat", "lineage"])
def test_no_acknowledged_write_is_lost(topology):
    counts = {}
    seed = SEED
    left = MERGES
    while left > 0:
        chance = random.Random(seed)
        with Emulator(engine="postgres", topology=topology, max_branches=1000, rate_per_minute=0,
                      durations="zero",
                      arguments=("--max-root-branches", "1000", "--suspend-after", "5")) as emulator, \
                Cluster(settings_for(emulator, **{"agent_branch.reap_interval": 0,
                                                  "agent_branch.rate_limit_per_minute": 1000000,
                                                  "agent_branch.rate_limit_burst": 10000}),
                        name="oracle") as cluster, System(cluster, emulator) as system:
            system.register(undo_window="1 hour")
            system.create("uri")
            assert system.wait("uri", 120) == "ready"
            uri = system.uri("uri", "parent")
            system.discard("uri", state=None)
            query(uri, f"CREATE DATABASE {DATABASES[1]}")
            for database in DATABASES:
                query(in_database(uri, database), TABLES)
            oracle = Oracle(uri, seed)
            killer = Killer(system, chance)
            oracle.start()
            try:
                for number in range(min(left, A_ROUND)):
                    how = merge_one(system, oracle, killer, chance, number)
                    counts[how] = counts.get(how, 0) + 1
            finally:
                oracle.stop()
            faults = oracle.faults()
            told = system.rows("SELECT session, checked, reason FROM agent_merges "
                               "WHERE checked ->> 'same' = 'false'")
            counts["told"] = counts.get("told", 0) + len(told)
            assert not faults or told, f"seed {seed}, {topology}: {faults[:10]}"
            assert oracle.acknowledged > 20
            counts["acknowledged"] = counts.get("acknowledged", 0) + oracle.acknowledged
            counts["kills"] = counts.get("kills", 0) + killer.kills
            print(f"{topology}, seed {seed}: {counts}", flush=True)
        left -= A_ROUND
        seed += 1
