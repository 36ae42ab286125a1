"""A thousand agents at once under Neon's published limits: 700 calls a minute, bursts of 40 a route,
one running change a project, 20 active computes of a project; ten times as fast.

Each creates a branch, connects, runs 48 statements there and gives it up, as in the published run of a
thousand workers of which 172 finished. Beside ours, a client that backs off by itself gets as long as
ours took.
"""
import json
import os
import statistics

from stage import Row, stage

SCALE = 10
AGENTS = int(os.environ.get("AGENTS", "1000"))
PROJECTS = 10
DURATIONS = {"create_branch": 50, "start_compute": 200, "suspend_compute": 30, "create_timeline": 80,
             "delete_timeline": 30, "response": 20}
WORK = {"work": "SELECT count(*) FROM bench", "work_times": 48}


def _place():
    return stage(projects=PROJECTS, register={"max_parallel": 18}, durations=DURATIONS,
                 rate_per_minute=700 * SCALE, arguments=("--rate-burst", str(40 * SCALE), "--lock", "project"),
                 settings={"agent_branch.rate_limit_per_minute": 700 * SCALE,
                           "agent_branch.rate_limit_burst": 40 * SCALE,
                           "agent_branch.active_compute_limit": 20})


def _calls(place):
    met = place.emulator.requests()
    useful = [one for one in met if one["method"] != "GET" and 200 <= one["status"] < 300]
    return len(met), len(useful)


def least_seconds(useful):
    """The API takes so many calls a minute, beyond a first burst, and of each project one change at a
    time: a create with its compute's start, and a delete."""
    by_rate = useful / (700 * SCALE / 60)
    one = (DURATIONS["create_branch"] + DURATIONS["start_compute"] + DURATIONS["delete_timeline"]) / 1000
    return max(by_rate, AGENTS / PROJECTS * one)


def thousand():
    with _place() as place:
        ours = place.client("ours", projects=place.projects, sessions=AGENTS, parallel=400, prefix="o",
                            give_up_s=900, **WORK)
        calls, useful = _calls(place)
    finished = [one for one in ours["sessions"] if not one["error"]]
    seconds = ours["makespan_ms"] / 1000
    least = least_seconds(useful)
    waited = sorted(one["ready_ms"] / 1000 for one in finished) or [0]
    with _place() as place:
        naive = place.client("floor", projects=place.projects, sessions=AGENTS, parallel=400, prefix="f",
                             give_up_s=max(1, int(seconds)), attempts=8, poll_ms=100, **WORK)
        naive_calls, naive_useful = _calls(place)
    completed = sum(not one["error"] for one in naive["sessions"])
    share = useful / max(calls, 1)
    return [
        Row(f"{AGENTS} agents at once under Neon's limits, ten times as fast: completed", f"{len(finished)}",
            f"each client backs off alone: {completed}", "", f"{AGENTS}", len(finished) == AGENTS,
            numbers={"ours": len(finished), "naive": completed}),
        Row("elapsed of these, over the least possible", f"{seconds:.1f} s", f"least {least:.1f} s",
            f"{seconds / least:.2f}", "≤ 1.1", seconds / least <= 1.1,
            numbers={"ours": seconds, "least": least, "p50": statistics.median(waited),
                     "p99": waited[int(len(waited) * 0.99)]}),
        Row("share of useful calls of these, calls a session", f"{share:.0%}, {calls / AGENTS:.1f}",
            f"each alone: {naive_useful / max(naive_calls, 1):.0%}, {naive_calls / AGENTS:.1f}", "", "≥ 50 %",
            share >= 0.5, numbers={"ours": share, "naive": naive_useful / max(naive_calls, 1)})]


if __name__ == "__main__":
    print(json.dumps([row.__dict__ for row in thousand()], indent=1))
