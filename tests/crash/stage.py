"""Where cells of the matrix are played: real processes, one set for many cells.

A stage has a control cluster, an emulator that keeps what it does, a proxy between them, and a
database in a cluster of its own that stands for all branches, and another one that is the parent. Or, with engine postgres, branches
are clusters, and the emulator keeps nothing. A model for the fixer is there once it was asked for.
"""
import os

import host
from api_proxy import ApiProxy
from cluster import Cluster
from emulator import Emulator
from holds import HOLD_FUNCTION
from model import Model
from system import point_at, settings_for

_OPERATIONS = ("create_branch", "start_compute", "suspend_compute", "create_timeline",
               "delete_timeline")


def durations(milliseconds=20):
    """As the emulator wants them. 20: long enough for the worker to look whether they ended."""
    return ",".join(f"{name}={milliseconds}" for name in _OPERATIONS)


class Stage:
    def __init__(self, topology, engine="memory"):
        self.branches = self.parent = None
        more, fixed_uri, parent_uri = (), None, None
        if engine == "memory":
            # In a cluster of its own, so that nothing but a merge writes there.
            self.branches = Cluster(name="branches")
            self.parent = Cluster({"autovacuum": "off"}, name="parent")
            for cluster, database in ((self.branches, "fixed"), (self.parent, "parent")):
                cluster.psql(f"CREATE DATABASE {database}")
                cluster.psql(HOLD_FUNCTION, database=database)
            more, fixed_uri = ("--keep",), self.branches.uri("fixed")
            parent_uri = self.parent.uri("parent")
        self.emulator = Emulator(
            engine=engine, topology=topology, durations=durations(), max_branches=100,
            rate_per_minute=0, fixed_uri=fixed_uri, fixed_parent_uri=parent_uri,
            arguments=("--quiet", "--max-root-branches", "100", *more))
        self.proxy = ApiProxy(int(self.emulator.base.rsplit(":", 1)[1]))
        self.model = None
        # Of projects that have a key of their own.
        self.keys = os.path.join(self.emulator.directory, "keys")
        os.mkdir(self.keys, 0o700)
        host.give_to_server_user(self.keys)
        self.cluster = Cluster({**settings_for(self.emulator), "max_worker_processes": 16,
                                "agent_branch.api_url": self.proxy.url,
                                "agent_branch.api_key_directory": self.keys,
                                "agent_branch.reap_interval": 0,
                                "agent_branch.rate_limit_per_minute": 1000000,
                                "agent_branch.rate_limit_burst": 10000}, name="control")

    def configure(self, **settings):
        """Settings of agent_branch for the cells that follow; returns what they were."""
        names = {f"agent_branch.{name}": value for name, value in settings.items()}
        before = {name: self.cluster.psql(f"SHOW {name}") for name in names}
        point_at(self.cluster, self.emulator, **names,
                 **{"agent_branch.api_url": self.proxy.url})
        return {name.split(".")[1]: value for name, value in before.items()}

    def with_model(self):
        if self.model is None:
            self.model = Model(self.cluster.directory)
        return self.model

    def cut(self):
        """Ends all connections to the API and to the model. Returns how many there were."""
        return self.proxy.cut() + (self.model.proxy.cut() if self.model else 0)

    def close(self):
        self.cluster.close()
        self.proxy.close()
        if self.model:
            self.model.close()
        self.emulator.close()
        for cluster in (self.branches, self.parent):
            if cluster:
                cluster.close()
