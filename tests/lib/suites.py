"""The test suites: what each runs, for how long at most, and how its tests are counted."""
import ctypes
import filecmp
import glob
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import host
import results

_PR_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 20  # from SIGTERM to SIGKILL: clusters are stopped meanwhile


@dataclass
class Suite:
    name: str
    command: list
    count: object  # from the suite's output to its cases
    deadline: int  # in seconds. All together stay well below the hour and a half that CI has
    needs: str  # a file that is there once the suite has tests
    installed: bool = False  # runs servers that load what is installed


def all_suites(build):
    def pytest(name, deadline, installed=False, files_at_once=1):
        xml = f"build/results/{name}.xml"
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--tb=short",
                   f"--junit-xml={xml}", f"tests/{name}"]
        if files_at_once > 1:
            command += ["-n", str(files_at_once), "--dist", "loadfile"]
        return Suite(name, command, lambda _output: results.from_junit(xml), deadline,
                     f"tests/{name}/test_*.py", installed)

    def gtest(name, deadline, *before):
        return Suite(name, [*before, f"{build}/tests/{name}_tests"], results.from_gtest, deadline,
                     f"{build}/tests/{name}_tests")

    return [
        gtest("unit", 180),
        gtest("simulation", 300, sys.executable, "-u", "tests/lib/shards.py"),
        gtest("fuzz", 120),
        gtest("branch", 600, "tests/branch/run.sh"),
        pytest("emulator", 600, files_at_once=os.cpu_count() or 1),
        Suite("pgtap", [sys.executable, "-u", "tests/lib/pgtap.py"], results.from_tap, 180,
              "tests/pgtap/*.sql", True),
        # Its tests wait more than they work.
        pytest("system", 1800, True, files_at_once=1 + (os.cpu_count() or 1)),
        pytest("load", 900, True),
        pytest("crash", 900, True),
        pytest("fixer", 600, True, files_at_once=os.cpu_count() or 1),
        pytest("contract", 600, True),
        Suite("lint", [sys.executable, "-u", "tests/lint/run", "--rules"], results.from_tap, 480,
              "tests/lint/run"),
    ]


def run(suite):
    """Runs one suite to its end or its deadline."""
    result = results.Result(suite.name)
    print(f"\n=== {suite.name}", flush=True)
    if not glob.glob(suite.needs):
        result.fail("(the suite)", f"has no tests: there is no {suite.needs}")
        return result
    _forget(f"build/results/{suite.name}.xml")
    _adopt_orphans()
    began = time.monotonic()
    process = subprocess.Popen(suite.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    output = []
    reader = threading.Thread(
        target=_copy, args=(process.stdout, f"build/results/{suite.name}.log", output))
    reader.start()
    late = False
    try:
        process.wait(suite.deadline)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        _end_group(process)
        left_behind = _end_orphans()
        reader.join()
    text = "".join(output)
    result.cases = suite.count(text)
    result.seconds = time.monotonic() - began
    if late:
        result.fail("(the suite)", f"{text}\nended at its deadline of {suite.deadline} s")
    elif process.returncode < 0:
        result.fail("(the suite)", f"{text}\nended by signal {-process.returncode}")
    elif process.returncode != 0 and result.ok:
        result.fail("(the suite)", f"{text}\nended with status {process.returncode}")
    elif not result.cases:
        result.fail("(the suite)", f"{text}\nran no test")
    if suite.installed and (foreign := _not_ours()):
        result.fail("(the suite)", "was run with another build's libraries; make install, and let "
                    "no other checkout install meanwhile: " + ", ".join(foreign))
    if left_behind and not late:
        result.fail("(the suite)", "left these processes behind:\n" + "\n".join(left_behind))
    return result


def _not_ours():
    """Installed libraries that are not those of this build. PostgreSQL has one place for them, so
    two checkouts that are tested at the same time test each other's."""
    foreign = []
    for built in glob.glob("build/*/agent_branch*.so"):
        installed = os.path.join(host.pg_config("pkglibdir"), os.path.basename(built))
        if not (os.path.exists(installed) and filecmp.cmp(built, installed, shallow=False)):
            foreign.append(installed)
    return foreign


def _copy(stream, path, output):
    with stream, open(path, "w", encoding="utf-8") as log:
        for line in stream:
            line = line.decode(errors="replace")
            output.append(line)
            log.write(line)
            print(line, end="", flush=True)


def _forget(path):
    try:
        os.remove(path)
    except FileNotFoundError:
        pass


def _end_group(process):
    """Ends what the suite's process group still runs. A no-op when it ended by itself."""
    for sign, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, 5)):
        if process.poll() is not None:
            return
        os.killpg(process.pid, sign)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass


def _adopt_orphans():
    """Makes what a suite leaves behind a child of ours, so that it can be told from the processes
    of others, which are not to be touched. Backends of a server lead sessions of their own, so the
    process group alone would miss them."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_orphans():
    """Waits a moment for adopted processes to end by themselves, then ends them; returns what
    those were."""
    left_behind = {}
    patience = time.monotonic() + 5
    while True:
        children = _living_children()
        if not children:
            return sorted(left_behind.values())
        if time.monotonic() > patience:
            for pid, command in children.items():
                left_behind[pid] = command
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        time.sleep(0.05)


def _living_children():
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                state, parent = file.read().rsplit(")", 1)[1].split()[:2]
            if int(parent) != os.getpid():
                continue
            if state == "Z":
                os.waitpid(int(entry), os.WNOHANG)
                continue
            with open(f"/proc/{entry}/cmdline", encoding="utf-8", errors="replace") as file:
                children[int(entry)] = f"{entry} {file.read().replace(chr(0), ' ').strip()}"
        except (FileNotFoundError, ProcessLookupError, ChildProcessError):
            continue
    return children
