"""Playing cells of the matrix: a point, a kind of failure, and what came of it."""
import queue
import threading
import time
import traceback
from dataclasses import dataclass

import failures
import judge
from points import Base, Held, record
from stage import Stage

OK, FAILED, NONE = "ok", "FAILED", "–"


@dataclass
class Cell:
    point: object
    failure: str
    trouble: type = None  # that lasts meanwhile, in another project: see trouble.py
    verdict: str = None
    story: str = ""  # why it failed, or why there is no such cell
    seconds: float = 0.0


class Player:
    """Plays one thing after the other on stages of its own."""

    def __init__(self):
        self.stages = {}
        self.ended = False

    def world(self, scenario):
        assert not self.ended, "the players were sent home"
        wanted = (scenario.topology, scenario.engine)
        if wanted not in self.stages:
            self.stages[wanted] = Stage(*wanted)
        return scenario.world(self.stages[wanted])

    def record(self, scenario):
        """Runs a scenario without trouble."""
        world = self.world(scenario)
        try:
            scenario.setup(world)
            base = Base(world)
            scenario.act(world)
            world.tidy()
            recording = record(world, scenario, base)
            recording.outcome = judge.outcome(world)
            wrongs = judge.wrongs(world, recording.outcome)
            assert not wrongs, f"without trouble: {wrongs}"
            return recording
        except Exception as error:
            raise AssertionError(f"{scenario}: {error}\n{story(world)}") from error
        finally:
            world.close()

    def play(self, cell, expected):
        began = time.monotonic()
        scenario = cell.point.scenario
        world = None
        try:
            if reason := failures.impossible(cell.point, cell.failure):
                raise failures.NothingToBreak(reason)
            world = self.world(scenario)
            found = _play(world, cell, expected)
            cell.verdict = FAILED if found else OK
            if found:
                cell.story = "\n".join(found) + "\n" + story(world)
            world.close()
        except failures.NothingToBreak as reason:
            cell.verdict, cell.story = NONE, str(reason)
            if world:
                world.tidy()
                world.close()
        except Exception:  # whatever it is, the other cells are played
            cell.verdict = FAILED
            cell.story = traceback.format_exc() + (story(world) if world else "")
        if cell.verdict == FAILED:
            self.begin_anew(scenario)
        cell.seconds = time.monotonic() - began

    def begin_anew(self, scenario):
        """What did not end well must not spoil what follows."""
        stage = self.stages.pop((scenario.topology, scenario.engine), None)
        try:
            if stage is not None:
                stage.close()
        except Exception as error:  # the other cells are played all the same
            print(f"could not close a stage: {error}")

    def close(self):
        self.ended = True
        while self.stages:
            self.stages.popitem()[1].close()


def _play(world, cell, expected):
    scenario = cell.point.scenario
    scenario.setup(world)
    if cell.trouble:
        world.begin_trouble(cell.trouble)
    base = Base(world)
    pid = world.worker_runs()
    held = Held(world, cell.point, base)
    scenario.act(world)
    held.wait()
    try:
        failures.ALL[cell.failure](world, pid)
    finally:
        held.release()
    world.tidy()
    held.deliver()
    world.tidy()
    wrongs = judge.wrongs(world, expected)
    if cell.trouble:
        world.trouble.must_be_shown()
        world.trouble.end()
        world.trouble.must_come_to_rest()
    return wrongs


def story(world):
    """What the tables and the emulator tell of a world."""
    try:
        lines = ["the journal:"]
        lines += [f"  {row}" for row in world.rows(
            "SELECT id, session_id, kind, target, status, outcome, intended_at::time AS at "
            "FROM agent_branch.step ORDER BY id")]
        lines += ["the states:"] + [f"  {dict(row)}" for row in world.rows(
            "SELECT session, old_state, state, at::time, error FROM agent_events ORDER BY id")]
        lines += ["the sessions:"] + [f"  {row}" for row in world.rows(
            "SELECT name, state, settled, goal, error, branch_id FROM agent_branch.session")]
        lines += ["the migrations:"] + [f"  {row}" for row in world.rows(
            "SELECT migration_id, number, name, made_by, status, coalesce(reason, message) AS why "
            "FROM agent_branch.migration_attempt ORDER BY migration_id, number")]
        lines += ["the effects at Neon:"] + [
            f"  {e['at'][11:]} {e['method']} {e['path']} {e['body']}" for e in world.effects()]
        lines += ["the branches at Neon:"] + [
            f"  {b['name']} {b['id']} {b['current_state']}" for b in world.at_neon()["branches"]]
    except Exception as error:  # it is told as far as it is known
        lines.append(f"  and no more is known: {error}")
    lines += ["the server's log:", world.cluster.log_tail(12)]
    return "\n".join(lines)


class Crew:
    """Several players at once: most of a cell is waiting."""

    def __init__(self, size):
        self.players = [Player() for _ in range(size)]
        self.threads = []

    def record(self, scenarios):
        """Recordings by scenario."""
        made = {}
        errors = []

        def one(player, scenario):
            try:
                made[scenario] = player.record(scenario)
            except AssertionError as error:
                errors.append(str(error))
                player.begin_anew(scenario)
        self._share(scenarios, one)
        assert not errors, "\n".join(errors)
        return made

    def play(self, cells, recordings, report=lambda cell: None):
        def one(player, cell):
            player.play(cell, recordings[cell.point.scenario].outcome)
            report(cell)
        self._share(cells, one)

    def _share(self, things, work):
        waiting = queue.SimpleQueue()
        for thing in things:
            waiting.put(thing)

        def play(player):
            while not player.ended:
                try:
                    thing = waiting.get_nowait()
                except queue.Empty:
                    return
                work(player, thing)
        self.threads = [threading.Thread(target=play, args=(player,)) for player in self.players]
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()

    def close(self):
        """Ends what is being played, too: a stage that is closed ends its cell."""
        for player in self.players:
            player.ended = True
        for player in self.players:
            player.close()
        for thread in self.threads:
            thread.join()
        for player in self.players:
            player.close()  # what a cell that ended so had begun anew
