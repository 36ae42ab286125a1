"""Trouble that lasts: another project of the same database whose affairs stay wrong while a cell of
the matrix is played, and come right at its end.

What is judged: that the cell's own project comes to what it comes to without trouble (the judge's
part); that the trouble is shown, before the failure and after it; and that the troubled session
comes to rest once the trouble is over.
"""
import os

from emulator import write_key_file
from host import wait_until

SESSION = "troubled"
FOREVER = 1_000_000
KEY = "troubled-key"
_OPERATION_MS = 15_000  # longer than what happens to a cell meanwhile


class Trouble:
    """With a Neon project of its own."""

    ends_with_emulator = False

    settles = "ready"  # what the session comes to once the trouble is over

    def __init__(self, world):
        self.world = world
        self.project = None
        self.row = 0  # of the project, in the tables; 0: it is not there yet

    def begin(self):
        status, made = self.world.emulator.call(
            "POST", "/projects", {"project": {"branch": {"name": "production"}}})
        assert status == 201, made
        self.project = made["project"]["id"]
        self.world.register(project=self.project, parent="production", **self.options())
        self.row = self.world.one("SELECT id FROM agent_branch.project WHERE project = %s",
                                  self.project)
        self.arrange()
        self.must_be_shown()

    def options(self):
        return {}

    def arrange(self):
        """Makes the trouble, and the session that has it."""
        self.renew()
        self._create()

    def renew(self):
        """What an emulator that was ended does not know any more."""

    def end(self):
        self.world.emulator.clear_faults()

    def _create(self):
        self.world.rows("SELECT agent_branch_create(%s, %s)", SESSION, self.project)

    def _fault(self, **match):
        def fault(**what):
            self.world.emulator.add_fault({"match": {
                "path": f"/projects/{self.project}/", "count": FOREVER, **match}, **what})
        return fault

    def _is_shown(self):
        (row,) = self.world.rows("SELECT error, waits_for, settled FROM agent_sessions "
                                 "WHERE session = %s", SESSION)
        return not row["settled"] and self.shows(row)

    def shows(self, row):
        return row["error"]

    def must_be_shown(self):
        wait_until(self.world.unless_lost(self._is_shown), 20, f"{self} to be shown")

    def must_come_to_rest(self, seconds=60):
        """After end(). What was kept is discarded, and nothing is left."""
        # The intervals have grown meanwhile; one that has just begun does not know of them.
        self.world.restart_worker()
        wait_until(self.world.unless_lost(self._settled), seconds, f"the end of {self}")
        state = self.world.session(SESSION)["state"]
        assert state == self.settles, f"after {self} the session is {state}"
        if state == "ready":
            self.world.rows("SELECT agent_discard(%s)", SESSION)
        wait_until(self.world.unless_lost(self._rests), seconds, f"nothing to be left of {self}")

    def _settled(self):
        return self.world.one("SELECT settled FROM agent_sessions WHERE session = %s", SESSION)

    def _rests(self):
        return (self.branches() == {"production"} and not self.world.one(
            "SELECT count(*) FROM agent_branch.step WHERE status = 'intended' AND project_id = %s",
            self.row) and self._settled())

    def branches(self):
        return self.world.emulator.branch_names(self.project)

    def close(self):
        if self.project:
            self.world.emulator.call("DELETE", f"/projects/{self.project}")

    def __str__(self):
        return type(self).__name__


class RefusedKey(Trouble):
    """The project's own key is one that Neon does not know."""

    def options(self):
        self._write("a key that nobody knows")
        return {"api_key_file": KEY}

    def _write(self, key):
        write_key_file(os.path.join(self.world.stage.keys, KEY), key)

    def end(self):
        self._write(self.world.emulator.api_key)


class Forbidden(Trouble):
    """Neon answers 403 to all about the project."""

    def renew(self):
        self._fault()(do="status", status=403, body={"code": "", "message": "not allowed"})


class Unreachable(Trouble):
    """Connections break off before anything about the project is answered."""

    def renew(self):
        self._fault()(do="drop_before")


class EndlessOperation(Trouble):
    """The branch is there at once, and the operation that makes it goes on and on."""

    ends_with_emulator = True

    def arrange(self):
        # Those of the project's own making take none of it.
        wait_until(self._is_idle, 20, "the project's operations to end")
        self.world.set_durations(_OPERATION_MS)
        self._create()
        wait_until(lambda: self.branches() != {"production"}, 20, "the branch to be made")
        self.world.set_durations()

    def _is_idle(self):
        status, told = self.world.emulator.call("GET", f"/projects/{self.project}/operations")
        return status == 200 and all(
            operation["status"] not in ("scheduling", "running", "cancelling")
            for operation in told["operations"])

    def shows(self, row):
        return row["waits_for"]

    def end(self):
        pass  # by itself


class UndeletableBranch(Trouble):
    """A branch that is discarded, and that Neon will not delete."""

    settles = "discarded"

    def arrange(self):
        self._create()
        self.world.settle(SESSION, "ready", project=self.project)
        self.renew()
        self.world.rows("SELECT agent_discard(%s)", SESSION)

    def renew(self):
        self._fault(method="DELETE")(do="status", status=500,
                                     body={"code": "", "message": "could not delete the branch"})


ALL = [RefusedKey, Forbidden, Unreachable, EndlessOperation, UndeletableBranch]


def spread(cells):
    """Gives each cell a trouble, another one each time."""
    for number, cell in enumerate(cells):
        kinds = [kind for kind in ALL if can_last(kind, cell)]
        if kinds:
            cell.trouble = kinds[number % len(kinds)]


def can_last(kind, cell):
    """Whether the cell has a place for the trouble, and its failure does not end it."""
    return (cell.point.scenario.engine == "memory"
            and not (kind.ends_with_emulator and cell.failure == "emulator"))
