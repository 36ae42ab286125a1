"""Fixtures that the suites of whole systems share: a control cluster, and emulators of the engine
`memory`, in which every branch and the parent are one database, the fixed one.
"""
import pytest

from cluster import Cluster
from emulator import Emulator
from system import System, point_at, unique

FIXED = "fixed"


@pytest.fixture(scope="session")
def control():
    """The cluster of most tests' control databases, and of the fixed database."""
    with Cluster({"shared_preload_libraries": "agent_branch", "max_worker_processes": 12,
                  "agent_branch.reap_interval": 0,
                  "agent_branch.rate_limit_per_minute": 1000000,
                  "agent_branch.rate_limit_burst": 10000}, name="control") as cluster:
        cluster.psql(f"CREATE DATABASE {FIXED}")
        yield cluster


@pytest.fixture
def fixed_uri(control):
    return control.uri(FIXED)


@pytest.fixture
def memory_emulator(control):
    """Makes emulators with engine memory, which end with the test."""
    made = []

    def make(**options):
        options = {"durations": "zero", "max_branches": 1000, "rate_per_minute": 0,
                   "fixed_uri": control.uri(FIXED), **options}
        options["arguments"] = ("--max-root-branches", "1000", *options.get("arguments", ()))
        made.append(Emulator(engine="memory", **options))
        return made[-1]

    yield make
    for emulator in made:
        emulator.close()


@pytest.fixture
def memory_system(control, memory_emulator):
    """Makes the system of a test: an emulator with these options, a database, a worker."""
    made = []

    def make(settings=None, register=True, **options):
        emulator = memory_emulator(**options)
        point_at(control, emulator, **(settings or {}))
        system = System(control, emulator, unique("memory"))
        made.append(system)
        if register:
            system.register()
        return system

    before = dict(control.settings)
    yield make
    for system in made:
        system.close()
    control.settings = before
    control.reload()
