"""A thousand sessions at once: of 250 projects, and of one."""
import json

from host import wait_until
from rounds import private_kilobytes

SESSIONS = 1000
MOST_KILOBYTES = 26 * 1024  # 10 before the first of them; what waits costs more unoptimised
PERMANENT = {"production", "development"}
SPREAD = [f"of-many-{n:03}" for n in range(SESSIONS // 4)]


def in_one_transaction(system, sql, rows):
    with system.connect(autocommit=False) as connection, connection.cursor() as cursor:
        for row in rows:
            cursor.execute(sql, row)
        connection.commit()
    connection.close()


def ends_and_comes_back(system):
    """The worker is ended in the middle of it: at once, however much it has to do."""
    pid = system.worker()
    system.rows("SELECT pg_terminate_backend(%s)", pid)
    wait_until(lambda: not system.rows("SELECT 1 AS one FROM pg_stat_activity WHERE pid = %s", pid),
               8, "the worker to end", 0.005)
    system.worker_runs(other_than=pid)


def until_resting(system, wanted):
    """Waits until so many sessions rest; the view must answer meanwhile."""
    def resting():
        (row,) = system.rows("SELECT sessions FROM agent_worker")
        assert row["sessions"] >= 0
        return system.one("SELECT count(*) FROM agent_branch.session WHERE settled "
                          "AND finished_at IS NULL AND NOT EXISTS "
                          "(SELECT FROM agent_branch.request AS r WHERE r.session_id = session.id)"
                          ) >= wanted
    wait_until(resting, 400, f"{wanted} sessions to rest", 0.2)


def nothing_is_left(system, projects, seconds=300):
    wait_until(lambda: not system.one("SELECT count(*) FROM agent_branch.session "
                                      "WHERE finished_at IS NULL"), seconds, "all to end", 0.1)
    wait_until(lambda: all(system.branch_names(project) == PERMANENT for project in projects), 30,
               "clean-up", 0.5)
    wait_until(lambda: not system.rows("SELECT 1 AS one FROM agent_branch.step "
                                       "WHERE status = 'intended'"), 10, "the journal")
    states = {row["state"]: row["count"] for row in system.rows(
        "SELECT state, count(*) FROM agent_sessions GROUP BY state")}
    assert sum(states.values()) == SESSIONS and set(states) <= {"merged", "discarded"}, states
    # None was made twice.
    made = [json.loads(call["body"])["branch"]["name"] for call in system.calls("POST", "/branches")
            if call["path"].endswith("/branches") and call["status"] == 201]
    assert len(made) == len(set(made))
    return states


def make_system(memory_system, projects, **options):
    system = memory_system(
        register=False, topology="flat", project=projects[0],
        arguments=[word for project in projects[1:] for word in ("--project", project)])
    in_one_transaction(system, "SELECT agent_project_register(%s, options => %s)",
                       [(one, json.dumps(options)) for one in projects])
    names = [(f"s{n}", projects[n % len(projects)]) for n in range(SESSIONS)]
    in_one_transaction(system, "SELECT agent_branch_create(%s, %s)", names)
    return system, names


def test_a_thousand_sessions_of_250_projects(memory_system):
    system, names = make_system(memory_system, SPREAD)
    until_resting(system, 4)
    ends_and_comes_back(system)
    until_resting(system, SESSIONS)
    # What the burst used is given back once the worker sleeps.
    wait_until(lambda: private_kilobytes(system.worker()) < MOST_KILOBYTES, 20,
               "the worker's memory to be small", 0.5)
    merged = names[:len(SPREAD)]
    in_one_transaction(system, "SELECT agent_merge(%s, project => %s)", merged)
    ends_and_comes_back(system)
    in_one_transaction(system, "SELECT agent_discard(%s, %s)", names[len(merged):])
    assert nothing_is_left(system, SPREAD)["merged"] == len(merged)


def test_a_thousand_sessions_of_one_project(memory_system):
    system, names = make_system(memory_system, SPREAD[:1], max_parallel=20)
    finished = "SELECT count(*) FROM agent_branch.session WHERE finished_at IS NOT NULL"

    def discard_until(number):
        def step():
            system.rows("SELECT agent_discard(session) FROM agent_sessions AS s "
                        "WHERE state = 'ready' AND NOT EXISTS (SELECT FROM agent_branch.request "
                        "AS r WHERE r.session_id = s.id)")
            return system.one(finished) >= number
        wait_until(step, 60, f"{number} sessions to end")
    until_resting(system, 10)
    discard_until(300)
    ends_and_comes_back(system)
    discard_until(600)
    # The rest is given up in the queue.
    in_one_transaction(system, "SELECT agent_discard(%s, %s) WHERE EXISTS (SELECT FROM "
                       "agent_sessions WHERE session = %s AND finished_at IS NULL)",
                       [(*name, name[0]) for name in names])
    nothing_is_left(system, SPREAD[:1])
