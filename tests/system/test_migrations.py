"""Migrations of many statements on real clusters: segments, attempts, refusals, risks."""
import psycopg2
import pytest

from host import wait_until
from system import query, unique

pytestmark = pytest.mark.parametrize("real_emulator", ["flat"], indirect=True)


@pytest.fixture
def session(real):
    name = unique("s")
    real.ready(name)
    yield name
    real.discard(name)


def latest(system, session):
    return system.rows("SELECT * FROM agent_migrations WHERE session = %s "
                       "ORDER BY ordinal DESC LIMIT 1", session)[0]


def failed(system, session, sql):
    """The row of a migration that has to fail."""
    system.migrate(session, sql, "failed")
    return latest(system, session)


def indexes(system, session, table="t"):
    """Names of a table's indexes, to whether they are valid."""
    return dict(query(system.uri(session), "SELECT c.relname, x.indisvalid FROM pg_index AS x JOIN "
                      "pg_class AS c ON c.oid = x.indexrelid WHERE x.indrelid = %s::regclass",
                      table))


class Holder:
    """A client of the branch that keeps others from something."""

    def __init__(self, system, session, sql):
        self.connection = psycopg2.connect(system.uri(session))
        with self.connection.cursor() as cursor:
            cursor.execute(sql)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


def await_lock(system, session, part):
    """Until a statement with this text waits for a lock on the branch."""
    wait_until(lambda: query(
        system.uri(session), "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
        "state = 'active' AND strpos(query, %s) > 0", part), 20,
        f"{part} to wait: {system.session(session)['error']}")


def end_worker(system):
    pid = system.worker()
    system.rows("SELECT pg_terminate_backend(%s)", pid)
    system.worker_runs(other_than=pid)


def test_many_statements_are_counted_and_timed(real, session):
    real.migrate(session, "CREATE TABLE t (id int);\nINSERT INTO t SELECT generate_series(1, 7);\n"
                      "UPDATE t SET id = -id WHERE id > 5; SELECT * FROM t;\n"
                      "CREATE TABLE u AS SELECT * FROM t; -- the end")
    row = latest(real, session)
    assert (row["statements"], row["statements_done"], row["alone"]) == (5, 5, [])
    assert row["rows"] == 7 + 2 + 7
    assert row["duration"].total_seconds() > 0
    assert (row["attempts"], row["risks"], row["statement"]) == (1, [], None)


def test_an_error_has_its_place_in_the_whole_text(real, session):
    row = failed(real, session, "CREATE TABLE t (id int PRIMARY KEY);\n\n  INSERT INTO t VALUES (1);\n"
                            "  -- ä\n  INSERT INTO t VALUES (1), (1);\nSELECT 1")
    assert (row["sqlstate"], row["statement"], row["line"], row["column"]) == ("23505", 3, 5, 3)
    assert row["detail"] == "Key (id)=(1) already exists."
    assert row["statements_done"] == 0
    assert query(real.uri(session), "SELECT to_regclass('t')") == [(None,)]
    row = failed(real, session, "CREATE TABLE t (id int);\nVACUUM t;\nSELECT 1; SELECT 'ä', nope FROM t")
    assert (row["sqlstate"], row["statement"], row["line"], row["column"]) == ("42703", 4, 3, 23)
    assert row["statements_done"] == 2
    assert row["detail"] == "Statements 1 to 2 are committed and stay in effect."
    row = failed(real, session, "SELECT 1;\nDO $$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = 'd', "
                            "HINT = 'h'; END $$")
    assert (row["message"], row["detail"], row["hint"], row["line"]) == ("no", "d", "h", 2)
    assert "inline_code_block" in row["context"]


