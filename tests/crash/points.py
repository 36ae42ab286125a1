"""The points at which trouble comes: generated from what a scenario was seen to do.

A scenario is run once without trouble. Each step that its journal then holds, and each change of a
session's state, makes points: the moments of the step, and the commit of the change.
"""
from dataclasses import dataclass, field

import holds
from host import wait_until

# Requests by which the steps are made. A kind of step that has none stops the generation.
_ROUTES = {"create branch": ("POST", "/branches"),
           "set expiry": ("PATCH", "/branches/[^/]*"),
           "rename branch": ("PATCH", "/branches/[^/]*"),
           "restore": ("POST", "/branches/[^/]*/restore"),
           "back up": ("POST", "/branches"),
           "undo": ("POST", "/branches/[^/]*/restore"),
           "delete branch": ("DELETE", "/branches/[^/]*"),
           "suspend compute": ("POST", "/endpoints/[^/]*/suspend"),
           "start compute": ("POST", "/endpoints/[^/]*/start")}

INTEND, RECORD = "about to be intended", "about to be recorded"
REQUEST, ANSWER = "sent, no effect yet", "done, not answered"
LATE, RUNS = "sent, and comes late", "answered, its operations run"
ASKED, ANSWERED = "sent, no answer yet", "answered, not delivered"
WRITE, NOTE, COMMIT = "running", "its transaction about to be noted", "COMMIT sent"
CHANGE = "about to be committed"
_OF_A_CALL = (INTEND, REQUEST, LATE, ANSWER, RECORD)
_WITH_OPERATIONS = ("create branch", "back up", "restore", "undo", "delete branch",
                    "suspend compute", "start compute")
_OF_A_QUESTION = (INTEND, ASKED, ANSWERED, RECORD)
_LONG = 1500  # milliseconds that operations take while they are held
_TRANSACTIONS = ("migrate", "replay")
_OF_A_MIGRATION = (INTEND, WRITE, NOTE, COMMIT, RECORD)
_OF_A_FAILED_MIGRATION = (INTEND, WRITE, RECORD)
# A transaction that is run again whatever became of it, or a statement that nothing of ours can hold.
_OF_A_ROLE = _OF_A_PIECE = (INTEND, RECORD)


@dataclass(frozen=True)
class Point:
    scenario: object
    step: str  # its kind; None: a change of state
    change: tuple  # the states before and after
    nth: int  # of these in the scenario
    moment: str

    @property
    def what(self):
        name = self.step or " → ".join(self.change)
        return name if self.nth == 1 else f"{name} ({self.nth})"

    def __str__(self):
        return f"{self.scenario}: {self.what}, {self.moment}"


@dataclass
class Recording:
    """What a scenario did, and how it ended, without trouble."""
    points: list = field(default_factory=list)
    kinds: set = field(default_factory=set)
    changes: set = field(default_factory=set)
    outcome: dict = None


class Base:
    """Where the journal was when the scenario's action began."""

    def __init__(self, world):
        self.step = world.one("SELECT coalesce(max(id), 0) FROM agent_branch.step")
        self.event = world.one("SELECT coalesce(max(id), 0) FROM agent_branch.event")


def record(world, scenario, base):
    """Of a world in which the action was just done, and everything is at rest."""
    recording = Recording()
    seen = {}
    refused = set()
    for row in world.rows("SELECT kind, target, status FROM agent_branch.step WHERE id > %s "
                          "ORDER BY id", base.step):
        kind = row["kind"]
        seen[kind] = seen.get(kind, 0) + 1
        recording.kinds.add(kind)
        # What is tried again and again is the same each time.
        again = row["status"] == "refused" and (kind, row["target"]) in refused
        if row["status"] == "refused":
            refused.add((kind, row["target"]))
        if not again:
            recording.points += [Point(scenario, kind, None, seen[kind], moment)
                                 for moment in _moments(kind, row["status"])
                                 if _can_be_held(scenario, moment)]
    for row in world.rows("SELECT old_state, state FROM agent_branch.event WHERE id > %s AND "
                          "old_state IS NOT NULL ORDER BY id", base.event):
        change = (row["old_state"], row["state"])
        seen[change] = seen.get(change, 0) + 1
        recording.changes.add(change)
        recording.points.append(Point(scenario, None, change, seen[change], CHANGE))
    return recording


