"""Neon's own command line, unchanged, against the emulator."""
import datetime
import json
import os
import subprocess

import pytest

import npm
from conftest import NO_LIMITS, Api
from emulator import Emulator


class Neonctl:
    def __init__(self, emulator, home):
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(home), "CI": "1", "NO_COLOR": "1",
            "NEON_API_HOST": emulator.url, "NEON_API_KEY": emulator.api_key,
        }
        self.project = Api(emulator.url, emulator.api_key)(
            "GET", "/projects").body["projects"][0]["id"]

    def text(self, *words, project=True):
        of_project = ("--project-id", self.project) if project else ()
        result = subprocess.run(
            [*npm.program("neonctl"), *words, *of_project, "--no-analytics", "--no-color",
             "--config-dir", str(self.home), "--context-file", str(self.home / "context")],
            env=self.environment, text=True, capture_output=True, stdin=subprocess.DEVNULL,
            timeout=90, check=False)
        assert result.returncode == 0, f"{' '.join(words)}: {result.stdout}{result.stderr}"
        return result.stdout

    def __call__(self, *words, **options):
        return json.loads(self.text(*words, "--output", "json", **options))

    def branch_names(self):
        return {branch["name"] for branch in self("branches", "list")}


@pytest.fixture(scope="module", params=["memory", "postgres"])
def neonctl(request, npm_programs, tmp_path_factory):
    with Emulator(engine=request.param, **NO_LIMITS) as emulator:
        yield Neonctl(emulator, tmp_path_factory.mktemp("neonctl"))


def test_me_and_projects(neonctl):
    assert neonctl("me", project=False)["email"]
    listed = neonctl("projects", "list", project=False)
    projects = listed["projects"] if isinstance(listed, dict) else listed
    assert neonctl.project in {project["id"] for project in projects}


def test_a_branch_s_life(neonctl):
    created = neonctl("branches", "create", "--name", "first", "--parent", "development")
    assert created["branch"]["name"] == "first"
    assert "first" in neonctl.branch_names()
    assert neonctl("branches", "get", "first")["id"] == created["branch"]["id"]

    neonctl("branches", "rename", "first", "second")
    assert "second" in neonctl.branch_names() and "first" not in neonctl.branch_names()

    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    expiry = tomorrow.strftime("%Y-%m-%dT%H:%M:%SZ")
    neonctl("branches", "set-expiration", "second", "--expires-at", expiry)
    assert neonctl("branches", "get", "second")["expires_at"].startswith(expiry[:19])

    neonctl("branches", "delete", "second")
    assert "second" not in neonctl.branch_names()


def test_restore(neonctl):
    neonctl("branches", "create", "--name", "target", "--parent", "development")
    neonctl("branches", "create", "--name", "source", "--parent", "development")
    neonctl("branches", "restore", "target", "source", "--preserve-under-name", "kept")
    assert {"target", "source", "kept"} <= neonctl.branch_names()


def test_reset(neonctl):
    neonctl("branches", "create", "--name", "again", "--parent", "development")
    neonctl("branches", "reset", "again", "--parent")
    assert "last_reset_at" in neonctl("branches", "get", "again")


def test_a_connection_string(neonctl):
    neonctl("branches", "create", "--name", "connected", "--parent", "development")
    uri = neonctl.text("connection-string", "connected").strip()
    assert uri.startswith("postgresql://")


def test_operations(neonctl):
    neonctl("branches", "create", "--name", "operated", "--parent", "development")
    assert "create_branch" in {operation["action"] for operation in neonctl("operations", "list")}


def test_the_schema_of_a_new_branch_does_not_differ(neonctl):
    neonctl("branches", "create", "--name", "compared", "--parent", "development")
    lines = neonctl.text("branches", "schema-diff", "development", "compared",
                         "--database", "neondb").splitlines()
    assert [line for line in lines if line and not line.startswith(("---", "+++"))] == []
