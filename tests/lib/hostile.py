"""Random calls of everything the extension has, with hostile arguments, as roles of each level.

A call is judged by what comes back: an SQLSTATE that docs/errors.md names, with a hint that says
what to do, and no URI of a session that is not the caller's. What the calls may have changed is
for the test to look at afterwards. A seed gives the same calls in the same order, for each role
its own.
"""
import random
import re
import threading

import psycopg2

import host

# PostgreSQL itself says these before anything of ours runs, and has no hint for them.
OWN_DENIAL = re.compile(r"permission denied for (function|procedure|view|table|schema)|"
                        r"cannot execute (DELETE|LOCK TABLE) in a read-only transaction")
# The calls' own timeout, which ends those that wait as they should.
TIMEOUT = "57014"

LONG = "long" * 3000
TEXTS = ["", " ", "nope", "own-a", "own-b", "victim", "first-one-1", "vault-two-2", "parent", "branch",
         "user", "admin", "monitor", "replay", "restore", "candidate", "auto", "rebase", "fail", "drop",
         "text", "mermaid", "svg", "..", ".", "../../etc/passwd", "/etc/passwd", "a/b?c=d#e%00", LONG,
         "x" * 63, "x" * 64, "x" * 257, "'; DROP TABLE agent_branch.session; --", "$1", "%s%n", "\\",
         "\x1b]0;title\x07\x1b[31m", "\r\nX-Injected: 1", "\u202eelif", "𝔘𝔫𝔦", "a\u0300" * 40,
         "\ufeff", "{}", "null", "SELECT 1", "SELECT nope", "CREATE TABLE (", "/*" * 200, "BEGIN",
         "COPY t FROM PROGRAM 'id'", "DO $$", "SELECT $1", "-1", "1e400", "neondb_owner", "postgres",
         "agent_branch.read_script", "pg_catalog.pg_sleep", '{"kind": "restore"}', "[" * 500]
INTERVALS = ["0", "1 ms", "-1 day", "1 hour", "-178000000 years", "178000000 years",
             "1 mon -30 days -00:00:01", "-2147483648 days", "31 days", "1 us", "20 ms"]
DOCUMENTS = ["{}", "[]", "null", "1", '"x"', "true", '{"a": {"b": {"c": [1, 2, {"d": null}]}}}',
             '{"": 1}', '{"max_parallel": 1e400}', '{"max_parallel": -1}', '{"max_parallel": "4"}',
             '{"ttl": "infinity"}', '{"ttl": 5}', '{"min_cu": 100, "max_cu": 1}', '{"max_cu": 1e308}',
             '{"api_key_file": "../../key"}', '{"api_key_file": "/etc/shadow"}',
             '{"fixer_function": "pg_catalog.pg_read_file"}', '{"fixer": "function"}', '{"gates": [1]}',
             '{"refuse_risks": ["x"]}', '{"refuse_risks": "drop"}', '{"live_sessions": 1.5}',
             '{"live_sessions": -3}', '{"managed_schemas": [""]}', '{"undo_window": "1000000 years"}',
             '{"unknown\\u001b": 1}', "[" * 300 + "]" * 300, '{"x": "' + "y" * 5000 + '"}',
             '{"original": 1}', '{"facts": [], "original": "SELECT 1", "fix": "SELECT 2"}']
VALUES = {
    "text": TEXTS, "name": TEXTS[:30], "interval": INTERVALS, "jsonb": DOCUMENTS, "json": DOCUMENTS,
    "boolean": ["true", "false"],
    "bigint": ["0", "1", "-1", "2", "9223372036854775807", "-9223372036854775808"],
    "integer": ["0", "1", "-1", "20", "2147483647", "-2147483648"],
    "double precision": ["0", "-1", "NaN", "Infinity", "-Infinity", "1e308", "0.5"],
    "oid": ["0", "10", "4000000000", "1"], "bytea": ["", "\\x00ff", "\\x" + "ab" * 5000],
    "regrole": ["-", "postgres", "pg_monitor", "hostile_user_a", "hostile_stranger"],
    "text[]": ["{}", "{NULL}", "{SELECT 1,SELECT nope}", "{{a,b},{c,d}}", '{"",""}',
               "{" + ",".join(["SELECT 1"] * 30) + "}"],
    "xid8": ["0", "1"], "inet": ["::1"], "timestamp with time zone": ["infinity", "-infinity", "epoch"],
}
SHAPES = ["plain"] * 6 + ["rolled back", "read only", "savepoint", "serializable", "prepared", "do"]
ROUTINES = """
    SELECT n.nspname, f.proname, f.prokind, f.pronargdefaults AS defaults,
        ARRAY(SELECT format_type(t.type, NULL) FROM unnest(f.proargtypes) WITH ORDINALITY AS t (type, n)
            ORDER BY t.n) AS types
    FROM pg_proc AS f JOIN pg_namespace AS n ON n.oid = f.pronamespace JOIN pg_depend AS d ON d.objid = f.oid
        AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    WHERE d.refclassid = 'pg_extension'::regclass
        AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch')
        AND f.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    ORDER BY 1, 2, 5"""
RELATIONS = """
    SELECT d.objid::regclass::text AS name FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
        AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch') AND c.relkind IN ('r', 'v')
    ORDER BY 1"""


def documented():
    """The SQLSTATEs that docs/errors.md has the functions raise: those of its first table."""
    with open(f"{host.REPOSITORY}/docs/errors.md", encoding="utf-8") as file:
        table = file.read().split("\n\nErrors that a migration fails with")[0]
    return set(re.findall(r"`([0-9A-Z]{5})`", table))


