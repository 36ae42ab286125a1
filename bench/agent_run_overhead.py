#!/usr/bin/env python3
"""How much longer CALL agent_run takes than the same calls made by hand.

Both run a session with three migrations, alternately, against one emulator with engine memory and
no durations, whose branches all are one database; so the migrations write rows and leave the schema
as it is. By hand: the API over one kept connection, the database over psycopg2, no journal, no
comparison of schemas. Prints both medians and their difference; fails when that is over the target.
"""
import http.client
import json
import os
import statistics
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "tests", "lib"))

# pylint: disable=wrong-import-position
import psycopg2  # noqa: E402

from cluster import Cluster  # noqa: E402
from emulator import Emulator  # noqa: E402
from system import PROJECT, System, settings_for  # noqa: E402

RUNS = int(os.environ.get("RUNS", "20"))
TARGET_MS = 60
MIGRATIONS = ["INSERT INTO bench (name) VALUES ('one')",
              "UPDATE bench SET name = 'two' WHERE id = (SELECT max(id) FROM bench)",
              "DELETE FROM bench WHERE id < (SELECT max(id) FROM bench) - 100"]


class ByHand:
    def __init__(self, emulator):
        host, port = emulator.url.split("//")[1].split("/")[0].split(":")
        self.connection = http.client.HTTPConnection(host, int(port))
        self.headers = {"Authorization": f"Bearer {emulator.api_key}",
                        "Accept": "application/json", "Content-Type": "application/json"}
        self.calls = 0

    def call(self, method, path, body=None):
        self.calls += 1
        self.connection.request(method, f"/api/v2/projects/{PROJECT}{path}",
                                None if body is None else json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (method, path, answer.status, text)
        return json.loads(text)

    def change(self, method, path, body=None):
        """A change, and its operations to their end."""
        answer = self.call(method, path, body)
        waiting = {operation["id"] for operation in answer["operations"]
                   if operation["status"] not in ("finished", "skipped")}
        while waiting:
            listed = self.call("GET", "/operations?limit=100")["operations"]
            waiting -= {operation["id"] for operation in listed
                        if operation["status"] in ("finished", "skipped")}
        return answer

    def find(self, name):
        listed = self.call("GET", f"/branches?search={name}&limit=100")["branches"]
        return [branch["id"] for branch in listed if branch["name"] == name][0]

    def session(self, name):
        parent = self.find("development")
        expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))
        created = self.change("POST", "/branches", {
            "branch": {"name": name, "parent_id": parent, "expires_at": expiry},
            "endpoints": [{"type": "read_write", "autoscaling_limit_min_cu": 0.25,
                           "autoscaling_limit_max_cu": 1}]})
        branch = created["branch"]["id"]
        database = psycopg2.connect(created["connection_uris"][0]["connection_uri"])
        for sql in MIGRATIONS:
            with database, database.cursor() as cursor:
                cursor.execute(sql)
        database.close()
        self.change("PATCH", f"/branches/{branch}", {"branch": {"expires_at": None}})
        backup = f"development-before-{uuid.uuid4()}"
        self.change("POST", f"/branches/{self.find('development')}/restore",
                    {"source_branch_id": branch, "preserve_under_name": backup})
        self.change("DELETE", f"/branches/{branch}")
        self.change("DELETE", f"/branches/{self.find(backup)}")


def milliseconds(action):
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def backups_are_gone(system):
    """What the worker still does after a run must not be counted to the next one."""
    while system.one("SELECT count(*) FROM agent_branch.kept_branch WHERE deleted_at IS NULL"):
        time.sleep(0.005)


def measure(system, hand):
    ours, by_hand, calls = [], [], []
    for n in range(RUNS + 2):
        by_hand.append(milliseconds(lambda: hand.session(f"hand-{n}")))
        results = []
        ours.append(milliseconds(lambda: results.append(system.run(f"ours-{n}", MIGRATIONS))))
        assert results[0]["state"] == "merged", results[0]
        calls.append(results[0]["api_calls"])
        backups_are_gone(system)
    # The first two of each warm up what is kept from then on.
    return ours[2:], by_hand[2:], statistics.median(calls[2:])


def main():
    with Cluster(name="bench", settings={"shared_preload_libraries": "agent_branch"}) as cluster:
        cluster.psql("CREATE DATABASE branches")
        cluster.psql("CREATE TABLE bench (id serial PRIMARY KEY, name text)", database="branches")
        with Emulator(engine="memory", durations="zero", topology="flat", rate_per_minute=0,
                      max_branches=1000, fixed_uri=cluster.uri("branches"),
                      arguments=("--quiet",)) as emulator:
            cluster.reload(settings_for(emulator, **{
                "agent_branch.rate_limit_per_minute": 1000000,
                "agent_branch.rate_limit_burst": 10000}))
            with System(cluster, emulator, "bench") as system:
                system.register()
                system.worker_runs()
                ours, by_hand, calls = measure(system, ByHand(emulator))
    more = statistics.median(ours) - statistics.median(by_hand)
    for what, times in (("by hand", by_hand), ("CALL agent_run", ours)):
        print(f"{what:16} median {statistics.median(times):7.1f} ms   "
              f"from {min(times):.1f} to {max(times):.1f} ms, {len(times)} runs")
    print(f"{'difference':16}        {more:7.1f} ms   target: at most {TARGET_MS} ms, "
          f"{calls:.0f} API calls a run")
    return 0 if more <= TARGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
