"""What the tests need of the machine: an account for servers, ports, scratch folders, an end.

A PostgreSQL server refuses to run as root. When the tests do run as root, servers run as the user
postgres; otherwise they run as whoever runs the tests.
"""
import atexit
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import traceback
import weakref

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(REPOSITORY, "build")

_SERVER_USER = "postgres"
# A copy of a small cluster takes about 40 MB; tests hold tens of them at a time.
_MEMORY_DISK_BYTES = 2 << 30

made_folders = []  # all of this process; who made one removes it
_open_resources = weakref.WeakSet()
_copies = {}


def as_server_user(command):
    """The command, to be run as the account that servers run as."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={_SERVER_USER}", f"--regid={_SERVER_USER}", "--init-groups",
            *command]


def runnable_by_server_user(program):
    """The program, or a copy of it when the account of the servers cannot reach it: a checkout in
    root's home folder is closed to others."""
    reachable = subprocess.run(as_server_user(["test", "-x", program]), check=False)
    if reachable.returncode == 0:
        return program
    if program not in _copies:
        # Not in /dev/shm, from which containers often may not run anything.
        folder = tempfile.mkdtemp(prefix="agent_branch-program-")
        made_folders.append(folder)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o755)
        _copies[program] = shutil.copy(program, folder)
    return _copies[program]


def give_to_server_user(path):
    if os.geteuid() == 0:
        account = pwd.getpwnam(_SERVER_USER)
        os.chown(path, account.pw_uid, account.pw_gid)


def scratch_directory(purpose):
    """A new folder of the server's account, in memory when there is room: churning data
    directories on a disk slows down each round."""
    parent = "/dev/shm"
    try:
        if shutil.disk_usage(parent).free < _MEMORY_DISK_BYTES or not os.access(parent, os.W_OK):
            parent = None
    except OSError:
        parent = None
    path = tempfile.mkdtemp(prefix=f"agent_branch-{purpose}-", dir=parent)
    made_folders.append(path)
    give_to_server_user(path)
    return path


def free_port():
    """A TCP port of 127.0.0.1 below 32768: above it, an outgoing connection may hold it later."""
    for _ in range(200):
        port = random.randint(20000, 32767)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("no free port between 20000 and 32767")


def pg_config(what):
    """A folder of the PostgreSQL under test, as its pg_config names it: that of PG_CONFIG, as in
    make."""
    program = os.environ.get("PG_CONFIG")
    if not program:
        major = subprocess.check_output([f"{REPOSITORY}/tools/pg_major"], text=True).strip()
        program = f"/usr/lib/postgresql/{major}/bin/pg_config"
        if not os.path.exists(program):
            program = "pg_config"
    return subprocess.check_output([program, f"--{what}"], text=True).strip()


def pg_bindir():
    return pg_config("bindir")


def wait_until(condition, deadline=30, what="the condition", interval=0.02):
    """Returns the first true value of condition(), or fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s for {what}; last seen: {value!r}")
        time.sleep(interval)


def close_at_exit(resource):
    """resource.close() is called when this process ends, unless nobody holds it any more."""
    _open_resources.add(resource)


def end_on_sigterm():
    """Makes SIGTERM, which the runner sends at a suite's deadline, unwind like control-C, so that
    servers are stopped and folders are removed."""
    def interrupt(_signal, frame):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        where = "".join(traceback.format_stack(frame)[-8:])
        raise KeyboardInterrupt(f"ended by SIGTERM in\n{where}")
    # A process of pytest-xdist's may run its tests in another thread, and ends with its channel then.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


@atexit.register
def _close_all():
    for resource in list(_open_resources):
        try:
            resource.close()
        except Exception as error:  # the others still have to be closed
            print(f"could not close {resource!r}: {error}")
