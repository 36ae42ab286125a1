"""Starts emulators for the tests and speaks to them.

NEON_EMULATOR names the program, otherwise build/neon-emulator. As root, engine postgres runs as
user postgres. Nothing here sleeps for a fixed time: poll() waits for a condition with a deadline.
"""
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("NEON_EMULATOR", str(ROOT / "build" / "neon-emulator"))
PROJECT = "shiny-wind-028834"
KEY = "test-key"
UNFINISHED = ("scheduling", "running", "cancelling")


def poll(condition, what, seconds=30):
    """The condition's first true value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        time.sleep(0.005)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.text = body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def message(self):
        return self.json["message"]


class Emulator:
    def __init__(self, folder, *options, engine="memory", durations="zero", rate="0", key=KEY):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        key_file = self.folder / "key"
        key_file.write_text(key + "\n")
        as_postgres = engine == "postgres" and os.geteuid() == 0
        program = PROGRAM
        if as_postgres:
            # The checkout may be out of that user's reach.
            program = str(self.folder / "neon-emulator")
            if not os.path.exists(program):
                shutil.copy(PROGRAM, program)
            owner = pwd.getpwnam("postgres")
            for path in (self.folder, key_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        command = [program, "--listen", "127.0.0.1:0", "--engine", engine, "--api-key-file",
                   str(key_file), "--durations", durations, "--rate-per-minute", rate]
        if engine == "postgres":
            command += ["--data", str(self.data)]
        if as_postgres:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] + command
        self.errors = open(self.folder / "stderr", "w+")
        self.process = subprocess.Popen(command + list(options), stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, cwd="/")
        line = self.process.stdout.readline()
        if "ready on" not in line:
            self.process.wait()
            raise AssertionError("did not start: " + (self.folder / "stderr").read_text())
        self.url = line.split("ready on ")[1].strip()
        self.root = self.url[: -len("/api/v2")]
        self.project = f"/projects/{PROJECT}"

    # --- requests

    def request(self, method, url, body=None, headers=None):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = urllib.request.Request(url, method=method, data=data, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def call(self, method, path, body=None, key=KEY, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            headers["Authorization"] = "Bearer " + key
        return self.request(method, self.url + path, body, headers)

    def get(self, path):
        answer = self.call("GET", self.project + path)
        assert answer.status == 200, answer.text
        return answer.json

    def post(self, path, body=None):
        return self.call("POST", self.project + path, body)

    def admin(self, method, path, body=None):
        answer = self.request(method, self.root + "/admin" + path, body)
        assert answer.status in (200, 201), answer.text
        return answer.json

    def configure(self, **settings):
        self.admin("POST", "/config", settings)

    def fault(self, do, method=None, path=None, nth=1, count=1, **more):
        match = {"nth": nth, "count": count}
        if method:
            match["method"] = method
        if path:
            match["path"] = path
        self.admin("POST", "/faults", {"match": match, "do": do, **more})

    # --- what tests ask for again and again

    def branches(self):
        return {branch["name"]: branch for branch in self.get("/branches")["branches"]}

    def id(self, name):
        return self.branches()[name]["id"]

    def create(self, name, parent="development", endpoint=False, wait=True, **branch):
        body = {"branch": {"name": name, "parent_id": self.id(parent), **branch}}
        if endpoint:
            body["endpoints"] = [{"type": "read_write"}]
        answer = self.post("/branches", body)
        if answer.status == 201 and wait:
            self.settle()
        return answer

    def restore(self, target, source, wait=True, **more):
        answer = self.post(f"/branches/{self.id(target)}/restore",
                           {"source_branch_id": self.id(source), **more})
        if answer.status == 200 and wait:
            self.settle()
        return answer

    def delete(self, name, wait=True):
        answer = self.call("DELETE", f"{self.project}/branches/{self.id(name)}")
        if answer.status == 200 and wait:
            self.settle()
        return answer

    def operations(self):
        return self.get("/operations?limit=100")["operations"]

    def settle(self):
        poll(lambda: all(o["status"] not in UNFINISHED for o in self.operations()), "operations")

    def uri(self, name, pooled=False):
        return self.get(f"/connection_uri?branch_id={self.id(name)}&database_name=neondb"
                        f"&role_name=neondb_owner{'&pooled=true' if pooled else ''}")["uri"]

    # --- the process

    def stop(self, signal_number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        status = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.errors.close()
        return status

    def servers(self):
        """Pids of PostgreSQL servers below the data folder."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"postgres" in command and str(self.data).encode() in command \
                    and int(entry.name) != self.process.pid:
                found.append(int(entry.name))
        return found


@pytest.fixture
def folder():
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = tempfile.mkdtemp(prefix="emu-", dir=base)
    yield pathlib.Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def start(folder):
    started = []

    def make(*options, **keywords):
        emulator = Emulator(folder, *options, **keywords)
        started.append(emulator)
        return emulator

    yield make
    for emulator in started:
        if emulator.process.poll() is None:
            emulator.stop()


@pytest.fixture
def emulator(start):
    return start()
