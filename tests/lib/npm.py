"""Programs of npm that the contract tests run: the API's validating proxy and Neon's own clients.

They are installed below build/ at their exact versions, without their install scripts, on first
use. Where that cannot be done, Missing says why.
"""
import fcntl
import json
import os
import shutil
import subprocess

import host

PACKAGES = {
    "@stoplight/prism-cli": "5.16.0",
    "neonctl": "5.0.1",
    "@neondatabase/api-client": "2.7.3",
}
FOLDER = os.path.join(host.BUILD, "npm")
API_DOCUMENT = os.path.join(FOLDER, "node_modules/@neondatabase/api-client",
                            "public-v2-for-users.gen.yaml")
_NODE_MAJOR = 20
_INSTALL_SECONDS = 180


class Missing(Exception):
    pass


def install():
    _check_node()
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        error = None
        for _ in range(2):  # one slow answer of the registry is no reason to skip the tests
            if all(_installed(name) == version for name, version in PACKAGES.items()):
                return
            error = _try_install()
        if error:
            raise Missing(f"npm install failed: {error}")


def program(name):
    """The command that runs an installed program, to be followed by its arguments."""
    return ["node", os.path.join(FOLDER, "node_modules/.bin", name)]


def _check_node():
    if not shutil.which("node") or not shutil.which("npm"):
        raise Missing("node and npm are not installed")
    version = subprocess.run(["node", "--version"], text=True, capture_output=True,
                             check=False).stdout.strip()
    if int(version.lstrip("v").split(".")[0] or 0) < _NODE_MAJOR:
        raise Missing(f"node {version} is older than {_NODE_MAJOR}")


def _installed(name):
    try:
        with open(os.path.join(FOLDER, "node_modules", name, "package.json"),
                  encoding="utf-8") as file:
            return json.load(file)["version"]
    except (OSError, ValueError, KeyError):
        return None


def _try_install():
    wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
    try:
        result = subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-save", "--no-package-lock", "--no-audit",
             "--no-fund", "--loglevel", "error", "--prefix", FOLDER, *wanted],
            text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=_INSTALL_SECONDS,
            check=False)
    except subprocess.TimeoutExpired:
        return f"no end after {_INSTALL_SECONDS} s"
    return None if result.returncode == 0 else " ".join(result.stderr.split())[:300]
