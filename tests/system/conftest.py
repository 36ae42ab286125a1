"""Fixtures of the system tests.

`memory`: engine memory, an emulator for each test; every branch and the parent are one database,
the fixed one, so migrations change rows or what differs does is drift. `postgres`, in both
topologies: real branches; the emulator is shared by a module.
"""
import pytest

from cluster import Cluster
from emulator import Emulator
from memory_systems import (control, fixed_uri, memory_emulator,  # noqa: F401
                            memory_system)
from system import System, point_at, settings_for, unique


@pytest.fixture(scope="session")
def still_parent():
    """A database of a cluster where nobody writes: for merges by restore of the engine memory."""
    with Cluster({"autovacuum": "off"}, name="parent") as cluster:
        cluster.psql("CREATE DATABASE parent")
        yield cluster.uri("parent")


@pytest.fixture
def memory(memory_system):
    return memory_system()


@pytest.fixture(scope="module", params=["lineage", "flat"])
def real_emulator(request):
    with Emulator(engine="postgres", topology=request.param, max_branches=1000,
                  rate_per_minute=0, durations="zero",
                  arguments=("--max-root-branches", "1000", "--suspend-after", "5")) as emulator:
        emulator.topology = request.param
        yield emulator


@pytest.fixture
def real(control, real_emulator):
    """A system whose branches are clusters."""
    real_emulator.clear_faults()
    point_at(control, real_emulator)
    with System(control, real_emulator, unique("real")) as system:
        system.register()
        yield system


@pytest.fixture
def own_cluster(memory_emulator):
    """Makes a system with a cluster of its own, for tests that break it."""
    made = []

    def make(settings=None, start=True, **options):
        emulator = memory_emulator(**options)
        cluster = Cluster(settings_for(emulator, **(settings or {})), name="own", start=start)
        made.append(cluster)
        return System(cluster, emulator, extension=start)

    yield make
    for cluster in made:
        cluster.close()
