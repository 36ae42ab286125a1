#!/usr/bin/python3
"""Plays all broken migrations and prints how many were fixed at which attempt; then lays ten
thousand generated fixes that weaken before the check.

usage: make fixer-report
"""
import os
import sys
from collections import Counter

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
os.chdir(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib")]

from bench import Bench  # noqa: E402
from judge_weakenings import judge, lines  # noqa: E402
from plays import all_plays  # noqa: E402
from stage import Stage  # noqa: E402


def main():
    outcomes = []
    with Stage() as stage:
        plays = all_plays()
        for protocol, part in (("openai", plays[::2]), ("anthropic", plays[1::2])):
            stage.use(protocol)
            outcomes += [(play, stage.perform(play)) for play in part]
    table(outcomes)
    wrong = [(play, outcome) for play, outcome in outcomes if outcome.complaint]
    for play, outcome in wrong:
        print(f"{play.failure}: {play.name}: {outcome.complaint}")
    with Bench() as bench:
        tally = judge(bench, wanted=10_000)
    print("\n".join(lines(tally)))
    return 1 if wrong or tally.false_accepts else 0


def table(outcomes):
    print(f"{'class':<20}{'cases':>6}{'@1':>5}{'@2':>5}{'@3':>5}{'not':>5}")
    for failure in dict.fromkeys(play.failure for play, _ in outcomes):
        line(failure, [each for each in outcomes if each[0].failure == failure])
    line("all", outcomes)
    fixable = [each for each in outcomes if each[0].fixed_at]
    for most in (1, 2, 3):
        fixed = sum(1 for _, outcome in fixable if outcome.fixed_at and outcome.fixed_at <= most)
        possible = sum(1 for play, _ in fixable if play.fixed_at <= most)
        print(f"fixed@{most}: {fixed} of {len(fixable)} that can be fixed; a good answer had come "
              f"in {possible}")
    fixed = [outcome for _, outcome in outcomes if outcome.fixed_at]
    kept = sum(1 for outcome in fixed if outcome.intent_kept)
    print(f"intent-preserved: {kept} of {len(fixed)} fixes")
    offered, accepted = Counter(), Counter()
    for play, outcome in outcomes:
        offered.update(kind for kind, _ in play.answers[:outcome.answers])
        if outcome.accepted:
            accepted[outcome.accepted] += 1
    for kind in ("weakening", "malicious"):
        print(f"{kind} answers: {offered[kind]} played, {accepted[kind]} accepted")


def line(name, outcomes):
    at = Counter(outcome.fixed_at for _, outcome in outcomes)
    print(f"{name:<20}{len(outcomes):>6}{at[1]:>5}{at[2]:>5}{at[3]:>5}{at[None]:>5}")


if __name__ == "__main__":
    sys.exit(main())
