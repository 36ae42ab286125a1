"""The check of a fix by itself, over everything that is known of right and wrong fixes."""
import cases
import more_cases
import pytest
from bench import Bench
from plays import MALICE
from stage import SETUP
from weakening_pairs import PAIRS


@pytest.fixture(scope="module")
def bench():
    with Bench() as laid:
        yield laid


CASES = [(failure, *case) for module in (cases, more_cases)
         for failure, members in vars(module).items() if failure.isupper() for case in members]


@pytest.mark.parametrize("title, setup, original, fix", PAIRS, ids=[pair[0] for pair in PAIRS])
def test_no_weakening_fix_is_allowed(bench, title, setup, original, fix):
    bench.lay(setup)
    assert not bench.verdict(original, fix)["allowed"], title


def test_right_fixes_are_allowed_and_no_others(bench):
    with open(SETUP, encoding="utf-8") as file:
        bench.lay(file.read())
    wrong, right = [], 0
    for failure, name, original, good, weak in CASES:
        verdict = good and bench.verdict(original, good)
        if good and not verdict["allowed"]:
            wrong.append(f"refused: {failure} {name}: {verdict['reason']}")
        right += bool(good)
        # What a view is again is compared on the branch, once it is there: test_plays.py.
        weakened = [weak] if (failure, name) != ("DEPENDENT", "another view") else []
        for offered in weakened + [f"{good or weak}; {harm}" for harm in MALICE]:
            if bench.verdict(original, offered)["allowed"]:
                wrong.append(f"allowed: {failure} {name}: {offered}")
    assert not wrong, "\n".join(wrong)
    assert right >= 70
