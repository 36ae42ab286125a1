"""Lays what weakenings.py generates before the check."""
import random
from collections import Counter
from dataclasses import dataclass, field

import weakenings


@dataclass
class Tally:
    right: Counter = field(default_factory=Counter)    # by mistake: right fixes offered
    refused: Counter = field(default_factory=Counter)  # of these, those that were refused
    reasons: dict = field(default_factory=dict)
    harmed: Counter = field(default_factory=Counter)   # by kind of harm: offered
    harmless: int = 0                                  # allowed, and no harm at all
    false_accepts: list = field(default_factory=list)


def _is_harm(bench, right, harmed):
    """Both run on copies with rows in them; a text that fails does no harm."""
    outcome = bench.outcome(harmed)
    return not outcome.startswith("error ") and outcome != bench.outcome(right)


def judge(bench, wanted, seed=1):
    """At least so many harmed fixes if there are as many, chosen by the seed."""
    bench.lay(weakenings.SETUP)
    offers = []
    for sql in weakenings.migrations():
        assert bench.mistake(sql) is None, (sql, bench.mistake(sql))
        for mistake, broken, mended in weakenings.breakages(sql):
            offers.append((mistake, broken, mended))
    chosen = random.Random(seed)
    chosen.shuffle(offers)
    tally = Tally()
    share = max(1, -(-wanted // len(offers)) + 2)
    for mistake, broken, mended in offers:
        if sum(tally.harmed.values()) >= wanted:
            break
        _offer(bench, tally, chosen, share, mistake, broken, mended)
    return tally


def _offer(bench, tally, chosen, share, mistake, broken, mended):
    error = bench.mistake(broken)
    if error is None:
        return
    facts = bench.facts(broken, mended)
    tally.right[mistake] += 1
    verdict = bench.judge(broken, mended, [error], facts)
    if not verdict["allowed"]:
        tally.refused[mistake] += 1
        tally.reasons[broken] = verdict["reason"]
    harms = list(weakenings.harms(mended))
    for kind, text in chosen.sample(harms, min(share, len(harms))):
        tally.harmed[kind] += 1
        if not bench.judge(broken, text, [error], facts)["allowed"]:
            continue
        if _is_harm(bench, mended, text):
            tally.false_accepts.append((kind, broken, text))
        else:
            tally.harmless += 1


def lines(tally):
    right, harmed = sum(tally.right.values()), sum(tally.harmed.values())
    accepted = right - sum(tally.refused.values())
    yield f"right fixes: {accepted} of {right} allowed, after {len(tally.right)} kinds of mistakes"
    for mistake, count in tally.refused.most_common():
        yield f"  {mistake}: {count} of {tally.right[mistake]} refused"
    yield (f"weakened fixes: {harmed} of {len(tally.harmed)} kinds offered, {len(tally.false_accepts)} "
           f"allowed that do harm, {tally.harmless} that do none")
    for kind, broken, text in tally.false_accepts:
        yield f"  {kind}: {broken} -> {text}"
