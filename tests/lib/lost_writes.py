"""An oracle of lost writes: who writes to development, and knows what was acknowledged to him.

Each writer owns its keys, in one of two databases, and notes what the server has acknowledged: rows
inserted, updated, deleted, numbers drawn from a sequence. A write whose COMMIT was not answered may
be there or not; from then on both are right, until the next one on that key. Whatever else is found
is a write that was lost, or one that came back.
"""
import random
import threading
import time

import psycopg2

DATABASES = ("neondb", "analytics")
TABLES = """CREATE TABLE orders (key text PRIMARY KEY, id serial, value int);
            CREATE TABLE merged (session text)"""


def in_database(uri, database):
    """The same server's other database."""
    head, _slash, tail = uri.rpartition("/")
    options = tail.partition("?")
    return f"{head}/{database}{options[1]}{options[2]}"


class Writer(threading.Thread):
    def __init__(self, number, uri, seed):
        super().__init__(daemon=True)
        self.number = number
        self.uri = in_database(uri, DATABASES[number % len(DATABASES)])
        self.chance = random.Random(seed)
        self.possible = {}  # key → the values it may have; None: no row
        self.drawn = []  # numbers that this writer was given
        self.acknowledged = 0
        self.unanswered = 0
        self.stop = threading.Event()
        self.allowed = threading.Event()
        self.allowed.set()
        self.resting = threading.Event()
        self.connection = None

    def run(self):
        while not self.stop.is_set():
            if not self.allowed.is_set():
                self.resting.set()
                self.allowed.wait(0.1)
                continue
            self.resting.clear()
            for _ in range(self.chance.randint(1, 6)):
                self._write()
            # Quiet for a while, so that a restore has a chance, too.
            self.stop.wait(self.chance.choice((0, 0.05, 0.5, 2.5)))
        if self.connection is not None:
            self.connection.close()

    def _write(self):
        key = f"{self.number}-{self.chance.randint(1, 40)}"
        before = self.possible.get(key, {None})
        value = self.chance.randint(1, 10 ** 9)
        after, sql, values = value, (
            "INSERT INTO orders (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE "
            "SET value = excluded.value"), (key, value)
        what = self.chance.random()
        if what < 0.25:
            after, sql, values = None, "DELETE FROM orders WHERE key = %s", (key,)
        elif what < 0.35:
            sql, values = "SELECT nextval('orders_id_seq')", None
        try:
            if self.connection is None or self.connection.closed:
                self.connection = psycopg2.connect(self.uri, connect_timeout=5)
            # What is not answered may have had its effect from here on.
            if values is not None:
                self.possible[key] = before | {after}
            with self.connection, self.connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '10 s'")
                cursor.execute(sql, values)
                row = cursor.fetchone() if values is None else None
            if values is None:
                self.drawn.append(row[0])
            else:
                self.possible[key] = {after}
            self.acknowledged += 1
        except psycopg2.Error:
            self.unanswered += 1
            if self.connection is not None:
                self.connection.close()
            time.sleep(0.05)


class Oracle:
    """Writers, and what has to be on development when they are asked."""

    def __init__(self, uri, seed, writers=4):
        self.uri = uri
        self.writers = [Writer(number, uri, seed * 1000 + number) for number in range(writers)]
        self.sessions = {}  # session → True: merged, False: not merged, None: either

    def start(self):
        for writer in self.writers:
            writer.start()

    def pause(self):
        """Returns once nobody writes: what begins now finds the parent still."""
        for writer in self.writers:
            writer.resting.clear()
            writer.allowed.clear()
        for writer in self.writers:
            assert writer.resting.wait(60)

    def resume(self):
        for writer in self.writers:
            writer.allowed.set()

    def stop(self):
        self.resume()
        for writer in self.writers:
            writer.stop.set()
        for writer in self.writers:
            writer.join(60)
            assert not writer.is_alive()

    @property
    def acknowledged(self):
        return sum(writer.acknowledged for writer in self.writers)

    def faults(self):
        """What is not as it was acknowledged, once nobody writes any more."""
        found = []
        for place, database in enumerate(DATABASES):
            connection = psycopg2.connect(in_database(self.uri, database))
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT key, value FROM orders")
                rows = dict(cursor.fetchall())
                cursor.execute("SELECT nextval('orders_id_seq')")
                (next_number,) = cursor.fetchone()
                cursor.execute("SELECT session, count(*) FROM merged GROUP BY session")
                merged = dict(cursor.fetchall())
            connection.close()
            writers = [writer for writer in self.writers
                       if writer.number % len(DATABASES) == place]
            for writer in writers:
                for key, possible in writer.possible.items():
                    if rows.get(key) not in possible:
                        found.append(f"{database}: {key} is {rows.get(key)}, not of {possible}")
            drawn = [number for writer in writers for number in writer.drawn] + [next_number]
            if len(set(drawn)) != len(drawn):
                found.append(f"{database}: a number was handed out twice")
            if database == DATABASES[0]:
                for session, was in self.sessions.items():
                    count = merged.get(session, 0)
                    if was is not None and count != int(was):
                        found.append(f"session {session} (merged: {was}) is there {count} times")
        return found
