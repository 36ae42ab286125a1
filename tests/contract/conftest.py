"""Fixtures: npm's programs, an emulator, and the validating proxy before it."""
import json
import urllib.error
import urllib.request
from dataclasses import dataclass

import pytest

import npm
from emulator import Emulator
from host import wait_until
from prism import Prism

# What is looked at here is the form of the answers: no waiting, and no limits.
NO_LIMITS = {"durations": "zero", "max_branches": 1000, "rate_per_minute": 0,
             "arguments": ("--max-root-branches", "1000")}


@dataclass
class Answer:
    status: int
    body: object
    violations: list

    def __post_init__(self):
        if self.violations:
            self.violations = [f"{'.'.join(violation.get('location', []))}: "
                               f"{violation.get('message')}" for violation in self.violations]


class Api:
    """A client of the API that sees what the proxy complains about."""

    def __init__(self, url, key):
        self.url = url
        self.key = key

    def __call__(self, method, path, body=None, key=None):
        headers = {"Authorization": f"Bearer {key or self.key}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, method=method, headers=headers,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            response = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            text = response.read()
            named = json.loads(response.headers.get("sl-violations") or "[]")
        parsed = json.loads(text) if text else None
        if isinstance(parsed, dict) and "stoplight" in str(parsed.get("type")):
            named = named or parsed.get("validation") or [{"message": parsed.get("detail")}]
        return Answer(response.status, parsed, named)


@pytest.fixture(scope="session")
def npm_programs():
    try:
        npm.install()
    except npm.Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def emulator():
    with Emulator(engine="memory", **NO_LIMITS) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def prism_proxy(npm_programs, emulator):
    """The proxy before the emulator. What talks to its `url` is held to the document; `refused()`
    tells what broke it. A module that defines its own `emulator` gets the proxy before that."""
    with Prism(emulator.url) as prism:
        yield prism


@pytest.fixture(scope="module")
def api(prism_proxy, emulator):
    return Api(prism_proxy.url, emulator.api_key)


@pytest.fixture(scope="module")
def direct(emulator):
    return Api(emulator.url, emulator.api_key)


@pytest.fixture(scope="module")
def project(direct):
    return direct("GET", "/projects").body["projects"][0]["id"]


@pytest.fixture(scope="module")
def settle(direct, project):
    """Waits until nothing is going on in the project: until then, changes are answered by 423."""
    def wait():
        def idle():
            operations = direct("GET", f"/projects/{project}/operations").body["operations"]
            return all(operation["status"] in ("finished", "failed", "cancelled", "skipped")
                       for operation in operations)
        wait_until(idle, 30, "the project's operations to finish")
    return wait
