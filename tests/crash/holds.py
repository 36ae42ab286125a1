"""Holding the world at one moment, from outside: nothing in the product knows of it.

The worker is held right before a commit of its journal by a trigger that waits for an advisory
lock; a migration, the same way, by triggers of the table that it writes to; a request or its
answer, in the proxy.
"""
import psycopg2

from host import wait_until

# A lock_timeout would end what is held. The worker has one.
HOLD_FUNCTION = """
CREATE FUNCTION public.hold_point() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(TG_ARGV[0]::integer, 0);
    RETURN NEW;
END
$$"""

COUNTS = """
CREATE FUNCTION public.steps_since(base bigint, of_kind text, before bigint,
    of_project bigint) RETURNS bigint
    LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT count(*) FROM agent_branch.step AS s
            WHERE s.id > base AND s.id < before AND s.kind = of_kind
            AND s.project_id = of_project);
END
$$;
CREATE FUNCTION public.changes_since(base bigint, from_state text, to_state text,
    of_project bigint) RETURNS bigint
    LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT count(*) FROM agent_branch.event AS e
            JOIN agent_branch.session AS s ON s.id = e.session_id AND s.project_id = of_project
            WHERE e.id > base AND e.old_state = from_state AND e.state = to_state);
END
$$"""


class Lock:
    """An advisory lock that triggers wait for. It is taken when it is made."""

    def __init__(self, connection, key):
        self.connection = connection
        self.key = key
        self._run("SELECT pg_advisory_lock(%s, 0) IS NULL")

    def _run(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, (self.key,))
            return cursor.fetchone()[0]

    def awaited(self):
        """Whether somebody waits for it."""
        return self._run("SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON "
                         "d.oid = l.database WHERE l.locktype = 'advisory' AND NOT l.granted "
                         "AND l.classid = %s AND d.datname = current_database()") > 0

    def wait(self, what, seconds=30):
        wait_until(self.awaited, seconds, f"{what} to be held")

    def release(self):
        # A cluster that was shut down took the lock with it.
        try:
            self.connection.close()
        except psycopg2.Error:
            pass


def on_control(world, event, table, condition):
    """Holds who makes a change of a table of the journal that meets the condition. Returns a
    function that takes the lock: from then on it holds."""
    world.holds += 1
    key = world.holds
    world.rows(f"CREATE TRIGGER hold_{key} BEFORE {event} ON agent_branch.{table} FOR EACH ROW "
               f"WHEN ({condition}) EXECUTE FUNCTION public.hold_point({key})")
    return lambda: _remember(world, Lock(world.connect(), key))


# The triggers are there from the beginning: later they would be a change of the schema.
_WRITES, _COMMITS = 1, 2


def make_table(world):
    """The tables of this world: into which migrations write, and somebody by hand."""
    for side in (world.on_branch, world.on_parent):
        side(f"CREATE TABLE {world.table} (label text); "
             f"CREATE TABLE {world.table}_by_hand (label text)")
        for kind, trigger in ((_WRITES, "TRIGGER hold_write BEFORE INSERT ON {}"),
                              (_COMMITS, "CONSTRAINT TRIGGER hold_commit AFTER INSERT ON {} "
                                         "DEFERRABLE INITIALLY DEFERRED")):
            side(f"CREATE {trigger.format(world.table)} FOR EACH ROW "
                 f"EXECUTE FUNCTION public.hold_point({_branch_key(world, kind)})")


def _branch_key(world, kind):
    return world.number * 10 + kind


def in_migration(world, on_parent=False):
    """Holds migrations where they write. Holds from when it is called."""
    return _where_they_run(world, _WRITES, on_parent)


def at_commit(world, on_parent=False):
    """Holds migrations inside COMMIT. Holds from when it is called."""
    return _where_they_run(world, _COMMITS, on_parent)


def _where_they_run(world, kind, on_parent):
    cluster, database = ((world.stage.parent, "parent") if on_parent
                         else (world.stage.branches, "fixed"))
    connection = cluster.connect(database, application_name="crash tests")
    return _remember(world, Lock(connection, _branch_key(world, kind)))


def _remember(world, lock):
    world.locks.append(lock)
    return lock
