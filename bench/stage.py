"""What every measurement stands on: a control cluster with a worker, emulators, the clients that are
compared, and the row of the table that each measurement gives."""
import json
import os
import statistics
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

# pylint: disable=wrong-import-position
import host  # noqa: E402
from cluster import Cluster  # noqa: E402
from emulator import Emulator  # noqa: E402
from system import PROJECT, System, settings_for  # noqa: E402

BUILD = os.path.join(ROOT, "build")
CLIENT = os.path.join(BUILD, "bench-client")
NODE_FOLDER = os.path.join(BUILD, "npm-bench")
NODE_PACKAGES = {"@neondatabase/api-client": "2.7.3", "pg": "8.23.1"}
STATEMENTS = ["INSERT INTO bench (name) VALUES ('one')",
              "UPDATE bench SET name = 'two' WHERE id = (SELECT max(id) FROM bench)",
              "DELETE FROM bench WHERE id < (SELECT max(id) FROM bench) - 100"]
TABLE = "CREATE TABLE bench (id serial PRIMARY KEY, name text)"
UNLIMITED = {"agent_branch.rate_limit_per_minute": 1000000, "agent_branch.rate_limit_burst": 10000,
             "agent_branch.reap_interval": 0}


@dataclass
class Row:
    what: str
    ours: str
    peer: str = ""
    ratio: str = ""
    target: str = ""
    held: bool = None           # None: nothing was promised
    limit: str = ""             # why it is not held, where that is known
    numbers: dict = field(default_factory=dict)


class Unmeasured(Exception):
    """Something that the measurement needs is not there."""


@dataclass
class Stage:
    system: System
    emulator: Emulator
    branches: Cluster
    parent: Cluster
    journal_uri: str
    projects: list

    def client(self, mode, projects=None, **options):
        """Runs ours or the floor; returns what it printed."""
        words = [CLIENT, mode, f"api_url={self.emulator.url}",
                 f"api_key_file={self.emulator.key_file}",
                 f"control={self.system.cluster.uri(self.system.database)}"]
        words += [f"project={one}" for one in projects or self.projects[:1]]
        words += [f"statement={sql}" for sql in options.pop("statements", [])]
        words += [f"{key}={value}" for key, value in options.items()]
        return checked(subprocess.run(words, capture_output=True, text=True, check=False), options)

    def node(self, projects=None, durable=False, **options):
        install_node_packages()
        asked = {"api_url": self.emulator.url, "api_key_file": self.emulator.key_file,
                 "projects": projects or self.projects[:1], "statements": [], "merge": "none",
                 "prefix": "n", "sessions": 1, "parallel": 1,
                 "journal": self.journal_uri if durable else None, **options}
        return checked(subprocess.run(
            ["node", os.path.join(ROOT, "bench", "node", "client.mjs"), json.dumps(asked)],
            capture_output=True, text=True, check=False,
            env={**os.environ, "NODE_MODULES": os.path.join(NODE_FOLDER, "node_modules")}), options)


def checked(result, options):
    if result.returncode != 0:
        raise Unmeasured(f"a client failed: {result.stderr.strip()[-300:]}")
    answer = json.loads(result.stdout)
    errors = [one["error"] for one in answer["sessions"] if one["error"]]
    if errors and "attempts" not in options and "give_up_s" not in options:
        raise Unmeasured(f"{len(errors)} of {len(answer['sessions'])} sessions failed: {errors[0][:200]}")
    return answer


def install_node_packages():
    def installed(name):
        try:
            with open(os.path.join(NODE_FOLDER, "node_modules", name, "package.json"),
                      encoding="utf-8") as file:
                return json.load(file)["version"]
        except (OSError, ValueError, KeyError):
            return None
    if all(installed(name) == version for name, version in NODE_PACKAGES.items()):
        return
    os.makedirs(NODE_FOLDER, exist_ok=True)
    try:
        result = subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-save", "--no-package-lock", "--no-audit",
             "--no-fund", "--loglevel", "error", "--prefix", NODE_FOLDER,
             *(f"{name}@{version}" for name, version in NODE_PACKAGES.items())],
            text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=180, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unmeasured(f"no Node program: {error}") from error
    if result.returncode != 0:
        raise Unmeasured(f"no Node program: {' '.join(result.stderr.split())[:200]}")


@contextmanager
def stage(projects=1, settings=None, register=None, **emulator_options):
    """Branches are one database of one cluster, and the parent one of another where nobody else writes,
    as engine memory has no servers of its own."""
    names = [PROJECT] + [f"bench-project-{n:03}" for n in range(1, projects)]
    arguments = ["--quiet", "--max-active-computes", "100000"]
    for name in names[1:]:
        arguments += ["--project", name]
    options = {"engine": "memory", "durations": "zero", "topology": "flat", "rate_per_minute": 0,
               "max_branches": 20000, **emulator_options}
    options["arguments"] = tuple(arguments) + tuple(options.get("arguments", ()))
    with Cluster(name="bench", settings={"shared_preload_libraries": "agent_branch",
                                         "max_connections": 500}) as control, \
            Cluster(name="branches", settings={"autovacuum": "off", "max_connections": 500}) as branches, \
            Cluster(name="parent", settings={"autovacuum": "off", "max_connections": 500}) as parent:
        control.psql("CREATE DATABASE journal")
        for cluster in (branches, parent):
            cluster.psql("CREATE DATABASE neondb")
            cluster.psql(TABLE, database="neondb")
        with Emulator(fixed_uri=branches.uri("neondb"), fixed_parent_uri=parent.uri("neondb"),
                      project=names[0], **options) as emulator:
            control.reload(settings_for(emulator, **{
                **UNLIMITED, "agent_branch.active_compute_limit": 10000, **(settings or {})}))
            with System(control, emulator, "bench") as system:
                for name in names:
                    system.register(name, **(register or {}))
                system.worker_runs()
                yield Stage(system, emulator, branches, parent, control.uri("journal"), names)


def median(answer, what="total_ms"):
    return statistics.median(one[what] for one in answer["sessions"])


def alternate(rounds, **clients):
    """Runs the clients in turns, so that whatever else the machine does meets them all; returns the
    sessions of each together. Each client is a function of the round's number."""
    answers = {name: {"sessions": [], "makespan_ms": 0} for name in clients}
    for number in range(rounds):
        for name, run in clients.items():
            answer = run(number)
            answers[name]["sessions"] += answer["sessions"]
            answers[name]["makespan_ms"] += answer["makespan_ms"]
    return answers
