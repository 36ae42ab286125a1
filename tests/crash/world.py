"""What one cell of the matrix is played in: a control database with a worker of its own, and a Neon
project of its own, with others' branches in it that nobody must touch.
"""
import itertools

import psycopg2

from holds import COUNTS, HOLD_FUNCTION, make_table
from host import wait_until
from stage import durations
from system import System, query

BRANCH = "branch-for-revision-"
PARENT = "development"
_numbers = itertools.count(1)


class World(System):
    """One database stands for all branches: what is applied twice anywhere is seen there."""

    def __init__(self, stage):
        self.number = next(_numbers)
        self.stage = stage
        self.table = f"applied_{self.number}"
        self.before = {}  # settings to be put back
        self.locks = []
        self.holds = 0  # triggers made
        self.model = None
        self.trouble = None  # that lasts, of another project
        super().__init__(stage.cluster, stage.emulator, f"world_{self.number}")
        self.rows(HOLD_FUNCTION)
        self.rows(COUNTS)
        self._make_project()
        self._prepare_branches()
        self.register()
        self.row = self.one("SELECT id FROM agent_branch.project")

    def _prepare_branches(self):
        self.branches_uri = self.stage.branches.uri("fixed")
        self.parent_uri = self.stage.parent.uri("parent")
        make_table(self)

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
        return query(self.branches_uri, sql, *values)

    def on_parent(self, sql, *values):
        return query(self.parent_uri, sql, *values)

    def must_be_applied(self, row):
        """Whether this migration, of a session in this state, must be among applied()."""
        return row["status"] == "applied"

    def applied(self):
        """How often each migration is to be seen."""
        return dict(self.on_branch(f"SELECT label, count(*) FROM {self.table} GROUP BY label"))

    def replayed(self):
        """The same on the parent, where only a replay brings it; None: a restore does, too."""
        return dict(self.on_parent(f"SELECT label, count(*) FROM {self.table} GROUP BY label"))

    def unless_lost(self, condition):
        """The condition, which does not hold while the server is not there."""
        def holds_now():
            try:
                return condition()
            except psycopg2.Error:
                self.connection = None
                return False
        return holds_now

    # --- asking for things

    def begin_trouble(self, kind):
        self.trouble = kind(self)
        self.trouble.begin()

    def create(self, name, ttl=None, project=None, **options):
        return super().create(name, ttl, project or self.project, **options)

    def set_durations(self, *milliseconds):
        """Of operations that begin from now on; none: what is usual."""
        self.emulator.config(durations=durations(*milliseconds))

    def migrate(self, name, label, sql="", state="ready"):
        """A migration that leaves its label in the table, and does something else after that."""
        self.rows("SELECT agent_migrate(%s, %s, %s)", name,
                  f"INSERT INTO {self.table} VALUES ('{label}'); {sql}", label)
        if state:
            self.settle(name, state)

    def _relabel(self, label, column):
        return (f"INSERT INTO {self.table} VALUES ('half of {label}'); "
                f"UPDATE {self.table} SET label = '{label}' WHERE {column} = 'half of {label}'")

    def use_model(self, label):
        """Migrations are mended by a model, which answers with what migrate_badly() meant."""
        self.model = self.stage.with_model()
        mended = self._relabel(label, "label")
        self.model.server.play(*[mended] * 9)  # as often as it may be asked, and more
        self.before = self.stage.configure(**self.model.settings)
        wait_until(lambda: self.cluster.psql("SHOW agent_branch.fixer_key_file")
                   == self.model.settings["fixer_key_file"], 10, "the settings to be read")
        self.restart_worker()  # which might take them up too late

    def migrate_badly(self, name, label):
        """A migration that fails after a part that leaves another label."""
        self.rows("SELECT agent_migrate(%s, %s, %s)", name, self._relabel(label, "labell"), label)

    def asked(self):
        """How often the model was, in this world."""
        return len(self.model.server.requests) if self.model else 0

    def restart_worker(self):
        pid = self.worker_runs()
        self.rows("SELECT pg_terminate_backend(%s)", pid)
        self.worker_runs(other_than=pid)

    def taken(self):
        wait_until(lambda: not self.one("SELECT count(*) FROM agent_branch.request WHERE "
                                        "session_id IN (SELECT id FROM agent_branch.session "
                                        "WHERE project_id = %s)", self.row), 20,
                   "the requests to be taken")

    def at_rest(self, seconds=60):
        """Waits until nothing is under way any more."""
        wait_until(self._rests, seconds, "everything to be at rest")

    def _rests(self):
        try:
            return self.one("""
                SELECT NOT EXISTS (SELECT FROM agent_branch.request)
                    AND NOT EXISTS (SELECT FROM agent_branch.step WHERE status = 'intended'
                        AND project_id = %s)
                    AND NOT EXISTS (SELECT FROM agent_branch.sweep WHERE finished_at IS NULL
                        AND NOT %s)
                    AND NOT EXISTS (SELECT FROM agent_branch.session WHERE NOT settled
                        AND project_id = %s)
                    AND NOT EXISTS (SELECT FROM agent_branch.session WHERE finished_at IS NULL
                        AND project_id = %s AND state IN ('merged', 'discarded', 'expired'))""",
                            self.row, self.trouble is not None, self.row,
                            self.row)
        except psycopg2.Error:
            self.connection = None
            return False

    def reap(self, dry_run=False, seconds=60):
        """With trouble elsewhere, where a sweep tries for a while: until this project is seen."""
        if not self.trouble:
            super().reap(dry_run, seconds)
            return
        sweep = self.one("SELECT agent_reap(%s)", dry_run)
        wait_until(lambda: self.one(
            "SELECT count(*) FROM agent_branch.sweep_branch WHERE sweep_id = %s AND branch_id = %s",
            sweep, self.parent_id), seconds, "the project to be swept")

    def tidy(self, seconds=60):
        """Waits until, on top of that, no branch is left that the worker may delete and will."""
        wait_until(lambda: self._rests() and not self._to_go(), seconds,
                   "what is left behind to be deleted")

    def _to_go(self):
        deletable = [branch["id"] for branch in self.at_neon()["branches"] if branch["deletable"]]
        return self.at_neon()["running_operations"] or self.one(
            "SELECT count(*) FROM agent_branch.kept_branch WHERE deleted_at IS NULL AND "
            "coalesce(keep_until <= now(), true) AND branch_id = ANY (%s)", deletable)

    def end_connections(self):
        """The worker's to branches. Returns how many there were."""
        sql = ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
               "WHERE application_name = 'agent_branch'")
        return len(self.on_branch(sql)) + len(self.on_parent(sql))

    def _drop_table(self):
        for side in (self.on_branch, self.on_parent):
            side(f"DROP TABLE {self.table}, {self.table}_by_hand")

    def close(self):
        for lock in self.locks:
            lock.release()
        for name, value in self.before.items():
            self.stage.configure(**{name: value})
        if self.trouble:
            self.trouble.close()
        super().close()
        self.idle()
        self.emulator.call("DELETE", f"/projects/{self.project}")
        self._drop_table()


class RealWorld(World):
    """Branches are clusters of their own, and a merge really moves the data."""

    def _prepare_branches(self):
        status, answer = self.emulator.call(
            "GET", f"/projects/{self.project}/connection_uri?branch_id={self.parent_id}"
                   "&database_name=neondb&role_name=neondb_owner")
        assert status == 200, answer
        self.branches_uri = answer["uri"]  # of the parent, also after a restore
        self.parent_uri = self.branches_uri
        self.on_branch(f"CREATE TABLE {self.table} (label text)")

    def end_connections(self):
        uris = [self.branches_uri] + [row["uri"] for row in self.rows(
            "SELECT uri FROM agent_branch.credential WHERE session_id IS NOT NULL AND NOT pooled")]
        ended = 0
        for uri in uris:
            try:
                ended += len(query(uri, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                        "WHERE application_name = 'agent_branch'"))
            except psycopg2.OperationalError:
                pass  # a compute that is being replaced has no connections
        return ended

    def must_be_applied(self, row):
        return row["status"] == "applied" and row["state"] == "merged"

    def replayed(self):
        return None

    def _drop_table(self):
        pass  # it went with the project
