"""A worker that has nothing to do does nothing."""
import os
import shutil
import signal
import subprocess
import time

import pytest

from host import wait_until


def may_attach(pid):
    """Whether strace is there and allowed to look at that process."""
    if shutil.which("strace") is None:
        return False
    probe = subprocess.run(["timeout", "-s", "INT", "1", "strace", "-qq", "-p", str(pid)],
                           capture_output=True, text=True, check=False)
    return "not permitted" not in probe.stderr and "attach:" not in probe.stderr


def rests(pid):
    """Whether it sleeps in epoll_wait() without a time limit, or with one of more than minutes."""
    with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
        words = file.read().split()
    if len(words) < 5:
        return False  # it runs
    timeout = int(words[4], 16) & 0xFFFFFFFF
    return timeout > 600_000


def system_calls(pid, seconds, path):
    """What the process called in that time, without the call that it was found in."""
    tracer = subprocess.Popen(["strace", "-f", "-p", str(pid), "-o", path],
                              stderr=subprocess.PIPE, text=True)
    try:
        line = tracer.stderr.readline()
        assert "attached" in line, line
        time.sleep(seconds)  # the length of the look, not a wait for something
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        tracer.stderr.close()
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip() for line in file if line.strip()]
    return [line for line in lines
            if "<detached" not in line and "restart_syscall" not in line]


def test_an_idle_worker_makes_no_system_call(memory_system, control, tmp_path):
    memory = memory_system({"agent_branch.reap_interval": "6h"})
    memory.ready("s")
    pid = memory.worker_runs()
    memory.connection.close()
    if not may_attach(pid):
        pytest.skip("strace may not attach to the worker")
    seconds = float(os.environ.get("AGENT_BRANCH_IDLE_SECONDS", "10"))
    launcher = control.psql(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'agent_branch launcher'")
    # What ended before keeps its connections for a while.
    wait_until(lambda: rests(pid), 90, "the worker to rest", interval=0.2)
    assert not system_calls(pid, seconds, str(tmp_path / "calls"))
    assert not system_calls(launcher, min(seconds, 3), str(tmp_path / "launcher"))
    memory.discard("s")


def test_an_idle_worker_runs_no_query(memory, control):
    memory.ready("s")
    worker = memory.worker_runs()
    memory.connection.close()
    # Every turn of its loop shows as a change of state. What ended before keeps its connection to the
    # branch for some seconds, and closing that is a turn.
    rests_since = (f"SELECT state_change FROM pg_stat_activity WHERE pid = {worker} AND "
                   "state = 'idle' AND xact_start IS NULL AND "
                   "clock_timestamp() - state_change > interval '7 s'")
    before = wait_until(lambda: control.psql(rests_since), 90, "the worker to rest")
    # Longer than anything that is ever polled for.
    wait_until(lambda: control.psql(f"SELECT clock_timestamp() - '{before}' > interval '11 s'")
               == "t", 30, "the length of the look to be over")
    assert control.psql(rests_since) == before
