"""Where the demo plays: a control database in a throwaway cluster, and the emulator in Neon's place.

Both are made by the helpers of the tests. Everybody works through psql, as a user would; the stage
knows every psql that runs, so that none outlives the demo.
"""
import os
import shutil
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests", "lib"))

import host  # noqa: E402
from cluster import Cluster  # noqa: E402
from emulator import Emulator  # noqa: E402

PROJECT = "shiny-wind-028834"
PARENT = "development"
DATABASE = "platform"
MAX_PARALLEL = 4
MAX_AGE_SECONDS = 10
# About what Neon takes.
DURATIONS = {"create_branch": 400, "start_compute": 850, "suspend_compute": 200,
             "create_timeline": 600, "delete_timeline": 300, "apply_config": 300, "response": 60}

_FIELD, _RECORD = "\x1f", "\x1e"


class Trouble(Exception):
    """Something that the demo cannot go on from, in words for the person who watches."""


class Stopped(BaseException):
    """Somebody wants the demo to end now."""


def sql_file(name):
    with open(os.path.join(HERE, "sql", name + ".sql"), encoding="utf-8") as file:
        return file.read().strip()


def _how(status):
    return f"killed by signal {-status}" if status < 0 else f"with status {status}"


class Stage:
    def __init__(self, topology):
        self.topology = topology
        self.emulator = None
        self.cluster = None
        self.lost = None  # which server has ended by itself, in words
        self.ending = threading.Event()
        self._psqls = set()
        self._lock = threading.Lock()
        try:
            self.psql_program = os.path.join(host.pg_bindir(), "psql")
        except OSError:
            raise Trouble("There is no pg_config: install PostgreSQL with `make deps` as root, or "
                          "name the PostgreSQL to use in PG_CONFIG.") from None

    def build(self):
        if not os.path.exists(os.path.join(host.BUILD, "neon-emulator")):
            raise Trouble("The emulator is not built yet: run `make`, or let `make demo` do it.")
        self.emulator = Emulator(engine="postgres", topology=self.topology, durations=DURATIONS,
                                 project=PROJECT, start=False)
        self.emulator.start()
        try:
            # No TCP: a database that trusts everybody is reached through its own folder only.
            self.cluster = Cluster({
                "listen_addresses": "",
                "shared_preload_libraries": "agent_branch",
                "agent_branch.api_url": self.emulator.url,
                "agent_branch.api_key_file": self.emulator.key_file,
                "agent_branch.max_age": f"{MAX_AGE_SECONDS}s",
            }, name="demo", start=False)
            self.cluster.start()
        except AssertionError as error:
            if 'could not access file "agent_branch' in str(error):
                raise Trouble("The extension is not installed in this PostgreSQL: run "
                              "`make install` as root, or let `make demo` do it.") from None
            raise
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        """Nobody is to wait for what a server that is gone would have to answer."""
        servers = {"The emulator": self.emulator, "The control database's server": self.cluster}
        while not self.ending.wait(0.2):
            for name, server in servers.items():
                if not server.running and not self.ending.is_set():
                    self.lost = f"{name} has ended by itself, {_how(server.process.returncode)}."
                    self.end_psqls()

    def psql(self, sql, user="postgres", uri=None, variables=None, options=("-At",),
             database=DATABASE):
        """Runs a script as this role, or at this URI, and returns what psql prints."""
        process = self.start_psql(user, uri, variables, options, database)
        try:
            output, errors = process.communicate(sql)
        finally:
            self._forget(process)
        if self.ending.is_set() and process.returncode != 0:
            self._ended()
        if process.returncode != 0:
            raise Trouble(f"{user} ran: {' '.join(sql.split())[:200]}\n{errors.strip()}")
        return output

    def _ended(self):
        raise Trouble(self.lost) if self.lost else Stopped

    def start_psql(self, user="postgres", uri=None, variables=None, options=("-At",),
                   database=DATABASE):
        target = ["-d", uri] if uri else ["-h", self.cluster.directory, "-p",
                                          str(self.cluster.port), "-U", user, "-d", database]
        settings = [word for name, value in (variables or {}).items()
                    for word in ("-v", f"{name}={value}")]
        # In a session of its own, so that control-C reaches it through us only.
        with self._lock:
            if self.ending.is_set():
                self._ended()
            process = subprocess.Popen(
                [self.psql_program, "-X", "-q", "-v", "ON_ERROR_STOP=1", *settings, *options,
                 *target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, encoding="utf-8", cwd="/", start_new_session=True)
            self._psqls.add(process)
        return process

    def kill_psql(self, process):
        process.kill()
        process.communicate()
        self._forget(process)

    def rows(self, sql, user="postgres", uri=None, variables=None):
        output = self.psql(sql, user, uri, variables, ("-At", "-F", _FIELD, "-R", _RECORD))
        output = output[:-1] if output.endswith("\n") else output
        return [record.split(_FIELD) for record in output.split(_RECORD)] if output else []

    def value(self, sql, user="postgres", uri=None, variables=None):
        rows = self.rows(sql, user, uri, variables)
        return rows[0][0] if rows else None

    def table(self, sql, user="postgres", uri=None, width=96):
        """What psql shows a person, at most this wide."""
        return self.psql(sql, user, uri, None,
                         ("-P", "pager=off", "-P", "format=wrapped", "-P", f"columns={width}",
                          "-P", "null=-")).rstrip()

    def parent_uri(self):
        """The development branch's own URI, as the platform's team asks Neon for it."""
        _, listed = self.emulator.call("GET", f"/projects/{PROJECT}/branches?search={PARENT}")
        branch = next(one["id"] for one in listed["branches"] if one["name"] == PARENT)
        _, answer = self.emulator.call(
            "GET", f"/projects/{PROJECT}/connection_uri?branch_id={branch}"
            "&database_name=neondb&role_name=neondb_owner")
        return answer["uri"]

    def end_psqls(self):
        """From now on no psql runs, and none starts."""
        with self._lock:
            self.ending.set()
            running = list(self._psqls)
        for process in running:
            try:
                process.kill()
            except ProcessLookupError:
                pass

    def close(self):
        """Stops the servers."""
        try:
            if self.cluster:
                self.cluster.stop()
                self.cluster.close()
        finally:
            if self.emulator:
                self.emulator.close()

    @staticmethod
    def remove_folders():
        """Also those of a server whose start was interrupted. Returns how many there were, and
        which could not be removed."""
        for folder in host.made_folders:
            shutil.rmtree(folder, ignore_errors=True)
        return len(host.made_folders), list(filter(os.path.exists, host.made_folders))

    def complaints(self):
        """What the servers' logs say about trouble, for when a step went wrong."""
        found = []
        if self.cluster:
            found += [line for line in self.cluster.log().splitlines()
                      if any(mark in line for mark in ("WARNING:", "ERROR:", "FATAL:", "PANIC:",
                                                       "terminated by signal", "TRAP:"))]
        return found[-15:]

    def _forget(self, process):
        with self._lock:
            self._psqls.discard(process)
