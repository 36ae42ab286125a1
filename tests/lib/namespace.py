"""A server that sees other files than the rest of the machine: a mount namespace of its own.

    cluster.prefix = namespace.prefix(namespace.bind(path, "/etc/resolv.conf"))
"""
import shlex
import subprocess

import pytest

_ENTER = ["unshare", "--mount", "sh", "-c"]


def bind(source, target):
    """Puts one file or folder in the place of another."""
    return f"mount --bind {shlex.quote(source)} {shlex.quote(target)}"


def small_disk(path, size, owner):
    """An empty file system in memory of that many bytes; seen from outside by inside()."""
    return f"mount -t tmpfs -o size={size},mode=0700,uid={owner},gid={owner} disk {shlex.quote(path)}"


def inside(process, path):
    """The path of what a process of the namespace sees at `path`."""
    return f"/proc/{process.pid}/root{path}"


def prefix(*mounts):
    return [*_ENTER, " && ".join([*mounts, 'exec "$@"']), "sh"]


def needed():
    """Skips the test where this account may not mount."""
    tried = subprocess.run(prefix("mount -t tmpfs none /mnt") + ["true"], check=False,
                           capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"needs a mount namespace, as root has: {tried.stderr.strip()}")
