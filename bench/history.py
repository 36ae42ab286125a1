"""What a long life does to it: calls with a million finished sessions on record, and the worker's memory
after ten thousand."""
import os
import statistics
import time

from rounds import PROJECTS, SESSIONS, emulator_options, private_kilobytes, run_round
from stage import UNLIMITED, Cluster, Emulator, Row, System, host, settings_for

PAST = """
SET session_replication_role = replica;
WITH past AS (
  INSERT INTO agent_branch.session (project_id, name, owner, branch_name, state, settled,
    created_at, state_changed_at, expires_at, finished_at, installation_id)
  SELECT (SELECT min(id) FROM agent_branch.project) + n % 10, 'past-' || n, 'postgres'::regrole,
    'branch-for-revision-past-' || n, 'merged', true, t, t, t + '1 day', t,
    (SELECT id FROM agent_branch.installation)
  FROM (SELECT n, now() - n * interval '5 s' AS t FROM generate_series(1, {count}) AS n) AS n
  RETURNING id),
migrations AS (
  INSERT INTO agent_branch.migration (session_id, ordinal, status)
  SELECT id, 1, 'applied' FROM past RETURNING id),
attempts AS (
  INSERT INTO agent_branch.migration_attempt (migration_id, number, sql, status)
  SELECT id, 1, 'CREATE TABLE of_the_past (id bigint)', 'applied' FROM migrations)
INSERT INTO agent_branch.merge (id, session_id, strategy, on_drift, status)
SELECT -id, id, 'auto', 'fail', 'merged' FROM past WHERE id % 3 = 0;
RESET session_replication_role;
CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, project text,
  at timestamptz DEFAULT now(), body text);
VACUUM ANALYZE;
"""
VIEWS = ("SELECT * FROM agent_sessions LIMIT 20", "SELECT * FROM agent_sessions WHERE NOT settled",
         "SELECT * FROM agent_events LIMIT 20", "SELECT * FROM agent_worker", "SELECT * FROM agent_metrics()")


class Timed:
    """Statements over one connection, and how many milliseconds each took."""

    def __init__(self, system):
        self.connection = system.connect()
        self.cursor = self.connection.cursor()
        self.times = {}

    def run(self, what, sql, *values):
        began = time.perf_counter()
        self.cursor.execute(sql, values or None)
        self.times.setdefault(what, []).append((time.perf_counter() - began) * 1000)

    def plain(self):
        self.run("plain INSERT", "INSERT INTO plain (name, project, body) VALUES (%s, %s, %s)",
                 "a session's name", PROJECTS[0], "x" * 200)


def _one_round(system, timed, number):
    names = [(f"r{number}-{n}", PROJECTS[n % len(PROJECTS)]) for n in range(SESSIONS)]
    for name in names:
        timed.run("agent_branch_create()", "SELECT agent_branch_create(%s, %s)", *name)
        timed.plain()
    unsettled = "SELECT count(*) FROM agent_branch.session WHERE finished_at IS NULL AND NOT settled"
    host.wait_until(lambda: not system.one(unsettled), 300, "the sessions to be ready", 0.1)
    for name, project in names:
        timed.run("agent_merge()", "SELECT agent_merge(%s, project => %s)", name, project)
        timed.plain()
    host.wait_until(lambda: not system.one(unsettled), 300, "the merges", 0.1)
    system.rows("SELECT agent_discard(session, project) FROM agent_sessions "
                "WHERE finished_at IS NULL AND state NOT IN ('merged', 'merging')")
    host.wait_until(lambda: not system.one("SELECT count(*) FROM agent_branch.session "
                                           "WHERE finished_at IS NULL"), 300, "the end", 0.1)


def _p99(times):
    return sorted(times)[int(len(times) * 0.99)]


def _system(cluster, settings=None):
    """An emulator and a system whose ten projects' branches are one database."""
    cluster.psql("CREATE DATABASE branches")
    options = emulator_options()
    emulator = Emulator(engine="memory", durations="zero", rate_per_minute=0, max_branches=1000,
                        fixed_uri=cluster.uri("branches"), topology=options["topology"], project=options["project"],
                        arguments=("--quiet", *options["arguments"]))
    cluster.reload(settings_for(emulator, **UNLIMITED, **(settings or {})))
    return emulator, System(cluster, emulator, "bench")


def call_latency():
    """Each call is a transaction of its own, and is followed by a plain INSERT of a row as wide, which
    says what this machine needs for a transaction at that moment."""
    count = int(os.environ.get("HISTORY", "1000000"))
    rounds = int(os.environ.get("ROUNDS", "3"))
    with Cluster(name="bench", settings={"shared_preload_libraries": "agent_branch", "shared_buffers": "256MB",
                                         "max_wal_size": "4GB"}) as cluster:
        emulator, system = _system(cluster)
        with emulator, system:
            for project in PROJECTS:
                system.register(project, max_parallel=20)
            cluster.psql(PAST.format(count=count), database=system.database)
            timed = Timed(system)
            timed.plain()  # and what a connection does once
            timed.times.clear()
            for number in range(rounds):
                _one_round(system, timed, number)
            for _ in range(20):
                for view in VIEWS:
                    timed.run(view, view)
            timed.connection.close()
    floor = timed.times.pop("plain INSERT")
    rows = []
    for what, times in timed.times.items():
        is_call = not what.startswith("SELECT")
        shown = what if is_call else what.replace("SELECT * FROM ", "")
        ms = _p99(times) if is_call else statistics.median(times)
        # A busy machine's transactions have the last word.
        held = ms <= max(2, 2 * _p99(floor)) if is_call else None
        rows.append(Row(f"{shown} with {count} finished sessions: {'p99' if is_call else 'median'}", f"{ms:.2f} ms",
                        f"plain INSERT {_p99(floor):.2f} ms" if is_call else "",
                        f"{ms / _p99(floor):.1f}" if is_call else "",
                        "≤ 2 ms, or twice the INSERT" if is_call else "", held, numbers={"ms": ms}))
    return rows


def worker_memory():
    total = int(os.environ.get("SESSIONS", "10000"))
    with Cluster(name="bench", settings={"shared_preload_libraries": "agent_branch"}) as cluster:
        emulator, system = _system(cluster)
        with emulator, system:
            for project in PROJECTS:
                system.register(project)
            pid = system.worker_runs()
            used = {}
            for done in range(SESSIONS, total + 1, SESSIONS):
                run_round(system, done)
                used[done] = private_kilobytes(system.worker()) / 1024
            if system.worker() != pid:
                raise AssertionError("the worker was restarted")
    first = total // 10
    grown = used[max(used)] - used[first]
    return [Row(f"the worker's memory after {max(used)} sessions, over that after {first}",
                f"{used[max(used)]:.1f} MB", f"after {first}: {used[first]:.1f} MB", f"+{grown:.2f} MB", "≤ 2 MB more",
                grown <= 2, numbers={str(key): value for key, value in used.items()})]
