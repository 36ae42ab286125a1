"""The short form of the crash matrix, for make check: each kind of step and each change of state
meets failures of every kind in some of its moments. make crash-matrix plays all of them.
"""
import os

import pytest

import failures
import reach
import scenarios
import trouble
from cells import FAILED, NONE, Cell, Crew

_FAILURES = list(failures.ALL)


@pytest.fixture(scope="session")
def crew():
    crew = Crew(2 + (os.cpu_count() or 1) // 2)
    yield crew
    crew.close()


@pytest.fixture(scope="session")
def recordings(crew):
    return crew.record(scenarios.all_scenarios())


def _points(recordings):
    """By kind of step or change of state."""
    points = {}
    for recording in recordings.values():
        for point in recording.points:
            points.setdefault(point.step or point.change, []).append(point)
    return points


@pytest.fixture(scope="session")
def played(crew, recordings):
    """The chosen cells, by kind of step or change of state and by failure."""
    points = _points(recordings)
    chosen = {}
    for number, (what, found) in enumerate(points.items()):
        for nth, failure in enumerate(_FAILURES):
            # Of a change of state one failure, another one each time; of a step all of them, each
            # in another moment.
            if found[0].step is None and nth != number % len(_FAILURES):
                continue
            possible = [point for point in found if not failures.impossible(point, failure)]
            chosen[what, failure] = Cell(possible[(number + nth) % len(possible)], failure)
    crew.play(list(chosen.values()), recordings)
    return chosen


@pytest.fixture(scope="session")
def played_in_trouble(crew, recordings):
    """A cell for each kind of step."""
    points = _points(recordings)
    chosen = {kind: _in_trouble(number, points[kind])
              for number, kind in enumerate(reach.kinds_of_steps())}
    crew.play(list(chosen.values()), recordings)
    return chosen


def _in_trouble(number, found):
    """Each kind of step under trouble that lasts elsewhere; each trouble with several failures."""
    kind = trouble.ALL[number % len(trouble.ALL)]
    failure = _FAILURES[(number + number // len(trouble.ALL)) % len(_FAILURES)]
    if failure == "emulator" and kind.ends_with_emulator:
        failure = "cluster"
    possible = [point for point in found if point.scenario.engine == "memory"
                and not failures.impossible(point, failure)]
    return Cell(possible[number % len(possible)], failure, kind)


def test_every_kind_of_step_and_every_change_of_state_is_reached(recordings):
    assert not reach.gaps(recordings)


def _is_well(cell):
    trouble_there = f", {cell.trouble.__name__} elsewhere" if cell.trouble else ""
    assert cell.verdict != FAILED, f"{cell.point}; {cell.failure}{trouble_there}:\n{cell.story}"


@pytest.mark.parametrize("failure", _FAILURES)
@pytest.mark.parametrize("kind", reach.kinds_of_steps())
def test_a_failure_at_a_step_forgets_and_repeats_nothing(played, kind, failure):
    cell = played[kind, failure]
    _is_well(cell)
    assert cell.verdict != NONE, cell.story


@pytest.mark.parametrize("kind", reach.kinds_of_steps())
def test_a_failure_at_a_step_while_another_project_is_in_trouble_harms_neither(
        played_in_trouble, kind):
    cell = played_in_trouble[kind]
    _is_well(cell)
    assert cell.verdict != NONE, cell.story


@pytest.mark.parametrize("change", reach.changes_of_state(), ids="-".join)
def test_a_failure_at_a_change_of_state_forgets_and_repeats_nothing(played, change):
    (cell,) = (cell for (what, _failure), cell in played.items() if what == change)
    _is_well(cell)