def test_what_cannot_stand_in_a_transaction_runs_alone(real, session):
    real.migrate(session, """
        SET search_path = app, public;
        CREATE SCHEMA app;
        CREATE TABLE t (id int, day date) PARTITION BY RANGE (day);
        CREATE TABLE old PARTITION OF t FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        CREATE TABLE u (id int, word text);
        INSERT INTO u SELECT n, 'word ' || n FROM generate_series(1, 1000) AS n;
        CREATE INDEX "Odd ""Name" ON u (word);
        CREATE UNIQUE INDEX CONCURRENTLY u_id ON u (id);
        VACUUM ANALYZE u;
        ALTER TABLE t DETACH PARTITION old CONCURRENTLY;
        DROP INDEX CONCURRENTLY "Odd ""Name";
        REINDEX TABLE CONCURRENTLY u;
        INSERT INTO u VALUES (1001, 'more')""")
    row = latest(real, session)
    assert (row["statements"], row["statements_done"]) == (13, 13)
    assert row["alone"] == [8, 9, 10, 11, 12]
    assert indexes(real, session, "app.u") == {"u_id": True}
    assert query(real.uri(session), "SELECT count(*) FROM app.u") == [(1001,)]
    assert query(real.uri(session), "SELECT relispartition FROM pg_class WHERE relname = 'old'") == \
        [(False,)]
    assert [step["target"] for step in real.rows(
        "SELECT target FROM agent_branch.step WHERE kind = 'migrate' ORDER BY id")] == [
            "migration 1, statements 1 to 7", *(f"migration 1, statement {n} alone"
                                                for n in range(8, 13)),
            "migration 1, statements 13 to 13"]


def test_a_value_of_an_enum_may_be_used_in_the_migration_that_adds_it(real, session):
    real.migrate(session, "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (m mood)")
    real.migrate(session, "ALTER TYPE mood ADD VALUE 'glad'; ALTER TABLE t ALTER m SET DEFAULT 'glad';"
                      "INSERT INTO t DEFAULT VALUES")
    assert query(real.uri(session), "SELECT m::text FROM t") == [("glad",)]


def test_an_index_that_cannot_be_built_leaves_nothing_behind(real, session):
    real.migrate(session, "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1)")
    row = failed(real, session, "SELECT 1;\n CREATE UNIQUE INDEX CONCURRENTLY i ON t (id)")
    assert (row["sqlstate"], row["statement"], row["line"], row["column"]) == ("23505", 2, 2, 2)
    assert indexes(real, session) == {}
    real.migrate(session, "DELETE FROM t WHERE id = 1; CREATE UNIQUE INDEX CONCURRENTLY i ON t (id)")
    row = latest(real, session)
    assert (row["ordinal"], row["attempts"], row["rows"]) == (2, 2, 2)
    assert indexes(real, session) == {"i": True}
    attempts = real.rows("SELECT * FROM agent_migration_attempts WHERE ordinal = 2 ORDER BY attempt")
    assert [(one["made_by"], one["status"], one["statements_done"], one["sqlstate"])
            for one in attempts] == [("agent", "failed", 1, "23505"), ("agent", "applied", 2, None)]


