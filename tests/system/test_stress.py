"""Many sessions, one after another: nothing is left of them, not in the worker's memory either."""
from host import wait_until
from rounds import PROJECTS, SESSIONS, emulator_options, private_kilobytes, run_round

WARM = 2  # rounds until caches and pools are what they stay
ROUNDS = 5


def test_sessions_of_ten_projects_all_end_and_leave_nothing(memory_system):
    memory = memory_system(register=False, **emulator_options())
    for project in PROJECTS:
        memory.register(project, on_unrecorded="drop")
    used = []
    for number in range(ROUNDS):
        run_round(memory, number)
        used.append(private_kilobytes(memory.worker()))
    states = {row["state"]: row["count"] for row in memory.rows(
        "SELECT state, count(*) FROM agent_sessions GROUP BY state")}
    assert set(states) <= {"merged", "discarded"} and sum(states.values()) == ROUNDS * SESSIONS
    assert states["merged"] >= ROUNDS * len(PROJECTS)
    open_steps = "SELECT * FROM agent_branch.step WHERE status = 'intended'"
    wait_until(lambda: not memory.rows(open_steps), 10, "all steps to be recorded")
    assert not memory.rows("SELECT session_id FROM agent_branch.credential "
                           "WHERE session_id IS NOT NULL")
    assert used[-1] - used[WARM - 1] < 1024, used
