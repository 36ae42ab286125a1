"""What a system test holds in its hands: a control database with the extension, and an emulator.

Each test gets a database of its own, with a worker of its own. Clusters and emulators with real
clusters behind them are shared where a test does not break them, because they cost seconds.
"""
import itertools
import json
import select
import time

import psycopg2
import psycopg2.extras

from host import wait_until

PROJECT = "shiny-wind-028834"
FINAL = ("merged", "discarded", "expired")
_numbers = itertools.count(1)


def unique(word):
    """A name that no other test uses: for tables in databases that tests share."""
    return f"{word}_{next(_numbers)}"


def settings_for(emulator, **more):
    """Of a cluster whose workers are to talk to this emulator."""
    settings = {"shared_preload_libraries": "agent_branch",
                "max_worker_processes": 12,
                "agent_branch.api_url": emulator.url,
                "agent_branch.api_key_file": emulator.key_file}
    return {**settings, **more}


def point_at(cluster, emulator, **more):
    """Makes the cluster's workers, those to come too, talk to this emulator."""
    cluster.reload({"agent_branch.api_url": emulator.url,
                    "agent_branch.api_key_file": emulator.key_file, **more})
    url = cluster.settings["agent_branch.api_url"]
    wait_until(lambda: cluster.psql("SHOW agent_branch.api_url") == url, 10,
               "the server to read its settings")


class System:
    def __init__(self, cluster, emulator, database=None, extension=True):
        """database: made here, and dropped by close(); None: postgres, which stays."""
        self.cluster = cluster
        self.emulator = emulator
        self.database = database or "postgres"
        self.made = database is not None
        self.connection = None
        if self.made:
            cluster.psql(f'CREATE DATABASE "{database}" TEMPLATE template0 STRATEGY file_copy')
        if extension:
            cluster.psql("CREATE EXTENSION agent_branch", database=self.database)

    # --- SQL

    def connect(self, **options):
        return self.cluster.connect(self.database, **options)

    def rows(self, sql, *values):
        """The rows as dicts. In autocommit, over one connection that is made again when lost."""
        if self.connection is None or self.connection.closed:
            self.connection = self.connect()
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(sql, values or None)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def one(self, sql, *values):
        """The only value."""
        (row,) = self.rows(sql, *values)
        (value,) = row.values()
        return value

    def refused(self, sql, *values):
        """The error that this must raise."""
        try:
            self.rows(sql, *values)
        except psycopg2.Error as error:
            return error
        raise AssertionError(f"no error: {sql}")

    # --- the functions under test

    def register(self, project=PROJECT, parent="development", database="neondb",
                 role="neondb_owner", **options):
        self.rows("SELECT agent_project_register(%s, %s, %s, %s, %s)", project, parent, database,
                  role, json.dumps(options))

    def create(self, name, ttl=None, project=None, **options):
        return self.one("SELECT agent_branch_create(%s, %s, %s::interval, %s)", name, project, ttl,
                        json.dumps(options))

    def wait(self, name, seconds=20, project=None):
        return self.one("SELECT agent_wait(%s, %s::interval, %s)", name, f"{seconds} s", project)

    def ready(self, name, **options):
        self.create(name, **options)
        self.settle(name, "ready", project=options.get("project"))

    def settle(self, name, state, seconds=20, project=None):
        settled = self.wait(name, seconds, project)
        assert settled == state, f"{name} is {settled}: {self.session(name)['error']}"

    def migrate(self, name, sql, state="ready"):
        self.rows("SELECT agent_migrate(%s, %s)", name, sql)
        if state:
            self.settle(name, state)

    def merge(self, name, state="merged", **options):
        """Options: strategy, on_drift, on_unrecorded."""
        wishes = "".join(f", {key} => %s" for key in options)
        self.rows(f"SELECT agent_merge(%s{wishes})", name, *options.values())
        if state:
            self.settle(name, state)

    def ready_with_work(self, name):
        """Ready, with a migration of its own: something that there is to merge."""
        self.ready(name)
        self.migrate(name, f"CREATE TABLE {unique('work')} ()")

    def discard(self, name, state="discarded"):
        self.rows("SELECT agent_discard(%s)", name)
        if state:
            self.settle(name, state)

    def reap(self, dry_run=False, seconds=60):
        """Returns the sweep's branches by name."""
        sweep = self.one("SELECT agent_reap(%s)", dry_run)
        wait_until(lambda: self.one(
            "SELECT finished_at IS NOT NULL FROM agent_branch.sweep WHERE id = %s", sweep),
            seconds, "the sweep to finish")
        return {row["name"]: row for row in self.rows(
            "SELECT * FROM agent_branches WHERE sweep = %s", sweep)}

    def run(self, name, migrations, **options):
        return self.one("CALL agent_run(%s, %s, NULL, timeout => %s::interval)", name, migrations,
                        options.get("timeout", "60 s"))

    def uri(self, name, target="branch", pooled=False):
        return self.one("SELECT agent_connection_uri(%s, %s, %s)", name, target, pooled)

    # --- what there is to be seen

    def session(self, name):
        """The latest session of that name."""
        return self.rows("SELECT * FROM agent_sessions WHERE session = %s ORDER BY id DESC LIMIT 1",
                         name)[0]

    def state(self, name):
        return self.session(name)["state"]

    def error_with(self, name, *words, seconds=10):
        """Waits until the session shows an error with these words; returns its row."""
        def shown():
            row = self.session(name)
            text = f"{row['error']}\n{row['hint']}"
            return row if row["error"] and all(word in text for word in words) else None
        try:
            return wait_until(shown, seconds, f"an error with {words}")
        except AssertionError as error:
            row = self.session(name)
            raise AssertionError(f"{error}; state {row['state']}, error {row['error']!r}, "
                                 f"hint {row['hint']!r}") from None

    def branch(self, name, project=0):
        """The emulator's branch of that name, or None."""
        for branch in self.emulator.state()["projects"][project]["branches"]:
            if branch["name"] == name:
                return branch
        return None

    def branch_names(self, project=0):
        return self.emulator.branch_names(project)

    def calls(self, method, part, since=0):
        """The requests that the emulator met, whose path has this part."""
        return [request for request in self.emulator.requests(since)
                if request["method"] == method and part in request["path"]]

    def worker(self):
        """Its process id, or None."""
        pids = [row["pid"] for row in self.rows("SELECT pid FROM agent_worker")]
        return pids[0] if pids else None

    def worker_runs(self, other_than=None, seconds=30):
        def pid():
            found = self.worker()
            return found if found != other_than else None
        return wait_until(pid, seconds, "a worker")

    def close(self):
        if self.connection is not None:
            self.connection.close()
        if self.made and self.cluster.running:
            self.cluster.psql(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def query(uri, sql, *values):
    """Rows of a statement run over a connection URI, as tuples."""
    connection = psycopg2.connect(uri)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


class Listener:
    """Collects the payloads of NOTIFY agent_branch."""

    def __init__(self, system):
        self.connection = system.connect()
        self.payloads = []
        with self.connection.cursor() as cursor:
            cursor.execute("LISTEN agent_branch")

    def until(self, condition, seconds=10):
        """Returns all payloads so far once condition(payloads) holds."""
        end = time.monotonic() + seconds
        while not condition(self.payloads):
            left = end - time.monotonic()
            assert left > 0, f"not notified in {seconds} s; so far: {self.payloads}"
            if select.select([self.connection], [], [], left)[0]:
                self.connection.poll()
                while self.connection.notifies:
                    self.payloads.append(json.loads(self.connection.notifies.pop(0).payload))
        return self.payloads

    def close(self):
        self.connection.close()
