"""Random schemas, and programs of two sides that change them: what merging them must come to is
found by running them in both orders on a real database.

Everything is in one schema, whose name the texts have as {s}.
"""
import os
import random
import subprocess

import psycopg2

import host

# The one of the server's own version, and not what chooses among several of them each time.
PG_DUMP = os.path.join(host.pg_bindir(), "pg_dump")

BASE = """
CREATE SCHEMA {s};
CREATE TYPE {s}.mood AS ENUM ('low', 'high');
CREATE TABLE {s}.a (id serial PRIMARY KEY, n int DEFAULT 1, t text, m {s}.mood);
CREATE TABLE {s}.b (id int PRIMARY KEY, a_id int, n int NOT NULL, t text);
CREATE TABLE {s}.c (k text, v int, CONSTRAINT c_positive CHECK (v > 0));
CREATE INDEX b_n ON {s}.b (n);
CREATE VIEW {s}.v AS SELECT id, n FROM {s}.a;
CREATE FUNCTION {s}.f(x int) RETURNS int LANGUAGE sql AS 'SELECT x + 1';
CREATE FUNCTION {s}.g() RETURNS bigint LANGUAGE plpgsql AS
  'BEGIN RETURN (SELECT sum(n) FROM {s}.b); END';
CREATE FUNCTION {s}.touch() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN NEW.t := coalesce(NEW.t, ''touched''); RETURN NEW; END';
CREATE SEQUENCE {s}.q;
INSERT INTO {s}.a (n, t, m) SELECT x, 'row ' || x, 'low' FROM generate_series(1, 8) AS x;
INSERT INTO {s}.b SELECT x, x, x * 10, 'b' || x FROM generate_series(1, 8) AS x;
INSERT INTO {s}.c SELECT 'k' || x, x FROM generate_series(1, 5) AS x;
"""

# Kind → texts. {r} is a number that only this side has, {x} one that both may have.
KINDS = {
    "add column": ["ALTER TABLE {s}.{t} ADD COLUMN x{r} int",
                   "ALTER TABLE {s}.{t} ADD COLUMN same{x} int DEFAULT {x}"],
    "add column with a default": ["ALTER TABLE {s}.{t} ADD COLUMN d{r} text DEFAULT 'new'"],
    "drop column": ["ALTER TABLE {s}.a DROP COLUMN t", "ALTER TABLE {s}.b DROP COLUMN t",
                    "ALTER TABLE {s}.b DROP COLUMN n", "ALTER TABLE {s}.a DROP COLUMN n CASCADE"],
    "alter type": ["ALTER TABLE {s}.b ALTER COLUMN n TYPE bigint",
                   "ALTER TABLE {s}.c ALTER COLUMN v TYPE numeric(9, {x})"],
    "set default": ["ALTER TABLE {s}.a ALTER COLUMN n SET DEFAULT {x}"],
    "drop default": ["ALTER TABLE {s}.a ALTER COLUMN n DROP DEFAULT"],
    "set not null": ["ALTER TABLE {s}.b ALTER COLUMN t SET NOT NULL"],
    "drop not null": ["ALTER TABLE {s}.b ALTER COLUMN n DROP NOT NULL"],
    "add check": ["ALTER TABLE {s}.b ADD CONSTRAINT b_check{x} CHECK (n > {x})",
                  "ALTER TABLE {s}.a ADD CONSTRAINT a_check{r} CHECK (n < 1000)"],
    "add unique": ["ALTER TABLE {s}.b ADD CONSTRAINT b_unique{r} UNIQUE (a_id)"],
    "add foreign key": ["ALTER TABLE {s}.b ADD CONSTRAINT b_a{x} FOREIGN KEY (a_id) "
                        "REFERENCES {s}.a"],
    "drop constraint": ["ALTER TABLE {s}.c DROP CONSTRAINT c_positive"],
    "create index": ["CREATE INDEX i{r} ON {s}.b (a_id)", "CREATE INDEX same{x} ON {s}.a (n)",
                     "CREATE INDEX j{r} ON {s}.a (t)"],
    "drop index": ["DROP INDEX {s}.b_n"],
    "rename column": ["ALTER TABLE {s}.c RENAME COLUMN v TO w{x}",
                      "ALTER TABLE {s}.b RENAME COLUMN t TO text{r}"],
    "rename table": ["ALTER TABLE {s}.c RENAME TO c{x}"],
    "create table": ["CREATE TABLE {s}.made{r} (id int PRIMARY KEY, x int)",
                     "CREATE TABLE {s}.made{x} (id int)",
                     "CREATE TABLE {s}.refers{r} (id int REFERENCES {s}.a)"],
    "drop table": ["DROP TABLE {s}.c", "DROP TABLE {s}.b"],
    "create view": ["CREATE VIEW {s}.w{r} AS SELECT k, v FROM {s}.c",
                    "CREATE VIEW {s}.u{r} AS SELECT * FROM {s}.b"],
    "replace view": ["CREATE OR REPLACE VIEW {s}.v AS SELECT id, n, {x} AS more FROM {s}.a"],
    "drop view": ["DROP VIEW {s}.v"],
    "replace function": ["CREATE OR REPLACE FUNCTION {s}.f(x int) RETURNS int LANGUAGE sql AS "
                         "'SELECT x + {x}'"],
    "create function": ["CREATE FUNCTION {s}.h{r}() RETURNS bigint LANGUAGE plpgsql AS "
                        "'BEGIN RETURN (SELECT count(*) FROM {s}.c); END'",
                        "CREATE FUNCTION {s}.k{r}(y int) RETURNS int LANGUAGE sql AS "
                        "'SELECT {s}.f(y)'"],
    "drop function": ["DROP FUNCTION {s}.f(int)", "DROP FUNCTION {s}.g()"],
    "create trigger": ["CREATE TRIGGER tr{r} BEFORE INSERT ON {s}.b FOR EACH ROW "
                       "EXECUTE FUNCTION {s}.touch()"],
    "enum value": ["ALTER TYPE {s}.mood ADD VALUE 'mood{r}'"],
    "create type": ["CREATE TYPE {s}.pair{x} AS (left int, right int)"],
    "alter sequence": ["ALTER SEQUENCE {s}.q INCREMENT BY {x}"],
    "comment": ["COMMENT ON TABLE {s}.{t} IS 'comment {x}'", "COMMENT ON COLUMN {s}.b.n IS '{r}'"],
    "policy": ["ALTER TABLE {s}.b ENABLE ROW LEVEL SECURITY; "
               "CREATE POLICY p{r} ON {s}.b USING (n > {x})"],
    "grant": ["GRANT SELECT ON {s}.{t} TO PUBLIC", "REVOKE ALL ON FUNCTION {s}.f(int) FROM PUBLIC"],
    "options": ["ALTER TABLE {s}.{t} SET (fillfactor = {x}0)"],
    "materialized view": ["CREATE MATERIALIZED VIEW {s}.mv{r} AS SELECT count(*) AS n FROM {s}.b"],
    "insert": ["INSERT INTO {s}.a (n, t) VALUES ({r}, 'inserted {r}')",
               "INSERT INTO {s}.c VALUES ('new {r}', {x})",
               "INSERT INTO {s}.b (id, n) VALUES ({r}00, {x})"],
    "update": ["UPDATE {s}.a SET n = n + {x} WHERE id = {x}",
               "UPDATE {s}.b SET n = n + 1"],
    "delete": ["DELETE FROM {s}.b WHERE id = {x}", "DELETE FROM {s}.c WHERE v = {x}"],
    "truncate": ["TRUNCATE {s}.c"],
    "update by a function": ["UPDATE {s}.a SET n = {s}.f(n) WHERE id < {x}"],
    "insert by a view": ["INSERT INTO {s}.c SELECT 'v' || id, n FROM {s}.v WHERE id = {x}"],
    "insert by select": ["INSERT INTO {s}.c SELECT t, n FROM {s}.a WHERE n > {x}"],
}


