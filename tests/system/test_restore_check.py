"""What a restore may take with it all the same is found afterwards, in its backup, and told."""
import threading

import psycopg2
import pytest

from host import wait_until
from system import PROJECT, query, unique


def merge_of(system, name):
    return system.rows("SELECT * FROM agent_merges WHERE session = %s ORDER BY requested_at DESC",
                       name)[0]


def delay_restores(real):
    """Neon takes its time to begin a restore: long enough for others to write meanwhile."""
    real.emulator.add_fault({"match": {"method": "POST", "path": "/restore$"},
                             "do": "delay_ms", "ms": 2500})


@pytest.fixture
def slow_restore(real):
    real.register(undo_window="1 hour")
    delay_restores(real)
    yield real
    real.emulator.clear_faults()


def while_it_restores(system, name, write):
    """Calls write() once Neon has the request for the restore; waits for the merge."""
    system.rows("SELECT agent_merge(%s, strategy => 'restore')", name)
    # The step is written before the parent is looked at for the last time: a write between the two
    # is seen, and is no matter of this file. Neon's own fault has met the request or has not.
    wait_until(lambda: any(fault["done"] for fault in system.emulator.faults()), 20,
               "the restore to be sent")
    write()
    return system.wait(name, 90)


def test_a_restore_that_took_nothing_with_it_says_so(real):
    real.register(undo_window="1 hour")
    name = unique("s")
    real.ready(name)
    real.migrate(name, f"CREATE TABLE {unique('quiet')} (id serial PRIMARY KEY)")
    real.merge(name, strategy="restore", state=None)
    real.settle(name, "merged", 60)
    assert merge_of(real, name)["checked"] == {"same": True, "written_meanwhile": []}
    assert real.session(name)["error"] is None


def placed_meanwhile(real):
    """(session, table) of a merge by restore, while which somebody made the table.

    Where Neon did not take the request after all (it has work of its own in the project: 423), what
    was written is seen before the next one: the merge is refused, and all is there. Played again.
    """
    for _ in range(5):
        name, table = unique("s"), unique("placed")
        real.ready(name)
        parent = real.uri(name, "parent")
        real.migrate(name, f"CREATE TABLE {unique('work')} ()")
        real.emulator.forget_requests()

        def write(parent=parent, table=table):  # no lock can keep a table that is not there yet
            query(parent, f"CREATE TABLE {table} AS SELECT 1 AS id")
        if while_it_restores(real, name, write) == "merged":
            return name, table
        done = [call for call in real.calls("POST", "/restore") if call["status"] < 300]
        assert not done, (real.session(name)["error"], done)
        assert query(parent, f"SELECT id FROM {table}") == [(1,)]
        real.discard(name)
        real.emulator.clear_faults()
        delay_restores(real)
    raise AssertionError("Neon takes no restore")


def test_what_was_written_meanwhile_is_told_and_can_be_brought_back(slow_restore):
    real = slow_restore
    name, table = placed_meanwhile(real)
    merge = merge_of(real, name)
    assert merge["checked"]["same"] is False
    assert any(table in one for one in merge["checked"]["written_meanwhile"]), merge["checked"]
    assert merge["reason"].startswith("the parent was written to while it was being replaced")
    assert merge["undo_until"] is not None and merge["not_undoable"] is None
    (event,) = real.rows("SELECT error FROM agent_events WHERE session = %s AND state = 'merged'",
                         name)
    assert table in event["error"]
    real.rows("SELECT agent_merge_undo(%s)", name)
    assert real.wait(name, 90) == "merged"
    assert merge_of(real, name)["undo_status"] == "undone", merge_of(real, name)["undo_reason"]
    look = unique("look")
    real.ready(look)
    assert query(real.uri(look, "parent"), f"SELECT id FROM {table}") == [(1,)]
    real.discard(look)


def test_a_backup_that_cannot_be_looked_at_holds_no_merge_up(real):
    real.register(undo_window="1 hour")
    real.emulator.add_fault({"match": {"method": "POST", "path": f"/projects/{PROJECT}/endpoints$"},
                             "do": "status", "status": 422,
                             "body": {"code": "ACTIVE_ENDPOINTS_LIMIT_EXCEEDED",
                                      "message": "active endpoints limit exceeded"}})
    name = unique("s")
    real.ready(name)
    real.migrate(name, f"CREATE TABLE {unique('unchecked')} ()")
    real.merge(name, strategy="restore", state=None)
    real.settle(name, "merged", 60)
    assert "not_checked" in merge_of(real, name)["checked"]
    real.emulator.clear_faults()


@pytest.mark.parametrize("real_emulator", ["flat"], indirect=True)
def test_whoever_writes_while_it_restores_gets_an_error_or_keeps_his_row(slow_restore):
    """Pitfall 4: what was acknowledged is there, or in what the merge tells."""
    real = slow_restore
    table = unique("orders")
    real.ready("base")
    real.migrate("base", f"CREATE TABLE {table} (id int PRIMARY KEY)")
    real.merge("base", strategy="replay")
    name = unique("s")
    real.ready(name)
    parent = real.uri(name, "parent")
    real.migrate(name, f"CREATE TABLE {unique('work')} ()")
    acknowledged, threads = [], []

    def insert(number):
        try:
            query(parent, f"INSERT INTO {table} VALUES (%s)", number)
            acknowledged.append(number)
        except psycopg2.Error:
            pass

    def write():
        for number in range(3):
            threads.append(threading.Thread(target=insert, args=(number,)))
            threads[-1].start()
    state = while_it_restores(real, name, write)
    for thread in threads:
        thread.join(30)
    if state == "conflict":  # Neon did not take the request: see placed_meanwhile()
        real.discard(name)
    look = unique("look")
    real.ready(look)
    there = {number for (number,) in query(real.uri(look, "parent"), f"SELECT id FROM {table}")}
    assert set(acknowledged) <= there
    real.discard(look)
