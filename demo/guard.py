"""What is left of a demo whose process is killed: nothing.

The demo plays in a child of the process that was started. Each looks after the other: when the child
is killed, its servers become this one's children, as it adopts orphans, and are ended here, and the
folders that the child told of are removed. When this process is killed, the child gets SIGTERM, which
ends the demo in order.
"""
import ctypes
import os
import shutil
import signal

import processes

_PR_SET_PDEATHSIG = 1


class Told(list):
    """Folders that were made, told to whoever reads the other end of the pipe."""

    def __init__(self, pipe):
        super().__init__()
        self._pipe = pipe

    def append(self, path):
        super().append(path)
        os.write(self._pipe, os.fsencode(path) + b"\n")


def guarded(play):
    """Runs play(folders), where folders is a list for the folders it makes; returns its status."""
    processes.adopt_orphans()
    reads, writes = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reads)
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
        return play(Told(writes))
    os.close(writes)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # From a terminal, the child has got it as well; a second one does it no harm.
        signal.signal(number, lambda number, _frame: _pass_on(child, number))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status >= 0:
        return status
    _clean_up(reads)
    print(f"\nThe demo was ended by signal {-status}. Everything is stopped and removed.")
    return 128 - status


def _pass_on(child, number):
    try:
        os.kill(child, number)
    except ProcessLookupError:
        pass


def _clean_up(pipe):
    processes.end_all(patience=0)
    with os.fdopen(pipe, encoding="utf-8") as told:  # at its end, as nobody else holds it any more
        for path in told:
            shutil.rmtree(path.rstrip("\n"), ignore_errors=True)
