"""Lays what weakenings.py, slips.py and mutations.py generate before the check."""
import random
import re
from collections import Counter
from dataclasses import dataclass, field

import cases
import more_cases
import mutations
import slips
import weakenings
from stage import SETUP

NO_FIX = "it cannot be parsed"  # what no server takes is no fix, and not counted as one
OWN_NAMES = {
    "column": ["id", "email", "name", "age", "active", "balance", "created_at", "user_id", "total", "paid", "status",
               "shipped", "placed", "note", "owner_name", "body", "who", "flavour"],
    "table": ["users", "orders", "archive", "parent", "child", "secrets", "perms", "wobble"],
    "function": ["lower", "length", "round", "sum", "trunc"],
    "type": ["int", "bigint", "numeric", "text", "timestamptz", "varchar", "jsonb", "boolean", "date", "uuid"]}
NAMES_OF_CASES = {
    "column": ["id", "name", "email", "created_at", "customer_id", "total", "status", "placed", "note", "v", "code",
               "amount", "m"],
    "table": ["customers", "orders", "keep", "loose", "mixed", "humours", "recent_orders"],
    "function": ["lower", "upper", "trim", "sum", "round", "coalesce", "length"],
    "type": ["int", "integer", "numeric", "text", "date", "boolean", "timestamptz", "citext"]}


@dataclass
class Offer:
    mistake: str
    broken: str
    mended: str
    harms: list = field(default_factory=list)  # (kind, text) made for this mistake

    @property
    def is_open(self):
        """The mistake leaves it to the fix which values it puts into rows that have none."""
        return self.mistake in ("set: nulls", "null here")


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
    """At least so many harmed fixes if there are as many, chosen by the seed: one in six made of
    the set of broken migrations, the others of the valid ones."""
    tally = Tally()
    chosen = random.Random(seed)
    with open(SETUP, encoding="utf-8") as file:
        bench.lay(file.read())
    _play(bench, tally, chosen, wanted // 6, _of_cases(), NAMES_OF_CASES)
    bench.lay(weakenings.SETUP)
    _play(bench, tally, chosen, wanted, _of_migrations(bench, chosen), OWN_NAMES)
    return tally


def _of_cases():
    for module in (cases, more_cases):
        for failure, members in vars(module).items():
            # What a view is again is compared on the branch: test_plays.py.
            if failure.isupper() and failure != "DEPENDENT":
                yield from (Offer(f"set: {failure.lower()}", broken, good) for _, broken, good, _ in members if good)


def _of_migrations(bench, chosen):
    for sql in weakenings.migrations():
        assert bench.mistake(sql) is None, (sql, bench.mistake(sql))
        for mistake, broken, mended in weakenings.breakages(sql):
            yield Offer(mistake, broken, mended)
        inside = list(slips.slips(sql, OWN_NAMES, chosen))
        chosen.shuffle(inside)
        for slip in {slip.kind: slip for slip in inside}.values():
            yield Offer(slip.kind, slip.broken, slip.mended, slip.temptations)


def _play(bench, tally, chosen, wanted, offers, names):
    offers = list(offers)
    chosen.shuffle(offers)
    share = max(2, -(-wanted // len(offers)) + 2)
    for offer in offers:
        if sum(tally.harmed.values()) >= wanted:
            break
        _offer(bench, tally, chosen, share, offer, names)


def _offer(bench, tally, chosen, share, offer, names):
    error = bench.mistake(offer.broken)
    if error is None:
        return
    broken, mended = offer.broken, offer.mended
    facts = {_words(mended): bench.facts(broken, mended)}
    tally.right[offer.mistake] += 1
    verdict = bench.judge(broken, mended, [error], facts[_words(mended)])
    if not verdict["allowed"]:
        tally.refused[offer.mistake] += 1
        tally.reasons[broken] = verdict["reason"]
    listed = list(weakenings.harms(mended))
    harms = chosen.sample(listed, min(share, len(listed)))
    harms += chosen.sample(offer.harms, min(share, len(offer.harms)))
    if offer.is_open:
        harms = [harm for harm in listed if harm[0].startswith(("added", "left out", "order"))]
        harms = chosen.sample(harms, min(share, len(harms))) + offer.harms
    else:
        harms += mutations.mutations(mended, names, chosen, share)
    for kind, text in harms:
        if text == mended or text == broken:
            continue
        words = _words(text)
        if words not in facts:
            facts[words] = bench.facts(broken, text)
        verdict = bench.judge(broken, text, [error], facts[words])
        if verdict["reason"] == NO_FIX:
            continue
        tally.harmed[kind] += 1
        if not verdict["allowed"]:
            continue
        if _is_harm(bench, mended, text):
            tally.false_accepts.append((kind, broken, text))
        else:
            tally.harmless += 1


def _words(sql):
    """What the facts of a text depend on."""
    return frozenset(re.findall(r"\w+", sql))


def lines(tally):
    right, harmed = sum(tally.right.values()), sum(tally.harmed.values())
    accepted = right - sum(tally.refused.values())
    yield (f"right fixes: {accepted} of {right} allowed ({100 * accepted / right:.1f} %), after {len(tally.right)} "
           "kinds of mistakes")
    for mistake, count in tally.refused.most_common():
        yield f"  {mistake}: {count} of {tally.right[mistake]} refused"
    yield (f"weakened fixes: {harmed} of {len(tally.harmed)} kinds offered, {len(tally.false_accepts)} "
           f"allowed that do harm, {tally.harmless} that do none")
    for kind, broken, text in tally.false_accepts:
        yield f"  {kind}: {broken} -> {text}"
