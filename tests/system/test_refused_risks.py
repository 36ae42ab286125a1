"""What a project's refuse_risks keeps out, whatever the spelling, and what it lets through."""
import pytest

import spellings
from system import query, unique

REFUSED = ["drop", "truncate", "unfiltered"]


@pytest.fixture
def guarded(memory, fixed_uri):
    """A project that refuses kinds of risk, over a database with rows."""
    query(fixed_uri, "DROP SCHEMA IF EXISTS app, app2 CASCADE")
    query(fixed_uri, spellings.SETUP + "SELECT lo_create(0); CREATE FUNCTION app.late() RETURNS trigger "
          "LANGUAGE plpgsql AS 'BEGIN DELETE FROM app.posts; RETURN NEW; END'")
    memory.register(refuse_risks=REFUSED)
    yield memory
    query(fixed_uri, "DROP SCHEMA app CASCADE")


def content(uri):
    """All rows and all objects, as one text."""
    rows = [query(uri, f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM app.{table} AS t")
            for table in spellings.TABLES]
    objects = query(uri, "SELECT md5(string_agg(concat_ws(' ', c.oid, c.relname, a.attname), ',' "
                    "ORDER BY c.oid, a.attnum)) FROM pg_class AS c LEFT JOIN pg_attribute AS a ON "
                    "a.attrelid = c.oid WHERE c.relnamespace = 'app'::regnamespace")
    more = query(uri, "SELECT count(*), (SELECT count(*) FROM pg_proc WHERE pronamespace = "
                 "'app'::regnamespace) FROM pg_largeobject_metadata")
    return rows, objects, more


def test_no_spelling_of_a_destruction_passes(guarded, fixed_uri):
    name = unique("s")
    guarded.ready(name)
    before = content(fixed_uri)
    passed = []
    for sql in spellings.DESTRUCTIVE:
        guarded.rows("SELECT agent_migrate(%s, %s)", name, sql)
        state = guarded.wait(name)
        row = guarded.rows("SELECT * FROM agent_migrations WHERE session = %s", name)[0]
        if state != "failed" or row["sqlstate"] != "AB002" or content(fixed_uri) != before:
            passed.append((sql, state, row["sqlstate"], row["message"], row["detail"]))
            break
    assert passed == []
    assert len(spellings.DESTRUCTIVE) >= 60
    guarded.discard(name)


def test_no_innocent_migration_is_refused(guarded):
    name, refused = None, []
    for number, sql in enumerate(spellings.INNOCENT):
        if name is None:
            name = unique("s")
            guarded.ready(name)
        guarded.rows("SELECT agent_migrate(%s, %s)", name, sql)
        state = guarded.wait(name)
        if state != "ready":
            row = guarded.rows("SELECT * FROM agent_migrations WHERE session = %s "
                               "ORDER BY ordinal DESC LIMIT 1", name)[0]
            refused.append((sql, row["sqlstate"], row["message"], row["detail"]))
        if state != "ready" or number % 20 == 19:
            guarded.discard(name)
            name = None
    assert refused == []
    assert len(spellings.INNOCENT) >= 40


def test_what_was_done_is_told_where_the_text_says_nothing(guarded):
    name = unique("s")
    guarded.ready(name)
    guarded.rows("SELECT agent_migrate(%s, %s)", name, "SELECT app.wipe()")
    assert guarded.wait(name) == "failed"
    row = guarded.rows("SELECT * FROM agent_migrations WHERE session = %s", name)[0]
    assert row["message"] == "the project does not allow what the migration puts at risk"
    assert row["detail"] == ("Measured before COMMIT: unfiltered of table app.posts: none of its rows "
                             "is as it was: 30 were deleted, 0 updated.")
    assert [(risk["kind"], risk["object"], risk["statement"]) for risk in row["risks"]] == \
        [("unfiltered", "table app.posts", None)]
    guarded.discard(name)
