"""Many sessions through one worker, two hundred at a time, and what the worker's memory does."""
from host import wait_until

PROJECTS = [f"project-{n:02}" for n in range(10)]
SESSIONS = 200
PERMANENT = {"production", "development"}


def private_kilobytes(pid):
    """What a process has to itself. Pages of shared memory are not counted, whoever else uses
    them."""
    total, private = 0, False
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
        for line in file:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                private = words[1].endswith("p")
            elif private and words[0] in ("Private_Clean:", "Private_Dirty:"):
                total += int(words[1])
    return total


def emulator_options():
    return {"topology": "flat", "project": PROJECTS[0],
            "arguments": tuple(word for one in PROJECTS[1:] for word in ("--project", one))}


def run_round(system, number):
    """Makes the sessions, which all migrate; a third is merged, and the others are discarded."""
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
    wait_until(lambda: _step(system), 120, "all sessions to end", interval=0.1)
    wait_until(lambda: all(system.branch_names(project) == PERMANENT for project in PROJECTS), 60,
               "clean-up", 0.1)


def _step(system):
    """Each session, once it rests, is merged or discarded. True when all have ended."""
    resting = system.rows(
        "SELECT id, session, project, state FROM agent_sessions AS s WHERE settled "
        "AND finished_at IS NULL AND NOT EXISTS "
        "(SELECT FROM agent_branch.request AS r WHERE r.session_id = s.id)")
    for row in resting:
        merges = row["state"] == "ready" and row["id"] % 3 == 0
        system.rows(f"SELECT agent_{'merge' if merges else 'discard'}(%s, project => %s)",
                    row["session"], row["project"])
    return not system.one("SELECT count(*) FROM agent_sessions WHERE finished_at IS NULL")
