"""What it costs to have it: an idle worker, sweeps, schemas, and what a crash leaves behind."""
import json
import os
import statistics
import threading
import time
import urllib.request

from rounds import private_kilobytes
from stage import STATEMENTS, Row, Stage, host, stage


def _switches(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)


def idle():
    seconds = int(os.environ.get("IDLE_SECONDS", "20"))
    with stage() as place:
        place.client("ours", sessions=3, merge="replay", statements=STATEMENTS)
        pid = place.system.worker_runs()
        state = f"SELECT state_change FROM pg_stat_activity WHERE pid = {pid}"

        def rests():
            before = _switches(pid)
            time.sleep(7)  # longer than anything that is kept for a while
            return _switches(pid) == before
        host.wait_until(rests, 120, "the worker to rest")
        before, changed = _switches(pid), place.system.one(state)
        time.sleep(seconds)  # the length of the look
        woken = _switches(pid) - before
        queries = int(place.system.one(state) != changed)
        megabytes = private_kilobytes(pid) / 1024
    return [Row(f"wake-ups of an idle worker in {seconds} s, queries", f"{woken}, {queries}", "", "", "0, 0",
                woken == 0 and queries == 0, numbers={"woken": woken}),
            Row("private memory of an idle worker", f"{megabytes:.1f} MB", "", "", "≤ 15 MB", megabytes <= 15,
                numbers={"megabytes": megabytes})]


def _call(place, method, path, body=None):
    request = urllib.request.Request(
        f"{place.emulator.url}{path}", method=method, data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {place.emulator.api_key}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def _list_all(place, project):
    """What a sweep has to read, read by a plain client."""
    cursor, pages = "", 0
    began = time.perf_counter()
    while True:
        page = _call(place, "GET", f"/projects/{project}/branches?limit=100{cursor}")
        pages += 1
        following = page.get("pagination", {}).get("next")
        if not page["branches"] or not following:
            return time.perf_counter() - began, pages
        cursor = f"&cursor={following}"


def _make_branches(place: Stage, count):
    project = place.projects[0]
    parent = [one["id"] for one in _call(place, "GET", f"/projects/{project}/branches")["branches"]
              if one["name"] == "development"][0]

    def work(first):
        for n in range(first, count, 4):
            _call(place, "POST", f"/projects/{project}/branches",
                  {"branch": {"name": f"somebody-{n}", "parent_id": parent}})
    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def sweep():
    count = int(os.environ.get("BRANCHES", "10000"))
    with stage() as place:
        _make_branches(place, count)
        pid = place.system.worker_runs()
        before = private_kilobytes(pid)
        floors, ours = [], []
        for _ in range(3):
            floors.append(_list_all(place, place.projects[0])[0])
            began = time.perf_counter()
            place.system.reap(seconds=300)
            ours.append(time.perf_counter() - began)
        grown = (private_kilobytes(pid) - before) / 1024
    more = statistics.median(ours) - statistics.median(floors)
    return [Row(f"a sweep with {count} branches at the API", f"{statistics.median(ours):.2f} s",
                f"listing alone {statistics.median(floors):.2f} s", f"+{more:.2f} s", "≤ 2 s more", more <= 2,
                numbers={"ours": statistics.median(ours), "floor": statistics.median(floors),
                         "grown_megabytes": grown})]


def fingerprint():
    """Each session compares its parent's schema; what 1,000 tables add to one is what they cost."""
    tables = int(os.environ.get("TABLES", "1000"))
    with stage() as place:
        place.client("ours", sessions=3, prefix="warm")
        bare = statistics.median(one["ready_ms"] for one in place.client(
            "ours", sessions=5, prefix="bare")["sessions"])
        make = "".join(f"CREATE TABLE t{n} (id bigint PRIMARY KEY, name text NOT NULL, at timestamptz);"
                       for n in range(tables))
        for cluster in (place.branches, place.parent):
            cluster.psql(make, database="neondb")
        place.client("ours", sessions=1, prefix="warm-full")
        full = statistics.median(one["ready_ms"] for one in place.client(
            "ours", sessions=5, prefix="full")["sessions"])
    more = full - bare
    return [Row(f"the fingerprint of a schema of {tables} tables", f"{more:.0f} ms", "", "", "≤ 1 s", more <= 1000,
                numbers={"ms": more})]


def killed():
    """Fifty sessions under way when every process of the control cluster is killed."""
    with stage(projects=10, register={"max_parallel": 5}, durations={"create_branch": 300, "start_compute": 200,
                                                                   "delete_timeline": 200}) as place:
        threads = [threading.Thread(target=lambda n=n: place.client(
            "ours", projects=[place.projects[n % 10]], sessions=1, prefix=f"k{n}-", give_up_s=20, attempts=1),
            daemon=True) for n in range(50)]

        def ignore(thread):
            try:
                thread()
            except Exception:  # pylint: disable=broad-except
                pass  # its server is killed: that is what is tried
        for thread in threads:
            thread.run = lambda run=thread.run: ignore(run)
            thread.start()
        host.wait_until(lambda: len(place.system.calls("POST", "/branches")) >= 25, 60, "sessions under way")
        place.system.connection.close()
        place.system.cluster.kill9()
        for thread in threads:
            thread.join(60)
        there = sum(len(place.emulator.branch_names(n)) - 2 for n in range(10))
        place.system.cluster.start()
        place.system.worker_runs(seconds=60)
        place.system.rows("SELECT agent_discard(session, project) FROM agent_sessions WHERE finished_at IS NULL "
                          "AND state NOT IN ('discarding', 'merging')")
        host.wait_until(lambda: not place.system.one(
            "SELECT count(*) FROM agent_branch.session WHERE finished_at IS NULL"), 120, "all sessions to end")
        place.system.reap()
        left = sum(len(place.emulator.branch_names(n)) - 2 for n in range(10))
    return [Row("branches left after killing the cluster in the middle of 50 sessions, once it is up again",
                f"{left}", f"there when it was killed: {there}", "", "0", left == 0,
                numbers={"left": left, "there": there})]
