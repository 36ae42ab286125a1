"""Where cells of the matrix are played: real processes, one set for many cells.

A stage has a control cluster, an emulator that keeps what it does, a proxy between them, and a
database in a cluster of its own that stands for all branches. Each cell is played in a World: a
control database with a worker of its own, and a Neon project of its own.
"""
import itertools

import psycopg2

from api_proxy import ApiProxy
from cluster import Cluster
from emulator import Emulator
from holds import COUNTS, HOLD_FUNCTION, make_table
from host import wait_until
from system import System, point_at, settings_for

BRANCH = "branch-for-revision-"
PARENT = "development"
_numbers = itertools.count(1)
# Long enough for the worker to look whether they have ended.
_DURATION = 20  # milliseconds
_OPERATIONS = ("create_branch", "start_compute", "suspend_compute", "create_timeline",
               "delete_timeline")


def _durations(milliseconds):
    return ",".join(f"{name}={milliseconds}" for name in _OPERATIONS)


class Stage:
    def __init__(self, topology):
        self.branches = Cluster(name="branches")
        self.branches.psql("CREATE DATABASE fixed")
        self.branches.psql(HOLD_FUNCTION, database="fixed")
        self.emulator = Emulator(
            topology=topology, durations=_durations(_DURATION), max_branches=100, rate_per_minute=0,
            fixed_uri=self.branches.uri("fixed"),
            arguments=("--keep", "--quiet", "--max-root-branches", "100"))
        self.proxy = ApiProxy(int(self.emulator.base.rsplit(":", 1)[1]))
        self.cluster = Cluster({**settings_for(self.emulator), "max_worker_processes": 16,
                                "agent_branch.api_url": self.proxy.url,
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

    def close(self):
        self.cluster.close()
        self.proxy.close()
        self.emulator.close()
        self.branches.close()


class World(System):
    def __init__(self, stage):
        self.number = next(_numbers)
        self.stage = stage
        self.table = f"applied_{self.number}"
        self.before = {}  # settings to be put back
        self.locks = []
        self.holds = 0  # triggers made
        self.branch_connection = stage.branches.connect("fixed", application_name="crash tests")
        make_table(self)
        super().__init__(stage.cluster, stage.emulator, f"world_{self.number}")
        self.rows(HOLD_FUNCTION)
        self.rows(COUNTS)
        self._make_project()
        self.register()

    def _make_project(self):
        call = self.emulator.call
        status, made = call("POST", "/projects", {"project": {"branch": {"name": "production"}}})
        assert status == 201, made
        self.project = made["project"]["id"]
        self.root = made["branch"]["id"]
        self.parent_id = self.make_branch(PARENT, endpoints=[{"type": "read_write"}])
        self.foreign = []
        self.make_foreign_branch(BRANCH + "s-of-somebody")
        self.make_foreign_branch(BRANCH + "S", annotation_value={
            "agent-branch-installation": "another", "agent-branch-session": "another"})

    def make_foreign_branch(self, name, **more):
        """One that nobody must touch."""
        self.foreign.append(self.make_branch(name, **more))
        self.foreign_before = self.foreign_branches()

    def make_branch(self, name, parent=None, **more):
        """A branch that somebody else makes; returns its id once it is there."""
        status, made = wait_until(lambda: self._unless_busy(
            "POST", "/branches", {"branch": {"name": name, "parent_id": parent or self.root},
                                  **more}), 20, "the project to be free")
        assert status == 201, made
        self.idle()
        return made["branch"]["id"]

    def delete_branch(self, name):
        path = f"/branches/{self.named(name)['id']}"
        status, answer = wait_until(lambda: self._unless_busy("DELETE", path), 20, "the project")
        assert status == 200, answer
        self.idle()

    def _unless_busy(self, method, path, body=None):
        status, answer = self.emulator.call(method, f"/projects/{self.project}{path}", body)
        return None if status in (423, 422) else (status, answer)

    def idle(self):
        wait_until(lambda: not self.at_neon()["running_operations"], 20, "operations to end")

    # --- what there is to be seen

    def register(self, project=None, **options):
        super().register(project=project or self.project, **options)

    def at_neon(self):
        return next(project for project in self.emulator.state()["projects"]
                    if project["id"] == self.project)

    def named(self, name):
        return next((branch for branch in self.at_neon()["branches"] if branch["name"] == name),
                    None)

    def foreign_branches(self):
        return [branch for branch in self.at_neon()["branches"] if branch["id"] in self.foreign]

    def effects(self):
        part = f"/projects/{self.project}/"
        status, answer = self.emulator.call("GET", "/admin/effects", base=self.emulator.base)
        assert status == 200
        return [effect for effect in answer if part in effect["path"]]

    def on_branch(self, sql, *values):
        with self.branch_connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []

    def applied(self):
        """How often each migration is to be seen in the branches' database."""
        return dict(self.on_branch(f"SELECT label, count(*) FROM {self.table} GROUP BY label"))

    # --- asking for things

    def set_durations(self, milliseconds=_DURATION):
        """Of operations that begin from now on."""
        self.emulator.config(durations=_durations(milliseconds))

    def migrate(self, name, label, sql="", state="ready"):
        """A migration that leaves its label in the table, and does something else after that."""
        self.rows("SELECT agent_migrate(%s, %s, %s)", name,
                  f"INSERT INTO {self.table} VALUES ('{label}'); {sql}", label)
        if state:
            self.settle(name, state)

    def restart_worker(self):
        pid = self.worker_runs()
        self.rows("SELECT pg_terminate_backend(%s)", pid)
        self.worker_runs(other_than=pid)

    def taken(self):
        wait_until(lambda: not self.one("SELECT count(*) FROM agent_branch.request"), 20,
                   "the requests to be taken")

    def at_rest(self, seconds=60):
        """Waits until nothing is under way any more."""
        wait_until(self._rests, seconds, "everything to be at rest")

    def _rests(self):
        try:
            return self.one("""
                SELECT NOT EXISTS (SELECT FROM agent_branch.request)
                    AND NOT EXISTS (SELECT FROM agent_branch.step WHERE status = 'intended')
                    AND NOT EXISTS (SELECT FROM agent_branch.sweep WHERE finished_at IS NULL)
                    AND NOT EXISTS (SELECT FROM agent_branch.session WHERE NOT settled)
                    AND NOT EXISTS (SELECT FROM agent_branch.session WHERE finished_at IS NULL
                        AND state IN ('merged', 'discarded', 'expired'))""")
        except psycopg2.Error:
            self.connection = None
            return False

    def tidy(self, seconds=60):
        """Waits until, on top of that, no branch is left that the worker may delete and will."""
        wait_until(lambda: self._rests() and not self._to_go(), seconds,
                   "what is left behind to be deleted")

    def _to_go(self):
        deletable = [branch["id"] for branch in self.at_neon()["branches"] if branch["deletable"]]
        return self.rows("SELECT 1 AS one FROM agent_branch.kept_branch WHERE deleted_at IS NULL AND "
                         "coalesce(keep_until <= now(), true) AND branch_id = ANY (%s)",
                         deletable) or self.at_neon()["running_operations"]

    def close(self):
        try:
            for lock in self.locks:
                lock.release()
            for name, value in self.before.items():
                self.stage.configure(**{name: value})
            super().close()
            self.idle()
            self.emulator.call("DELETE", f"/projects/{self.project}")
            self.on_branch(f"DROP TABLE {self.table}")
        finally:
            self.branch_connection.close()
