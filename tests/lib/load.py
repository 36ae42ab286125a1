"""Agents at work, to be disturbed: each runs one session after another in a project of its own,
with a migration and a merge, until it is told to stop."""
import threading
import time

from system import query, unique


class Load:
    """
    with Load(system, projects) as load:
        ...                      # something happens to the server
        load.goes_on()           # and every agent finishes sessions that it began afterwards
    """

    def __init__(self, system, projects):
        """The projects are the emulator's; its sessions' branches are the fixed database."""
        self.system = system
        self.projects = projects
        self.table = unique("load")
        self.finished = {project: [] for project in projects}  # when its sessions had begun
        self.errors = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(project,))
                         for project in projects]

    def _work(self, project):
        connection = self.system.connect()
        try:
            with connection.cursor() as cursor:
                while not self._stop.is_set():
                    began = time.monotonic()
                    cursor.execute(
                        "CALL agent_run(%s, %s, NULL, project => %s, timeout => '30 s')",
                        (f"load-{len(self.finished[project])}",
                         [f"INSERT INTO {self.table} DEFAULT VALUES"], project))
                    result = cursor.fetchone()[0]
                    if result["state"] != "merged":
                        raise AssertionError(f"{project}: {result}")
                    self.finished[project].append(began)
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(error)
        finally:
            connection.close()

    def goes_on(self, seconds=30):
        """Waits until each agent has finished two sessions that it began after this call."""
        now = time.monotonic()
        while min(sum(began > now for began in all_of_one)
                  for all_of_one in self.finished.values()) < 2:
            assert not self.errors, self.errors
            assert time.monotonic() < now + seconds, f"finished so far: {self.finished}"
            self._stop.wait(0.05)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(40)
        assert not self.errors, self.errors

    def rows(self, fixed_uri):
        """How many sessions' rows there are. Branch and parent are one database: a merge runs what
        the migration has run there already once more."""
        rows = query(fixed_uri, f"SELECT count(*) FROM {self.table}")[0][0]
        assert rows % 2 == 0
        return rows // 2

    def start(self, fixed_uri):
        query(fixed_uri, f"CREATE TABLE {self.table} (id serial)")
        # To each of them, the others' rows are nobody's migration.
        for project in self.projects:
            self.system.register(project, on_unrecorded="drop")
        for thread in self._threads:
            thread.start()
        return self
