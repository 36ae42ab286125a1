#!/usr/bin/env python3
"""How long agent_branch_create() and agent_merge() take with a million finished sessions on record.

A million sessions, each with a migration and every third with a merge, are written as history. Then
rounds of 200 sessions in ten projects are made, awaited and merged against an emulator with engine
memory, with the worker at work on them. Each call is a transaction of its own, and is followed by a
plain INSERT of a row as wide, which says what this machine needs for a transaction at that moment.
Prints medians and 99th percentiles; fails when a call's is over 2 ms and over twice the INSERT's.
"""
import os
import statistics
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "tests", "lib"))

# pylint: disable=wrong-import-position
from cluster import Cluster  # noqa: E402
from emulator import Emulator  # noqa: E402
from host import wait_until  # noqa: E402
from rounds import PROJECTS, SESSIONS, emulator_options  # noqa: E402
from system import System, settings_for  # noqa: E402

HISTORY = int(os.environ.get("HISTORY", "1000000"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
TARGET_MS = 2
TARGET_RATIO = 2

PAST = """
SET session_replication_role = replica;
WITH past AS (
  INSERT INTO agent_branch.session (project_id, name, owner, branch_name, state, settled,
    created_at, state_changed_at, expires_at, finished_at, installation_id)
  SELECT (SELECT min(id) FROM agent_branch.project) + n % 10, 'past-' || n, 'postgres',
    'branch-for-revision-past-' || n, 'merged', true, t, t, t + '1 day', t,
    (SELECT id FROM agent_branch.installation)
  FROM (SELECT n, now() - n * interval '10 s' AS t FROM generate_series(1, {count}) AS n) AS n
  RETURNING id),
migrations AS (
  INSERT INTO agent_branch.migration (session_id, ordinal, sql, status)
  SELECT id, 1, 'CREATE TABLE of_the_past (id bigint)', 'applied' FROM past)
INSERT INTO agent_branch.merge (id, session_id, strategy, on_drift, status)
SELECT -id, id, 'auto', 'fail', 'merged' FROM past WHERE id % 3 = 0;
RESET session_replication_role;
CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, project text,
  at timestamptz DEFAULT now(), body text);
VACUUM ANALYZE;
"""


class Timed:
    """Statements over one connection, and how many milliseconds each took."""

    def __init__(self, system):
        self.connection = system.connect()
        self.cursor = self.connection.cursor()
        self.times = {}

    def run(self, what, sql, *values):
        began = time.perf_counter()
        self.cursor.execute(sql, values)
        self.times.setdefault(what, []).append((time.perf_counter() - began) * 1000)

    def plain(self):
        self.run("plain INSERT", "INSERT INTO plain (name, project, body) VALUES (%s, %s, %s)",
                 "a session's name", PROJECTS[0], "x" * 200)


def one_round(system, timed, number):
    names = [(f"r{number}-{n}", PROJECTS[n % len(PROJECTS)]) for n in range(SESSIONS)]
    for name in names:
        timed.run("agent_branch_create", "SELECT agent_branch_create(%s, %s)", *name)
        timed.plain()
    unsettled = "SELECT count(*) FROM agent_branch.session WHERE finished_at IS NULL AND NOT settled"
    wait_until(lambda: not system.one(unsettled), 120, "the sessions to be ready", 0.1)
    for name, project in names:
        timed.run("agent_merge", "SELECT agent_merge(%s, project => %s)", name, project)
        timed.plain()
    wait_until(lambda: not system.one(unsettled), 120, "the merges", 0.1)
    system.rows("SELECT agent_discard(session, project) FROM agent_sessions "
                "WHERE finished_at IS NULL AND state NOT IN ('merged', 'merging')")
    wait_until(lambda: not system.one("SELECT count(*) FROM agent_branch.session "
                                      "WHERE finished_at IS NULL"), 120, "the end", 0.1)


def percentile(times, share):
    return sorted(times)[int(len(times) * share)]


def report(times):
    floor = times["plain INSERT"]
    slow = False
    for what, all_of_one in times.items():
        median, p99 = statistics.median(all_of_one), percentile(all_of_one, 0.99)
        ratios = f"{median / statistics.median(floor):5.1f} and {p99 / percentile(floor, 0.99):4.1f}"
        print(f"{what:20} median {median:6.2f} ms   p99 {p99:6.2f} ms   {len(all_of_one)} calls, "
              f"{ratios} times the INSERT's")
        slow = slow or p99 > max(TARGET_MS, TARGET_RATIO * percentile(floor, 0.99))
    print(f"target: p99 of at most {TARGET_MS} ms, or {TARGET_RATIO} times the INSERT's, with "
          f"{HISTORY} finished sessions")
    return 1 if slow else 0


def main():
    options = emulator_options()
    with Cluster(name="bench", settings={"shared_preload_libraries": "agent_branch",
                                         "shared_buffers": "256MB", "max_wal_size": "4GB"}
                 ) as cluster:
        cluster.psql("CREATE DATABASE branches")
        with Emulator(engine="memory", durations="zero", rate_per_minute=0, max_branches=1000,
                      fixed_uri=cluster.uri("branches"), topology=options["topology"],
                      project=options["project"],
                      arguments=("--quiet", *options["arguments"])) as emulator:
            cluster.reload(settings_for(emulator, **{
                "agent_branch.rate_limit_per_minute": 1000000,
                "agent_branch.rate_limit_burst": 10000, "agent_branch.reap_interval": 0}))
            with System(cluster, emulator, "bench") as system:
                for project in PROJECTS:
                    system.register(project, max_parallel=20)
                cluster.psql(PAST.format(count=HISTORY), database=system.database)
                timed = Timed(system)
                timed.plain()  # and what a connection does once
                timed.times.clear()
                for number in range(ROUNDS):
                    one_round(system, timed, number)
                timed.connection.close()
    return report(timed.times)


if __name__ == "__main__":
    sys.exit(main())
