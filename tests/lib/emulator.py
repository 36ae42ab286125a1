"""The Neon emulator as a child process.

    with Emulator(engine="memory") as emulator:
        emulator.add_fault({...})
        status, body = emulator.call("GET", "/projects")
"""
import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.request

import host

_READY = "neon-emulator: ready on "


class Emulator:
    def __init__(self, engine="memory", listen="127.0.0.1:0", topology=None, durations=None,
                 project=None, max_branches=None, rate_per_minute=None, fixed_uri=None,
                 fixed_parent_uri=None, seed=None, api_key="test-key", binary=None, arguments=(), start=True):
        """The named arguments are options of the program; `arguments` are further ones.

        durations: default, zero, or a dict of milliseconds by name."""
        self.api_key = api_key
        self.process = None
        self.url = None
        self.binary = host.runnable_by_server_user(
            binary or os.path.join(host.BUILD, "neon-emulator"))
        self.directory = host.scratch_directory("emulator")
        host.close_at_exit(self)
        self.key_file = os.path.join(self.directory, "api-key")
        write_key_file(self.key_file, api_key)
        self.log_path = os.path.join(self.directory, "log")
        data = os.path.join(self.directory, "data")
        os.mkdir(data, 0o700)
        host.give_to_server_user(data)
        if isinstance(durations, dict):
            durations = ",".join(f"{name}={ms}" for name, ms in durations.items())
        options = {"engine": engine, "data": data, "api-key-file": self.key_file,
                   "topology": topology, "durations": durations, "project": project,
                   "max-branches": max_branches, "rate-per-minute": rate_per_minute,
                   "fixed-uri": fixed_uri, "fixed-parent-uri": fixed_parent_uri, "seed": seed}
        self._listen = listen
        self._arguments = [str(word) for name, value in options.items() if value is not None
                           for word in (f"--{name}", value)] + list(arguments)
        if start:
            self.start()

    def start(self, deadline=60):
        log = open(self.log_path, "ab")  # pylint: disable=consider-using-with
        with log:
            self.process = subprocess.Popen(
                host.as_server_user([self.binary, "--listen", self._listen, *self._arguments]),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, cwd="/")
        timer = threading.Timer(deadline, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line.startswith(_READY):
            self.process.kill()
            self.process.wait()
            tail = self.log()[-2000:]
            self.close()
            raise AssertionError(f"the emulator did not start: {line!r}\n{tail}")
        self.url = line[len(_READY):].strip()
        # The same address after a restart: clients have been told it.
        self._listen = self.url.split("//")[1].split("/")[0]
        threading.Thread(target=self._drain, args=(self.process,), daemon=True).start()
        return self

    def _drain(self, process):
        # Nobody else reads; a full pipe would stop the emulator.
        with process.stdout, open(self.log_path, "a", encoding="utf-8") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()

    @property
    def base(self):
        return self.url.rsplit("/api/v2", 1)[0]

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def call(self, method, path, body=None, headers=None, base=None, timeout=60):
        """One request, with the key. Returns the status and the parsed body."""
        request = urllib.request.Request(
            (base or self.url) + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.api_key}", "Accept": "application/json",
                     **({} if body is None else {"Content-Type": "application/json"}),
                     **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, text.decode(errors="replace")

    def requests(self, since=0):
        """The requests it met, oldest first; `since`: only those after that one's number."""
        return self._admin("GET", f"/admin/requests?since={since}")

    def effects(self):
        """The requests that changed something, answered or not."""
        return self._admin("GET", "/admin/effects?since=0")

    def forget_requests(self):
        self._admin("DELETE", "/admin/requests")

    def state(self):
        return self._admin("GET", "/admin/state")

    def branch_names(self, project=0):
        """Of the project with this number or id."""
        for number, entry in enumerate(self.state()["projects"]):
            if project in (number, entry["id"]):
                return {branch["name"] for branch in entry["branches"]}
        raise AssertionError(f"the emulator has no project {project}")

    def add_fault(self, fault):
        """{"match": {"method", "path", "nth", "count"}, "do": …}; returns its id."""
        return self._admin("POST", "/admin/faults", fault)["id"]

    def faults(self):
        """Each with how many requests it `met`, and on how many of them it was `done`."""
        return self._admin("GET", "/admin/faults")

    def clear_faults(self):
        self._admin("DELETE", "/admin/faults")

    def config(self, **settings):
        return self._admin("POST", "/admin/config", settings)

    def _admin(self, method, path, body=None):
        status, answer = self.call(method, path, body, base=self.base)
        assert status in (200, 201), f"{method} {path}: {status} {answer}"
        return answer

    def stop(self, deadline=60):
        """SIGTERM; the emulator stops its clusters."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(deadline)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the emulator did not stop within {deadline} s\n"
                                     f"{self.log()[-2000:]}") from None

    def kill9(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def close(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def write_key_file(path, key):
    """A key file as the programs want it: readable by the servers' account and nobody else."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(key + "\n")
    host.give_to_server_user(path)
