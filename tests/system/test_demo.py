"""The demo when something ends that should not: it says so, and leaves nothing."""
import os
import re
import signal
import subprocess
import time

import pytest

import host
from host import wait_until


class Demo:
    """A demo that runs. Its processes are known by a mark in their environment, and its folders by
    the command lines of its servers."""

    def __init__(self):
        self.folder = host.scratch_directory("shown")
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [os.path.join(host.REPOSITORY, "demo", "run")], stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, "DEMO_UNDER_TEST": self.folder})
        self.folders = set()

    def shown(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def until(self, words, seconds=120):
        wait_until(lambda: words in self.shown() or self.process.poll() is not None, seconds, words)
        assert self.process.poll() is None, self.shown()

    def processes(self):
        """The commands of those that live, by their numbers."""
        found = {}
        for entry in filter(str.isdigit, os.listdir("/proc")):
            environment, command = _read(entry, "environ"), _read(entry, "cmdline")
            if command and f"DEMO_UNDER_TEST={self.folder}" in environment.split("\0"):
                found[int(entry)] = command.split("\0")
        return found

    def find_folders(self):
        self.folders = set(re.findall(r"/[\w/]*/agent_branch-(?!shown)\w+-\w+",
                                      " ".join(map(" ".join, self.processes().values()))))
        assert self.folders


def _read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


@pytest.fixture
def demo():
    shown = Demo()
    try:
        shown.until("What the agents are about to do")
        shown.find_folders()
        yield shown
    finally:
        for pid in shown.processes():
            os.kill(pid, signal.SIGKILL)
        shown.process.wait()


def nothing_is_left(demo):
    wait_until(lambda: not demo.processes(), 30, "its processes to end")
    assert not [path for path in demo.folders if os.path.exists(path)]


def test_an_emulator_that_dies_is_named_within_seconds(demo):
    emulator = next(pid for pid, command in demo.processes().items()
                    if command[0].endswith("neon-emulator"))
    os.kill(emulator, signal.SIGKILL)
    began = time.monotonic()
    wait_until(lambda: "The emulator has ended by itself, killed by signal 9." in demo.shown(), 10,
               "it to be said")
    assert demo.process.wait(60) == 1
    assert time.monotonic() - began < 60
    assert "Traceback" not in demo.shown()
    nothing_is_left(demo)


@pytest.mark.parametrize("victim", ["the one that was started", "its child"])
def test_a_demo_that_is_killed_leaves_nothing(demo, victim):
    runs = sorted(pid for pid, command in demo.processes().items() if any(word.endswith("demo/run") for word in command))
    assert demo.process.pid in runs and len(runs) == 2
    (child,) = set(runs) - {demo.process.pid}
    os.kill(child if victim == "its child" else demo.process.pid, signal.SIGKILL)
    nothing_is_left(demo)
