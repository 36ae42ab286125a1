"""The check of a fix as a bench that texts are laid on: the mistake is made for real, the facts are
the database's, the verdict is agent_branch.check_fix()'s; and what two texts do is compared by
running both on copies."""
import json
import subprocess

import psycopg2
from cluster import Cluster

CONTROL = "control"
BASE = "base"


class Bench:
    """A cluster with the extension in one database, and databases to make mistakes in."""

    def __enter__(self):
        self.cluster = Cluster({"shared_preload_libraries": "agent_branch",
                                "agent_branch.reap_interval": 0}, name="bench")
        self.cluster.psql(f"CREATE DATABASE {CONTROL}")
        self.cluster.psql("CREATE EXTENSION agent_branch", CONTROL)
        self.control = self.connect(CONTROL)
        self.base = None
        self.copies = 0
        return self

    def __exit__(self, *_):
        self.control.close()
        self.lay(None)
        self.cluster.close()

    def connect(self, database):
        connection = self.cluster.connect(database)
        connection.autocommit = True
        return connection

    def lay(self, setup):
        """What the migrations find; None: nothing any more."""
        if self.base:
            self.base.close()
            self.base = None
            self.cluster.psql(f"DROP DATABASE {BASE}")
        if setup is not None:
            self.cluster.psql(f"CREATE DATABASE {BASE}")
            self.base = self.connect(BASE)
            self.base.cursor().execute(setup or "SELECT 1")
            # What it sets for the database holds from the next connection on.
            self.base.close()
            self.base = self.connect(BASE)

    def mistake(self, sql):
        """The error of a text as agent_branch sees it; None: it has none. Nothing of it stays."""
        cursor = self.base.cursor()
        cursor.execute("BEGIN")
        try:
            cursor.execute(sql.encode())
            return None
        except psycopg2.Error as error:
            return self._described(sql, error.diag)
        finally:
            cursor.execute("ROLLBACK")

    @staticmethod
    def _described(sql, diag):
        line = column = 1  # as the worker has it for an error of a first statement without a place
        if diag.statement_position:
            before = sql[:int(diag.statement_position) - 1]
            line = before.count("\n") + 1
            column = len(before) - (before.rfind("\n") + 1) + 1
        return {"sqlstate": diag.sqlstate, "message": diag.message_primary or "",
                "detail": diag.message_detail or "", "line": line, "column": column}

    def facts(self, original, fix):
        control = self.control.cursor()
        control.execute("SELECT agent_branch.fix_facts_query(%s, %s)", (original, fix))
        query = control.fetchone()[0]
        cursor = self.base.cursor()
        cursor.execute("BEGIN; SET LOCAL search_path = pg_catalog")
        cursor.execute(query.encode())
        facts = cursor.fetchone()[0]
        cursor.execute("ROLLBACK")
        return facts

    def judge(self, original, fix, errors, facts):
        cursor = self.control.cursor()
        cursor.execute("SELECT agent_branch.check_fix(%s)", (json.dumps(
            {"original": original, "fix": fix, "errors": errors, "facts": facts}),))
        return cursor.fetchone()[0]

    def verdict(self, original, fix):
        """Of a fix of a text that fails on what is laid out."""
        error = self.mistake(original)
        assert error, f"nothing is wrong with: {original}"
        return self.judge(original, fix, [error], self.facts(original, fix))

    def outcome(self, sql):
        """What a text leaves behind, on a copy of its own: a dump, or the error."""
        self.copies += 1
        name = f"copy_{self.copies}"
        self.base.close()
        self.cluster.psql(f"CREATE DATABASE {name} TEMPLATE {BASE}")
        self.base = self.connect(BASE)
        connection = self.cluster.connect(name)
        try:
            cursor = connection.cursor()
            # Two runs are not at one time.
            cursor.execute(sql.replace("now()", "timestamptz '2026-01-01'").encode())
            connection.commit()
        except psycopg2.Error as error:
            return f"error {error.diag.sqlstate}"
        finally:
            connection.close()
        dump = subprocess.run(["pg_dump", self.cluster.uri(name)], capture_output=True, text=True,
                              check=True).stdout
        self.cluster.psql(f"DROP DATABASE {name}")
        return "\n".join(line for line in dump.splitlines() if not line.startswith("\\"))
