"""Many sessions at once."""
from host import wait_until

PROJECTS = [f"project-{n:02}" for n in range(10)]
SESSIONS = 200


def memory_of(pid):
    """Private kilobytes of a process."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def sessions_of_a_round(system, number):
    """Makes 200 sessions of which a part migrates, a part merges, and a part is discarded."""
    with system.connect(autocommit=False) as connection, connection.cursor() as cursor:
        for n in range(SESSIONS):
            cursor.execute("SELECT agent_branch_create(%s, %s)",
                           (f"r{number}-{n}", PROJECTS[n % len(PROJECTS)]))
        connection.commit()
        for n in range(SESSIONS):
            project = PROJECTS[n % len(PROJECTS)]
            cursor.execute("SELECT agent_migrate(%s, 'SELECT 1', project => %s)",
                           (f"r{number}-{n}", project))
        connection.commit()
    connection.close()


def finish(system):
    """Each session, once it rests, is merged or discarded; returns when all have ended."""
    def step():
        resting = system.rows(
            "SELECT id, session, project, state FROM agent_sessions AS s WHERE settled "
            "AND finished_at IS NULL AND NOT EXISTS "
            "(SELECT FROM agent_branch.request AS r WHERE r.session_id = s.id)")
        for row in resting:
            merges = row["state"] == "ready" and row["id"] % 3 == 0
            system.rows(f"SELECT agent_{'merge' if merges else 'discard'}(%s, project => %s)",
                        row["session"], row["project"])
        return not system.one("SELECT count(*) FROM agent_sessions WHERE finished_at IS NULL")
    wait_until(step, 120, "all sessions to end", interval=0.1)


def test_200_sessions_of_ten_projects_all_end_and_leave_nothing(memory_system):
    arguments = [word for project in PROJECTS[1:] for word in ("--project", project)]
    memory = memory_system(register=False, topology="flat", project=PROJECTS[0],
                           arguments=arguments)
    for project in PROJECTS:
        memory.register(project)
    used = []
    for number in range(2):
        sessions_of_a_round(memory, number)
        finish(memory)
        wait_until(lambda: all(memory.branch_names(project) == {"production", "development"}
                               for project in PROJECTS), 60, "clean-up")
        used.append(memory_of(memory.worker()))
    states = {row["state"]: row["count"] for row in memory.rows(
        "SELECT state, count(*) FROM agent_sessions GROUP BY state")}
    assert set(states) <= {"merged", "discarded"} and sum(states.values()) == 2 * SESSIONS
    assert states["merged"] >= 2 * len(PROJECTS)
    open_steps = "SELECT * FROM agent_branch.step WHERE status = 'intended'"
    wait_until(lambda: not memory.rows(open_steps), 10, "all steps to be recorded")
    assert not memory.rows("SELECT session_id FROM agent_branch.credential "
                           "WHERE session_id IS NOT NULL")
    assert used[1] - used[0] < 2048, used
