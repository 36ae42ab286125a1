"""Migration files run by agent_migrate() beside psql: each difference is a line of text.

A set is a folder of files, which run in the order of their names. psql runs each in one
transaction, or, where the server says that this cannot be, without.
"""
import difflib
import os
import re
import subprocess

MOST_OF_A_SESSION = 20
# What says that a file cannot be one transaction.
_NOT_ONE = ("cannot run inside a transaction block", "cannot be executed from a function",
            "invalid transaction termination", "unsafe use of new value", "cannot be executed")


def files_of(folder):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder)
                  for name in names if name.endswith(".sql"))


class Psql:
    """The files run by psql in a database of their own."""

    def __init__(self, cluster, database):
        self.cluster, self.database = cluster, database

    def _run(self, *arguments):
        return subprocess.run(
            [os.path.join(self.cluster.bindir, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1",
             "-d", self.cluster.uri(self.database), *arguments], text=True, capture_output=True,
            stdin=subprocess.DEVNULL, check=False, timeout=600)

    def run(self, path):
        """None, or the error."""
        once = self._run("-1", "-f", path)
        if once.returncode == 0:
            return None
        if not any(part in once.stderr for part in _NOT_ONE):
            return once.stderr.strip()
        alone = self._run("-f", path)
        return None if alone.returncode == 0 else alone.stderr.strip()

    def run_all(self, paths, one_transaction):
        """All of them in one process, each over a connection of its own, and in one transaction if
        that can be; None, or the error."""
        begin = ("-c", "BEGIN") if one_transaction else ()
        run = self._run(*(word for path in paths for word in (
            "-c", "\\connect -", *begin, "-f", path, "-c", "COMMIT")))
        return None if run.returncode == 0 else run.stderr.strip()


def run_by_product(system, name, paths, settled=60):
    """{path: error} of those that are not applied. Needs one session for each twenty files."""
    errors = {}
    session = None
    for number, path in enumerate(paths):
        if number % MOST_OF_A_SESSION == 0:
            session = f"{name}_{number // MOST_OF_A_SESSION}"
            system.ready(session)
        with open(path, encoding="utf-8", newline="") as file:
            sql = file.read()
        error = _migrate(system, session, sql, settled)
        if error:
            errors[path] = error
    return errors


def _migrate(system, session, sql, settled):
    try:
        system.rows("SELECT agent_migrate(%s, %s)", session, sql)
    except Exception as error:  # pylint: disable=broad-exception-caught
        return f"refused: {error}".strip()
    if system.wait(session, settled) == "ready":
        return None
    row = system.rows("SELECT sqlstate, message, detail FROM agent_migrations WHERE session = %s "
                      "ORDER BY ordinal DESC LIMIT 1", session)[0]
    # The next file is a migration of its own: nothing takes the place of this one.
    system.rows("SELECT agent_migrate(%s, 'SELECT 1')", session)
    system.wait(session, settled)
    return f"{row['sqlstate']}: {row['message']} {row['detail'] or ''}".strip()


def dump(cluster, database, data):
    """The database as pg_dump writes it, without what differs from run to run."""
    arguments = [] if data else ["--schema-only"]
    text = subprocess.run([os.path.join(cluster.bindir, "pg_dump"), *arguments, "-d",
                           cluster.uri(database)], text=True, capture_output=True, check=True).stdout
    return [line for line in text.splitlines()
            if line and not re.match(r"--|\\(un)?restrict ", line)]


def differences(cluster, one, other, data=True):
    """Lines of two databases' dumps that differ, as diff shows them."""
    return [line for line in difflib.unified_diff(
        dump(cluster, one, data), dump(cluster, other, data), "psql", "agent_migrate", "", "", 1)]