class Case:
    def __init__(self, seed, scratch):
        """scratch: a URI of a database in which everything is tried."""
        self.seed = seed
        self.schema = f"case_{seed}"
        self.chance = random.Random(seed)
        self.scratch = psycopg2.connect(scratch)
        self.scratch.autocommit = True
        self.uri = scratch
        self.base = self.text(BASE)
        self.ours, self.theirs = self._program(1), self._program(2)
        self.kinds = set()

    def close(self):
        self._execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
        self.scratch.close()

    def text(self, template, side=0):
        words = {"s": self.schema, "t": self.chance.choice("abc"), "x": self.chance.randint(2, 4),
                 "r": side * 10 + self.chance.randint(1, 9)}
        for word, value in words.items():
            template = template.replace("{" + word + "}", str(value))
        return template

    def _execute(self, sql):
        with self.scratch.cursor() as cursor:
            cursor.execute("SET client_min_messages = error")
            cursor.execute(sql)

    def _begin(self):
        self._execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
        self._execute(self.base)

    def _program(self, side):
        """Statements that run on the base, one after the other."""
        self._begin()
        program = []
        for _ in range(self.chance.randint(1, 4)):
            kind = self.chance.choice(sorted(KINDS))
            statement = self.text(self.chance.choice(KINDS[kind]), side)
            try:
                self._execute(statement)
                program.append(statement)
            except psycopg2.Error:
                pass
        return program or [self.text("COMMENT ON SCHEMA {s} IS 'nothing'")]

    def outcome(self, *programs):
        """What comes of them in this order: (schema, rows), or the error."""
        self._begin()
        for statement in (one for program in programs for one in program):
            try:
                self._execute(statement)
            except psycopg2.Error as error:
                return str(error).splitlines()[0]
        return look(self.uri, self.schema)


def look(uri, schema):
    """The schema as pg_dump tells it, with the order of columns left out, and all rows."""
    dump = subprocess.run([PG_DUMP, "-s", "-n", schema, uri],
                          capture_output=True, text=True, check=True, timeout=60).stdout
    statements = set()
    for statement in dump.split(";\n"):
        lines = [line.strip().rstrip(",") for line in statement.splitlines()
                 if line.strip() and not line.startswith(("--", "\\", "SET ", "SELECT pg_catalog"))]
        if lines and lines[0].startswith("CREATE TABLE"):
            lines = [lines[0], *sorted(lines[1:])]
        if lines:
            statements.add("\n".join(lines))
    connection = psycopg2.connect(uri)
    rows = {}
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables "
                       "WHERE schemaname = %s", (schema,))
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT to_jsonb(entire)::text FROM {table} AS entire")
            rows[table] = sorted(row for (row,) in cursor.fetchall())
    connection.close()
    return statements, rows


def difference(one, other):
    """For people: what is in one and not in the other."""
    if isinstance(one, str) or isinstance(other, str):
        return f"{one if isinstance(one, str) else 'runs'} / " \
               f"{other if isinstance(other, str) else 'runs'}"
    texts = [f"- {text}" for text in sorted(one[0] - other[0])]
    texts += [f"+ {text}" for text in sorted(other[0] - one[0])]
    texts += [f"rows of {table}: {one[1].get(table)} / {other[1].get(table)}"
              for table in sorted(set(one[1]) | set(other[1]))
              if one[1].get(table) != other[1].get(table)]
    return "\n".join(texts)
