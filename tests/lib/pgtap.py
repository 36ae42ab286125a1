"""Runs tests/pgtap/*.sql, or the files given, with pg_prove against a throwaway cluster."""
import glob
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import host  # noqa: E402
from cluster import Cluster  # noqa: E402

# Nothing listens there: pgTAP rolls everything back, so the worker has nothing to send.
_SETTINGS = {
    "shared_preload_libraries": "agent_branch",
    "agent_branch.api_url": "http://127.0.0.1:9/api/v2",
    "max_worker_processes": 16,
}
_CRASH = re.compile(r"PANIC:|was terminated by signal|TRAP: ")


def main(files):
    host.end_on_sigterm()
    with Cluster(_SETTINGS, name="pgtap") as cluster:
        cluster.psql("CREATE DATABASE pgtap")
        cluster.psql("CREATE EXTENSION pgtap; CREATE EXTENSION agent_branch", database="pgtap")
        status = subprocess.run(
            ["pg_prove", "--verbose", "--psql-bin", os.path.join(cluster.bindir, "psql"),
             "-h", cluster.directory, "-p", str(cluster.port), "-U", "postgres", "-d", "pgtap",
             *files], check=False).returncode
        cluster.stop()
        crashes = [line for line in cluster.log().splitlines() if _CRASH.search(line)]
        if status != 0 or crashes:
            print("--- the server's log ends with\n" + cluster.log_tail(40))
        if crashes:
            print("not ok - the server did not crash\n# " + "\n# ".join(crashes))
            status = 1
        return status


if __name__ == "__main__":
    os.chdir(host.REPOSITORY)
    sys.exit(main(sys.argv[1:] or sorted(glob.glob("tests/pgtap/*.sql"))))
