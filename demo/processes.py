"""The processes that descend from this one, orphans too, and nobody else's."""
import ctypes
import os
import signal
import time

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Whatever loses its parent becomes our child instead of init's, and can be found."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(reap=False):
    """The command of each living descendant, by its number. reap: takes notice of the end of our
    children, which nobody else may be waiting for then."""
    parents, commands = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                head, tail = file.read().rsplit(")", 1)
            state, parent = tail.split()[:2]
            if state == "Z":
                if reap and int(parent) == os.getpid():
                    os.waitpid(int(entry), os.WNOHANG)
                continue
            with open(f"/proc/{entry}/cmdline", encoding="utf-8", errors="replace") as file:
                command = file.read().replace("\0", " ").strip()
        except (FileNotFoundError, ProcessLookupError, ChildProcessError):
            continue
        parents[int(entry)] = int(parent)
        commands[int(entry)] = command or head.split("(", 1)[1]
    ours, grown = {os.getpid()}, True
    while grown:
        grown = {pid for pid, parent in parents.items() if parent in ours} - ours
        ours |= grown
    return {pid: commands[pid] for pid in ours - {os.getpid()}}


def end_all(patience=5):
    """Returns the processes that did not end by themselves; afterwards they have."""
    deadline = time.monotonic() + patience
    while descendants(reap=True) and time.monotonic() < deadline:
        time.sleep(0.05)
    stubborn = descendants(reap=True)
    while descendants(reap=True):
        for pid in descendants():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    return stubborn
