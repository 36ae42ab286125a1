"""Undo of merges, on real clusters and in both topologies: what comes back, and what it asks first."""
import pytest

from system import PROJECT, query, unique


@pytest.fixture
def orders(real):
    """A table of development that others write to; merges can be undone for an hour."""
    real.register(undo_window="1 hour")
    table = unique("undo_orders")
    real.ready("base")
    real.migrate("base", f"CREATE TABLE {table} (id serial PRIMARY KEY, item text); "
                         f"INSERT INTO {table} (item) VALUES ('first')")
    real.merge("base")
    return table


def merge_of(system, name):
    return system.rows("SELECT * FROM agent_merges WHERE session = %s ORDER BY requested_at DESC",
                       name)[0]


def undo(system, name, **options):
    system.rows("SELECT agent_merge_undo(%s, %s)", name, options.get("force", False))
    assert system.wait(name, 60) == "merged"
    return merge_of(system, name)


def on_parent(system, sql, *values):
    """Over a URI that is new: an undo may bring back an older password."""
    name = unique("look")
    system.ready(name)
    rows = query(system.uri(name, "parent"), sql, *values)
    system.discard(name)
    return rows


@pytest.mark.parametrize("strategy", ["replay", "restore"])
def test_a_merge_is_taken_back(real, orders, strategy):
    name = unique("s")  # in lineage its branch may stay, under its name
    real.ready(name)
    real.migrate(name, f"ALTER TABLE {orders} ADD COLUMN note text; "
                      f"INSERT INTO {orders} (item) VALUES ('by the agent')")
    real.ready("other")
    real.merge(name, strategy=strategy)
    merge = merge_of(real, name)
    assert (merge["chosen"], merge["not_undoable"]) == (strategy, None)
    assert merge["undo_until"] is not None and merge["backup_branch_id"]
    merge = undo(real, name)
    assert (merge["undo_status"], merge["undo_lost"]) == ("undone", None), merge["undo_reason"]
    assert merge["undone_at"] is not None and merge["undone_by"] == "postgres"
    assert on_parent(real, f"SELECT to_jsonb(o) - 'id' FROM {orders} AS o") == [
        ({"item": "first"},)]
    # What was there before the undo is kept, and whoever began before it is told.
    assert merge["preserved_name"] in real.branch_names()
    real.migrate("other", f"ALTER TABLE {orders} ADD COLUMN other int")
    real.merge("other", "conflict", strategy="restore")
    assert "began" in real.session("other")["error"]
    real.merge("other")
    error = real.refused("SELECT agent_merge_undo(%s)", name)
    assert error.pgcode == "55000" and "undone already" in str(error)


@pytest.mark.parametrize("strategy", ["replay", "restore"])
def test_what_was_written_since_is_named_and_not_dropped_unasked(real, orders, strategy):
    name = unique("s")  # in lineage its branch may stay, under its name
    real.ready(name)
    real.migrate(name, f"ALTER TABLE {orders} ADD COLUMN note text")
    real.merge(name, strategy=strategy)
    assert on_parent(real, f"INSERT INTO {orders} (item) SELECT 'placed since' FROM "
                           "generate_series(1, 3) RETURNING 1") == [(1,)] * 3
    merge = undo(real, name)
    assert (merge["undo_status"], merge["undone_at"]) == ("refused", None)
    assert f"table public.{orders}: 3 rows written" in merge["undo_lost"], merge["undo_lost"]
    session = real.session(name)
    assert f"table public.{orders}: 3 rows written" in session["error"]
    assert "force => true" in session["hint"]
    assert on_parent(real, f"SELECT count(note), count(*) FROM {orders}") == [(0, 4)]
    merge = undo(real, name, force=True)
    assert merge["undo_status"] == "undone", merge["undo_reason"]
    assert f"table public.{orders}: 3 rows written" in merge["undo_lost"]
    assert on_parent(real, f"SELECT to_jsonb(o) - 'id' FROM {orders} AS o") == [
        ({"item": "first"},)]


def test_deletions_and_drawn_numbers_count_as_written(real, orders):
    name = unique("s")  # in lineage its branch may stay, under its name
    real.ready(name)
    real.migrate(name, f"ALTER TABLE {orders} ADD COLUMN note text")
    real.merge(name)
    on_parent(real, f"DELETE FROM {orders} RETURNING 1")
    merge = undo(real, name)
    assert merge["undo_status"] == "refused" and merge["undo_lost"], merge
    assert on_parent(real, f"SELECT nextval('{orders}_id_seq')") == [(2,)]
    merge = undo(real, name)
    assert any(f"sequence {orders}_id_seq" in lost or f"{orders}_id_seq" in lost
               for lost in merge["undo_lost"]), merge["undo_lost"]


def test_a_merge_without_a_backup_says_so_once_it_is_merged(real):
    real.register(undo_window="0")
    name = unique("s")  # in lineage its branch may stay, under its name
    real.ready(name)
    real.migrate(name, f"CREATE TABLE {unique('undo_none')} ()")
    real.merge(name)
    assert merge_of(real, name)["not_undoable"] == "no backup was kept for an undo"
    error = real.refused("SELECT agent_merge_undo(%s)", name)
    assert error.pgcode == "55000" and "cannot be undone" in str(error)


def test_a_backup_that_neon_has_no_room_for_lets_the_merge_pass_and_says_so(real, orders):
    name = unique("s")  # in lineage its branch may stay, under its name
    real.ready(name)
    real.migrate(name, f"ALTER TABLE {orders} ADD COLUMN note text")
    real.emulator.add_fault({
        "match": {"method": "POST", "path": f"/projects/{PROJECT}/branches$"},
        "do": "status", "status": 422, "body": {"code": "BRANCHES_LIMIT_EXCEEDED",
                                                "message": "branches limit exceeded"}})
    real.merge(name)
    assert "no backup could be made" in merge_of(real, name)["not_undoable"]
    assert real.refused("SELECT agent_merge_undo(%s)", name).pgcode == "55000"
