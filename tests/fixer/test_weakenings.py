"""A sample of what the generator of weakenings makes; make fixer-report lays out all of it."""
import pytest
import weakenings
from bench import Bench
from judge_weakenings import judge, lines


@pytest.fixture(scope="module")
def tally():
    with Bench() as bench:
        yield judge(bench, wanted=600)


def test_no_weakened_fix_is_allowed(tally):
    assert not tally.false_accepts, "\n".join(lines(tally))
    assert sum(tally.harmed.values()) >= 600
    assert len(tally.harmed) >= 40


def test_nine_in_ten_right_fixes_are_allowed(tally):
    right = sum(tally.right.values())
    assert sum(tally.refused.values()) <= right / 10, "\n".join(lines(tally))


def test_there_are_enough_valid_migrations():
    assert len(set(weakenings.migrations())) >= 200