def _can_be_held(scenario, moment):
    """Real branches have no triggers of ours to hold a transaction with."""
    return scenario.engine != "postgres" or moment not in (WRITE, COMMIT)


def _moments(kind, status):
    if kind in _TRANSACTIONS:
        return _OF_A_MIGRATION if status == "done" else _OF_A_FAILED_MIGRATION
    if kind == "ask fixer":
        return _OF_A_QUESTION
    if kind in ("make role", "drop role"):
        return _OF_A_ROLE
    if kind == "run piece":
        return _OF_A_PIECE
    assert kind in _ROUTES, f"it is not known by which request the step \"{kind}\" is made"
    return _OF_A_CALL + ((RUNS,) if status == "done" and kind in _WITH_OPERATIONS else ())


class Held:
    """The point, armed. wait() returns once everything is held there."""

    def __init__(self, world, point, base):
        self.world = world
        self.point = point
        self.base = base
        self.first = None  # what is held on the way, to be sure that it is this step
        self.lock = self.request = None
        if point.step is None:
            before, after = point.change
            self.take = holds.on_control(
                world, "UPDATE", "session",
                f"NEW.project_id = {world.row} AND OLD.state = '{before}' AND "
                f"NEW.state = '{after}' AND public.changes_since({base.event}, '{before}', "
                f"'{after}', {world.row}) = {point.nth - 1}")
            self.lock = self.take()
            return
        of_this = (f"NEW.kind = '{point.step}' AND NEW.project_id = {world.row} AND "
                   f"public.steps_since({base.step}, '{point.step}', NEW.id, {world.row}) = "
                   f"{point.nth - 1}")
        intend = holds.on_control(world, "INSERT", "step",
                                  f"NEW.status = 'intended' AND {of_this}")
        if point.moment == RECORD:
            self.take = holds.on_control(world, "UPDATE", "step",
                                         f"OLD.status = 'intended' AND NEW.status <> 'intended' "
                                         f"AND {of_this}")
        elif point.moment == NOTE:
            table = "merge" if point.step == "replay" else "migration"
            self.take = holds.on_control(world, "UPDATE", table,
                                         "OLD.transaction_id IS NULL AND "
                                         "NEW.transaction_id IS NOT NULL")
        self.first = intend()

    def wait(self):
        what = str(self.point)
        if self.first is None:
            self.lock.wait(what)
            return
        self.first.wait(what)
        if self.point.moment == INTEND:
            self.lock, self.first = self.first, None
            return
        self._hold_what_follows()
        self.first.release()
        if self.request is not None:
            assert self.request.held.wait(30), f"{what} was not reached"
        elif self.point.moment == RUNS:
            wait_until(self._runs, 30, what)
        else:
            self.lock.wait(what)

    def _runs(self):
        steps = self.world.rows("SELECT status FROM agent_branch.step WHERE id > %s AND kind = %s "
                                "AND project_id = %s ORDER BY id LIMIT 1 OFFSET %s",
                                self.base.step, self.point.step, self.world.row,
                                self.point.nth - 1)
        return steps and steps[0]["status"] == "done" and self.world.at_neon()["running_operations"]

    def _hold_what_follows(self):
        moment = self.point.moment
        if moment in (REQUEST, LATE, ANSWER):
            method, path = _ROUTES[self.point.step]
            self.request = self.world.stage.proxy.hold(
                method, f"/projects/{self.world.project}{path}",
                "answer" if moment == ANSWER else "request")
        elif moment in (ASKED, ANSWERED):
            self.request = self.world.stage.model.hold(
                "answer" if moment == ANSWERED else "request")
        elif moment == RUNS:
            self.world.set_durations(_LONG)
        elif moment == WRITE:
            self.lock = holds.in_migration(self.world, self.point.step == "replay")
        elif moment == COMMIT:
            self.lock = holds.at_commit(self.world, self.point.step == "replay")
        else:
            self.lock = self.take()

    def release(self):
        for lock in (self.first, self.lock):
            if lock is not None:
                lock.release()
        if self.request is not None and self.point.moment != LATE:
            self.request.release()
        if self.point.moment == RUNS:
            self.world.set_durations()

    def deliver(self):
        """What comes late comes now."""
        if self.point.moment == LATE:
            self.request.deliver(self.world.stage.proxy.target)