def test_a_worker_that_ends_while_an_index_is_built_does_not_build_it_twice(real, session):
    real.migrate(session, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    with Holder(real, session, "INSERT INTO t VALUES (2)"):
        real.migrate(session, "CREATE INDEX CONCURRENTLY i ON t (id); INSERT INTO t VALUES (3)",
                     None)
        await_lock(real, session, "CREATE INDEX CONCURRENTLY")
        end_worker(real)
        assert indexes(real, session) == {"i": False}
    real.settle(session, "ready", 40)
    assert indexes(real, session) == {"i": True}
    outcomes = [row["outcome"] for row in real.rows(
        "SELECT outcome FROM agent_branch.step WHERE target = 'migration 2, statement 1 alone' "
        "ORDER BY id")]
    assert outcomes in (["found in effect"], ["found without effect", "done"])
    assert query(real.uri(session), "SELECT id FROM t ORDER BY id") == [(1,), (3,)]


def test_an_index_whose_builder_is_ended_is_dropped_and_built_again(real, session):
    real.migrate(session, "CREATE TABLE t (id int)")
    with Holder(real, session, "INSERT INTO t VALUES (2)"):
        real.migrate(session, "CREATE INDEX CONCURRENTLY i ON t (id)", None)
        await_lock(real, session, "CREATE INDEX CONCURRENTLY")
        query(real.uri(session), "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                             "WHERE query LIKE '%CREATE INDEX CONC%' AND pid <> pg_backend_pid()")
    real.settle(session, "ready", 40)
    assert indexes(real, session) == {"i": True}
    assert [row["outcome"] for row in real.rows(
        "SELECT outcome FROM agent_branch.step WHERE target = 'migration 2, statement 1 alone' "
        "ORDER BY id")] == ["found without effect", "done"]


def test_a_worker_that_ends_between_segments_goes_on_with_the_next_one(real, session):
    real.migrate(session, "CREATE TABLE t (id serial, word text); CREATE TABLE u ()")
    with Holder(real, session, "LOCK TABLE u IN ACCESS EXCLUSIVE MODE"):
        real.migrate(session, "INSERT INTO t (word) VALUES ('first'); VACUUM t; "
                              "INSERT INTO t (word) VALUES ('second'); ALTER TABLE u ADD a int",
                     None)
        await_lock(real, session, "ALTER TABLE u")
        row = latest(real, session)
        assert (row["status"], row["statements"], row["statements_done"]) == ("running", 4, 2)
        end_worker(real)
    real.settle(session, "ready", 40)
    assert query(real.uri(session), "SELECT word FROM t ORDER BY id") == [("first",), ("second",)]
    assert latest(real, session)["rows"] == 2


def test_twenty_migrations_of_a_megabyte(real, session):
    real.migrate(session, "CREATE TABLE t (id int, word text)")
    line = "INSERT INTO t VALUES ({}, '" + "x" * 200 + "');\n"
    text = ""
    while len(text) + len(line) + 10 < 1024 * 1024:
        text += line.format(len(text))
    text += "--" + "-" * (1024 * 1024 - len(text) - 2)
    assert len(text) == 1024 * 1024
    for _ in range(19):
        real.migrate(session, text, None)
    error = real.refused("SELECT agent_migrate(%s, 'SELECT 1')", session)
    assert (error.pgcode, error.diag.message_primary) == ("54000",
                                                          "too many migrations in one session")
    error = real.refused("CALL agent_run(%s, %s, NULL)", unique("run"), ["SELECT 1"] * 21)
    assert error.pgcode == "54000"
    real.settle(session, "ready", 300)
    rows = text.count("\n")
    assert query(real.uri(session), "SELECT count(*) FROM t") == [(19 * rows,)]
    assert {(row["statements_done"], row["rows"]) for row in real.rows(
        "SELECT statements_done, rows FROM agent_migrations WHERE ordinal > 1")} == {(rows, rows)}


@pytest.mark.parametrize("sql, sqlstate, message, line", [
    ("SELECT 1;\nCOMMIT", "2D000", "transaction control is not allowed in a migration", 2),
    ("CREATE TABLE t ();\n\nCOPY t FROM STDIN;\n\\.\n", "0A000",
     "COPY from or to the client is not possible in a migration", 3),
    ("CREATE TABLE t ();\n\\connect other", "0A000",
     "commands of psql are not possible in a migration", 2),
    ("CREATE TABLE t (); SET ROLE postgres", "0A000",
     "SET ROLE is not possible in a migration", 1),
    ("CREATE TABLE t ();\nCREATE DATABASE other", "0A000",
     "CREATE DATABASE is not possible in a migration", 2),
])
def test_a_refusal_comes_before_anything_runs(real, session, sql, sqlstate, message, line):
    error = real.refused("SELECT agent_migrate(%s, %s)", session, sql)
    assert (error.pgcode, error.diag.message_primary) == (sqlstate, message)
    assert error.diag.message_detail == f"It is in line {line}."
    assert real.rows("SELECT FROM agent_migrations WHERE session = %s", session) == []
    assert query(real.uri(session), "SELECT to_regclass('t')") == [(None,)]
    assert real.rows("SELECT FROM agent_branch.step WHERE kind = 'migrate'") == []


def test_text_that_is_not_known_here_is_for_the_branch_to_judge(real, session):
    row = failed(real, session, "CREATE TABLE t (id int);\nCREATE QUANTUM TABLE u (id int)")
    assert (row["sqlstate"], row["line"], row["column"]) == ("42601", 2, 8)
    assert row["message"] == 'syntax error at or near "QUANTUM"'
    assert [(risk["kind"], risk["object"]) for risk in row["risks"]] == [("unknown", "text")]
    deep = "SELECT " + "(" * 30000 + "1" + ")" * 30000
    assert real.refused("SELECT agent_migrate(%s, %s)", session, deep).pgcode == "54000"
    real.migrate(session, "CREATE TABLE t (id int)")
    assert latest(real, session)["attempts"] == 2


def test_risks_are_told_in_the_branchs_own_numbers(real, session):
    real.migrate(session, "CREATE TABLE small (id int, word text); INSERT INTO small VALUES (1), (2);"
                      "CREATE TABLE large AS SELECT n AS id FROM generate_series(1, 20000) AS n;"
                      "CREATE TABLE none (id int); CREATE VIEW v AS SELECT 1")
    assert latest(real, session)["risks"] == []
    real.migrate(session, """
        ALTER TABLE small ALTER word TYPE varchar, ADD need int NOT NULL DEFAULT 0;
        ALTER TABLE large ALTER id TYPE bigint;
        ALTER TABLE none ADD need int NOT NULL, ALTER id SET NOT NULL;
        CREATE INDEX ON small (id); CREATE INDEX ON large (id);
        CREATE TABLE fresh (id int); INSERT INTO fresh VALUES (1); DROP TABLE fresh;
        DROP TABLE IF EXISTS nowhere; TRUNCATE none; TRUNCATE small;
        DELETE FROM large; ALTER TABLE large RENAME TO huge; DROP VIEW v;
        SET search_path = public; DROP TABLE huge""")
    risks = latest(real, session)["risks"]
    assert [(risk["kind"], risk["object"], risk["rows"], risk["statement"]) for risk in risks] == [
        ("rewrite", "column large.id", 20000, 2), ("lock", "table large", 20000, 5),
        ("truncate", "table small", 2, 11), ("unfiltered", "table large", 20000, 12),
        ("rename", "table large", 20000, 13), ("drop", "view v", None, 14),
        ("drop", "table huge", None, 16)]
    assert risks[0]["bytes"] >= 20000 * 30
    assert (risks[0]["lock"], risks[1]["lock"], risks[0]["line"]) == \
        ("ACCESS EXCLUSIVE", "SHARE", 3)


def test_a_project_may_refuse_kinds_of_risk(real, session):
    real.register(refuse_risks=["drop", "truncate"])
    real.migrate(session, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    row = failed(real, session, "INSERT INTO t VALUES (2);\nDROP TABLE t")
    assert (row["sqlstate"], row["message"]) == \
        ("AB002", "the project does not allow what the migration puts at risk")
    assert row["detail"] == "Statement 2 in line 2: drop of table t (1 rows): its rows go with it."
    assert row["hint"].endswith("by its option refuse_risks: drop, truncate.")
    assert query(real.uri(session), "SELECT count(*) FROM t") == [(1,)]
    real.migrate(session, "ALTER TABLE t RENAME TO u")
    assert [risk["kind"] for risk in latest(real, session)["risks"]] == ["rename"]


def test_what_people_write_runs_as_it_does_in_psql(real, session):
    for sql in ("\ufeffBEGIN;\nCREATE TABLE a (x int);\nINSERT INTO a VALUES (1);\nCOMMIT;\n",
                "COMMIT; VACUUM a; BEGIN;",
                "DO $$ BEGIN INSERT INTO a VALUES (2); COMMIT; END $$;",
                "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO a VALUES (3); "
                "COMMIT; END $$; CALL p();",
                "CREATE TABLE pt (x int PRIMARY KEY) PARTITION BY RANGE (x); REINDEX TABLE pt;",
                "CREATE TYPE m AS ENUM ('a'); DO $$ BEGIN ALTER TYPE m ADD VALUE 'b'; END $$; "
                "CREATE TABLE e (c m DEFAULT 'b');",
                "", "-- nothing"):
        real.migrate(session, sql)
    statuses = {row["status"] for row in real.rows(
        "SELECT status FROM agent_migrations WHERE session = %s", session)}
    assert statuses == {"applied"}
    assert query(real.uri(session), "SELECT count(*) FROM a")[0][0] == 3
