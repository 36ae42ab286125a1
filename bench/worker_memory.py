#!/usr/bin/env python3
"""Whether the worker's memory grows with the sessions that it has had.

Ten thousand sessions, two hundred at a time in ten projects, each with a migration, a third of them
merged and the others discarded, against an emulator with engine memory. Prints the worker's private
memory as it goes; fails when it is more than 2 MB above what it was after the first thousand.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "tests", "lib"))

# pylint: disable=wrong-import-position
from cluster import Cluster  # noqa: E402
from emulator import Emulator  # noqa: E402
from rounds import PROJECTS, SESSIONS, emulator_options, private_kilobytes, run_round  # noqa: E402
from system import System, settings_for  # noqa: E402

TOTAL = int(os.environ.get("SESSIONS", "10000"))
FIRST = TOTAL // 10
TARGET_KB = 2048


def measure(system):
    """Private kilobytes by the number of sessions so far."""
    used = {}
    for done in range(SESSIONS, TOTAL + 1, SESSIONS):
        run_round(system, done)
        used[done] = private_kilobytes(system.worker())
        if done % FIRST == 0:
            print(f"after {done:6} sessions {used[done] / 1024:8.2f} MB", flush=True)
    return used


def main():
    options = emulator_options()
    with Cluster(name="bench", settings={"shared_preload_libraries": "agent_branch"}) as cluster:
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
                    system.register(project)
                pid = system.worker_runs()
                used = measure(system)
                assert system.worker() == pid, "the worker was restarted"
    grown = used[max(used)] - used[FIRST]
    print(f"{'grown by':21} {grown / 1024:8.2f} MB   target: at most {TARGET_KB / 1024:.0f} MB, "
          f"from {FIRST} to {max(used)} sessions")
    return 0 if grown <= TARGET_KB else 1


if __name__ == "__main__":
    sys.exit(main())
