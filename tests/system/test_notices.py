"""What the branch's server says besides errors, and who keeps a migration from a lock."""
import psycopg2
import pytest

from host import wait_until
from system import query, unique


@pytest.fixture
def system(memory, fixed_uri):
    query(fixed_uri, "DROP SCHEMA IF EXISTS said CASCADE; CREATE SCHEMA said; "
          "CREATE TABLE said.orders (id int, total text)")
    yield memory
    query(fixed_uri, "DROP SCHEMA said CASCADE")


@pytest.fixture
def session(system):
    name = unique("s")
    system.ready(name)
    return name


def attempt(system, session):
    return system.rows("SELECT * FROM agent_migration_attempts WHERE session = %s "
                       "ORDER BY ordinal DESC, attempt DESC LIMIT 1", session)[0]


def notices(system, session, sql, state="ready"):
    system.migrate(session, sql, state)
    return attempt(system, session)["notices"]


def test_a_statement_that_did_nothing_is_told_with_what_is_there_instead(system, session):
    said = notices(system, session, """SET search_path = said;
        CREATE TABLE IF NOT EXISTS orders (id uuid, customer_id uuid);
        CREATE TABLE items (id int);
        DROP TABLE IF EXISTS ordres;""")
    assert [(one["severity"], one["sqlstate"], one["message"], one.get("statement"), one["nothing"])
            for one in said] == [
        ("NOTICE", "42P07", 'relation "orders" already exists, skipping', 2, True),
        ("NOTICE", "00000", 'table "ordres" does not exist, skipping', 4, True)]
    assert said[0]["there"] == "table said.orders (id integer, total text)"
    said = notices(system, session, "ALTER TABLE said.orders ADD COLUMN IF NOT EXISTS total numeric")
    assert said[0]["there"] == "table said.orders (id integer, total text)"
    assert (said[0]["sqlstate"], said[0]["statement"], said[0]["line"]) == ("42701", 1, 1)
    said = notices(system, session, """CREATE TABLE IF NOT EXISTS said.orders ();
        ALTER TABLE said.orders ADD COLUMN IF NOT EXISTS total numeric;
        DO $$ BEGIN RAISE NOTICE 'hello'; END $$;
        SELECT 1""")
    assert [(one["message"], one["statement"]) for one in said[2:]] == [("hello", 3)]
    assert notices(system, session, "SELECT 1") is None


def test_warnings_are_kept_of_what_failed_and_of_what_wrote_nothing(system, session):
    said = notices(system, session, "DO $$ BEGIN RAISE WARNING 'beware' USING DETAIL = 'd', HINT = 'h', "
                   "ERRCODE = '01ABC'; END $$")
    assert said == [{"severity": "WARNING", "sqlstate": "01ABC", "message": "beware", "detail": "d",
                     "hint": "h", "statement": 1, "line": 1}]
    said = notices(system, session, "DO $$ BEGIN RAISE NOTICE 'first'; END $$; SELECT nope", "failed")
    assert [one["message"] for one in said] == ["first"]
    said = notices(system, session, "DO $$ BEGIN FOR n IN 1..500 LOOP RAISE NOTICE '%', n; END LOOP; "
                   "END $$")
    assert (len(said), said[99]["message"], said[100]["message"]) == \
        (101, "100", "400 more are not kept")
    assert len(system.rows("SELECT 1 AS one FROM agent_migration_attempts WHERE session = %s AND attempt = 1 "
                           "AND notices @> '[{\"message\": \"first\"}]'", session)) == 1


def test_a_grant_without_effect_is_told(system, session, fixed_uri):
    query(fixed_uri, "DROP ROLE IF EXISTS said_reader, said_writer; CREATE ROLE said_reader; "
          "CREATE ROLE said_writer")
    said = notices(system, session, "DO $$ BEGIN PERFORM set_config('role', 'said_writer', true); "
                   "EXECUTE 'GRANT SELECT ON pg_class TO said_reader'; "
                   "PERFORM set_config('role', 'none', true); END $$")
    query(fixed_uri, "DROP ROLE said_reader, said_writer")
    assert [(one["severity"], one["sqlstate"], one["nothing"]) for one in said] == \
        [("WARNING", "01007", True)]


@pytest.mark.parametrize("how", ["", "CONCURRENTLY "])
def test_an_invalid_index_of_the_wanted_name_is_a_failure(system, session, fixed_uri, how):
    query(fixed_uri, "INSERT INTO said.orders VALUES (1, 'a'), (1, 'b')")
    connection = psycopg2.connect(fixed_uri)
    connection.autocommit = True
    with pytest.raises(psycopg2.Error), connection.cursor() as cursor:
        cursor.execute("CREATE UNIQUE INDEX CONCURRENTLY orders_id ON said.orders (id)")
    connection.close()
    system.migrate(session, f"CREATE INDEX {how}IF NOT EXISTS orders_id ON said.orders (id)", "failed")
    row = attempt(system, session)
    assert (row["sqlstate"], row["message"]) == \
        ("55000", 'index "orders_id" is there already, but it is invalid')
    assert "DROP INDEX CONCURRENTLY" in row["hint"]
    system.migrate(session, "DROP INDEX CONCURRENTLY IF EXISTS said.orders_id; CREATE INDEX "
                   "CONCURRENTLY IF NOT EXISTS orders_id ON said.orders (id)")


@pytest.mark.parametrize("sql", ["ALTER TABLE said.orders ADD x int",
                                 "CREATE INDEX CONCURRENTLY orders_total ON said.orders (total)"])
def test_a_lock_that_is_not_to_be_had_names_who_holds_it(system, session, fixed_uri, sql):
    system.register(lock_timeout="50ms")
    holder = psycopg2.connect(fixed_uri, application_name="nightly report")
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE said.orders IN ACCESS EXCLUSIVE MODE; SELECT 'counts orders'")
    system.migrate(session, sql, None)
    system.settle(session, "failed", 60)
    row = attempt(system, session)
    assert row["sqlstate"] == "55P03"
    part = row["detail"]
    for word in (f"Process {holder.info.backend_pid} of role", "nightly report",
                 "ACCESS EXCLUSIVE on said.orders since ", "counts orders"):
        assert word in part, part
    tries = system.rows("SELECT outcome FROM agent_branch.step WHERE kind = 'migrate' ORDER BY id")
    assert [one["outcome"] for one in tries][:4] == ["a lock was not to be had"] * 4
    holder.close()
    system.migrate(session, sql)


def test_a_lock_that_comes_free_is_had(system, session, fixed_uri):
    system.register(lock_timeout="50ms")
    holder = psycopg2.connect(fixed_uri)
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE said.orders IN ACCESS EXCLUSIVE MODE")
    system.migrate(session, "ALTER TABLE said.orders ADD y int", None)
    wait_until(lambda: system.rows("SELECT 1 AS one FROM agent_branch.step WHERE outcome = "
                                   "'a lock was not to be had'"), 20, "a lock time-out")
    holder.close()
    system.settle(session, "ready")