class Caller:
    """One role's calls. `may_know` are the marks of secrets that it may be told."""

    def __init__(self, system, role, seed, may_know=(), only=None):
        self.system, self.role = system, role
        self.random = random.Random(f"{seed} {role}")
        self.may_know = set(may_know)
        self.routines = [dict(row) for row in system.rows(ROUTINES)
                         if only is None or re.match(only, row["proname"])]
        self.relations = [row["name"] for row in system.rows(RELATIONS)] if only is None else []
        self.known = documented()
        self.complaints = []
        self.seen = {}  # SQLSTATE, or "" for no error: how often
        self.connection = None

    # --- what is called

    def value(self, kind):
        if self.random.random() < 0.06:
            return None
        return self.random.choice(VALUES.get(kind, ["0"]))

    def call(self):
        """SQL and values."""
        if self.relations and self.random.random() < 0.12:
            name = self.random.choice(self.relations)
            return self.random.choice((
                f"SELECT * FROM {name} AS t LIMIT 50", f"DELETE FROM {name}", f"TABLE {name}",
                f"SELECT * FROM {name} AS t WHERE t::text LIKE '%%secret-%%'",
                f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE NOWAIT")), []
        routine = self.random.choice(self.routines)
        count = len(routine["types"])
        count -= self.random.randint(0, routine["defaults"])
        types = routine["types"][:count]
        name = f'{routine["nspname"]}.{routine["proname"]}'
        arguments = ", ".join(f"CAST(%s AS {kind})" for kind in types)
        verb = "CALL" if routine["prokind"] == "p" else self.random.choice(("SELECT", "SELECT * FROM"))
        return f"{verb} {name}({arguments})", [self.value(kind) for kind in types]

    def statements(self, cursor, sql, values):
        shape = self.random.choice(SHAPES)
        if sql.startswith("LOCK"):
            shape = "rolled back"
        if sql.startswith("CALL"):
            shape = self.random.choice(("plain", "plain", "rolled back"))
        begins = {"plain": [], "do": [], "rolled back": ["BEGIN"], "prepared": [],
                  "read only": ["BEGIN READ ONLY"], "savepoint": ["BEGIN", "SAVEPOINT one"],
                  "serializable": ["BEGIN ISOLATION LEVEL SERIALIZABLE"]}[shape]
        for begin in begins:
            cursor.execute(begin)
        whole = cursor.mogrify(sql, values).decode()
        if shape == "do" and whole.startswith("SELECT "):
            whole = cursor.mogrify("DO %s", [f"BEGIN PERFORM {whole[7:]}; END"]).decode()
        if shape == "prepared":
            cursor.execute(f"PREPARE one AS {whole}")
            whole = "EXECUTE one"
        cursor.execute(whole)
        return cursor.fetchall() if cursor.description else []

    # --- and what comes of it

    def one(self):
        if self.connection is None or self.connection.closed:
            self.connection = self.system.cluster.connect(
                self.system.database, user=self.role, options="-c statement_timeout=60ms")
            self.connection.autocommit = True
        sql, values = self.call()
        text, code = "", ""
        with self.connection.cursor() as cursor:
            try:
                text = str(self.statements(cursor, sql, values))
            except psycopg2.Error as error:
                code = error.pgcode or "none"
                text = "\n".join(filter(None, (str(error), error.diag.message_hint)))
                self.judge_error(sql, values, error)
            self.judge_text(sql, values, text)
            self.seen[code] = self.seen.get(code, 0) + 1
            if self.connection.closed:
                self.complain(sql, values, f"the connection is gone: {text}")
                return
            try:
                cursor.execute("ROLLBACK")
                cursor.execute("DEALLOCATE ALL")
            except psycopg2.Error:  # the timeout, on a machine with too much to do
                self.connection.close()

    def judge_error(self, sql, values, error):
        code, message = error.pgcode, error.diag.message_primary or ""
        if code == TIMEOUT:
            return
        if code not in self.known:
            self.complain(sql, values, f"{code} is not in docs/errors.md: {message}")
        elif not error.diag.message_hint and not OWN_DENIAL.match(message):
            self.complain(sql, values, f"{code} has no hint: {message}")

    def judge_text(self, sql, values, text):
        told = set(re.findall(r"secret-([\w]+)-mark", text))
        if told - self.may_know:
            self.complain(sql, values, f"told the secrets of {told - self.may_know}")
        if "very-secret-key" in text:
            self.complain(sql, values, "told the API key")
        if "\x1b" in text and "ERROR" in text and "\x1b" not in str(values):
            self.complain(sql, values, "an escape sequence came back")

    def complain(self, sql, values, what):
        shown = [value if value is None or len(value) < 80 else value[:80] + "..." for value in values]
        self.complaints.append(f"{self.role}: {sql} {shown}: {what}")

    def run(self, calls):
        for _ in range(calls):
            self.one()
            if len(self.complaints) > 20:
                break
        if self.connection is not None:
            self.connection.close()


def run_all(callers, calls):
    """So many calls each, all at the same time; returns the complaints."""
    failures = []

    def run(caller):
        try:
            caller.run(calls)
        except BaseException as error:  # pylint: disable=broad-except
            failures.append(f"{caller.role}: {type(error).__name__}: {error}")
    threads = [threading.Thread(target=run, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures + [complaint for caller in callers for complaint in caller.complaints]
