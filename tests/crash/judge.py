"""What must be true once everything is at rest again, whatever happened before."""
import json

from world import PARENT


def outcome(world):
    """What came of what was asked for, for the same to be compared with."""
    return {
        "sessions": [(row["name"], row["state"]) for row in world.rows(
            "SELECT name, state FROM agent_branch.session WHERE project_id = %s ORDER BY id",
            world.row)],
        "migrations": {row["name"]: row["statuses"] for row in world.rows(
            "SELECT name, string_agg(status, ', ' ORDER BY migration_id, number) AS statuses "
            "FROM agent_branch.migration_attempt GROUP BY name")},
        "undos": [row["status"] for row in world.rows(
            "SELECT status FROM agent_branch.undo ORDER BY id")],
    }


def wrongs(world, expected):
    """Sentences, one for each thing that is not as it must be. `expected`: the outcome without
    trouble; the outcome with it has to be the same, which is looked at before it is tidied up."""
    found = []
    seen = outcome(world)
    if seen != expected:
        found.append(f"came to {seen} and not to {expected}")
    finish(world)
    return (found + _steps(world) + _branches(world) + _merges(world) + _migrations(world)
            + _questions(world) + _undos(world))


def finish(world):
    """Discards what is left, and sweeps twice at most."""
    for row in world.rows("SELECT name FROM agent_branch.session WHERE finished_at IS NULL "
                          "AND project_id = %s", world.row):
        world.rows("SELECT agent_discard(%s)", row["name"])
    world.at_rest()
    for _sweep in range(2):
        world.reap()
        world.tidy()
        if not _branches(world):
            return


def _steps(world):
    return [f"step {row['id']}, {row['kind']}, is left intended" for row in world.rows(
        "SELECT id, kind FROM agent_branch.step WHERE status = 'intended' AND project_id = %s",
        world.row)]


def _branches(world):
    # A backup is wanted while a merge can be undone with it, and what an undo replaced for as long
    # as it is to be kept; no branch is for another reason.
    kept = {row["branch_id"]: row["wanted"] for row in world.rows(
        "SELECT branch_id, EXISTS (SELECT FROM agent_branch.undo_point AS u WHERE "
        "u.backup_branch_id = k.branch_id AND u.why_not IS NULL AND u.undo_until > now()) "
        "OR k.keep_until > now() AND EXISTS (SELECT FROM agent_branch.undo AS d WHERE "
        "d.preserved_name = k.name) AS wanted FROM agent_branch.kept_branch AS k WHERE deleted_at IS NULL")}
    found = []
    for branch in world.at_neon()["branches"]:
        permanent = branch["id"] in (world.root, world.parent_id, *world.foreign)
        # What Neon does not let go, and our tables know of, is not forgotten; nor is what is kept
        # for an undo.
        known = branch["id"] in kept and (kept[branch["id"]] or not branch["deletable"])
        if not permanent and not known:
            found.append(f"branch {branch['name']} is left"
                         + (", and could be deleted" if branch["deletable"] else ""))
    names = [branch["name"] for branch in world.at_neon()["branches"]]
    if PARENT not in names:
        found.append("the parent is gone")
    if world.foreign_branches() != world.foreign_before:
        found.append(f"others' branches were {world.foreign_before} and are "
                     f"{world.foreign_branches()}")
    return found


def _merges(world):
    restored_from = [json.loads(effect["body"])["source_branch_id"]
                     for effect in world.effects() if effect["path"].endswith("/restore")]
    found = []
    for row in world.rows(
            "SELECT s.name, s.branch_id, (SELECT count(*) FROM agent_branch.merge AS m WHERE "
            "m.session_id = s.id AND m.status = 'merged') AS merges, (SELECT count(*) FROM "
            "agent_branch.merge AS m WHERE m.session_id = s.id AND m.status = 'merged' AND "
            "m.chosen IN ('replay', 'pieces', 'nothing')) AS without, (SELECT count(*) FROM "
            "agent_branch.event AS e WHERE e.session_id = s.id AND e.state = 'merged') AS told "
            "FROM agent_branch.session AS s WHERE s.project_id = %s", world.row):
        restores = restored_from.count(row["branch_id"])
        restored = restores == row["merges"] - row["without"]
        if not restored or row["merges"] != row["told"] or row["merges"] > 1:
            found.append(f"session {row['name']} was restored from {restores} times, has "
                         f"{row['merges']} merges and was told to be merged {row['told']} times")
    return found + _replays(world)


def _undos(world):
    """Each is one restore from the merge's backup, or none."""
    restored = [json.loads(effect["body"])["preserve_under_name"]
                for effect in world.effects() if effect["path"].endswith("/restore")]
    return [f"undo {row['id']} is {row['status']}, and was restored {times} times"
            for row in world.rows("SELECT id, status, preserved_name FROM agent_branch.undo")
            for times in [restored.count(row["preserved_name"])]
            if times != (row["status"] == "undone")]


def _replays(world):
    """Each migration of a session that was merged by replay is on the parent once."""
    there = world.replayed()
    if there is None:
        return []
    found = []
    for row in world.rows(
            "SELECT t.name, (SELECT count(*) FROM agent_branch.merge AS m WHERE m.session_id = "
            "m1.session_id AND m.status = 'merged' AND m.chosen IN ('replay', 'pieces')) AS merges "
            "FROM agent_branch.migration AS m1 JOIN agent_branch.migration_attempt AS t "
            "ON t.migration_id = m1.id AND t.number = m1.attempt WHERE m1.status = 'applied'"):
        times = there.pop(row["name"], 0)
        if times != row["merges"]:
            found.append(f"migration {row['name']} was replayed {times} times, and its session "
                         f"was merged by replay {row['merges']} times")
    return found + [f"{name} is on the parent and is not known" for name in there]


def _migrations(world):
    applied = world.applied()
    found = []
    texts = {}  # of one name: a text that failed, and what came in its place
    for row in world.rows("SELECT t.name, t.status, s.state FROM agent_branch.migration AS m "
                          "JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id "
                          "JOIN agent_branch.session AS s ON s.id = m.session_id "
                          "ORDER BY t.migration_id, t.number"):
        texts.setdefault(row["name"], []).append(row)
    for name, rows in texts.items():
        times = applied.pop(name, 0)
        if times != sum(world.must_be_applied(row) for row in rows):
            statuses = ", ".join(row["status"] for row in rows)
            found.append(f"migration {name} is {statuses} and was applied {times} times")
    return found + [f"{name} was applied and is not known" for name in applied]


def _questions(world):
    """Of the model. What it was asked was written down before, and an answer after."""
    outcomes = [row["outcome"] for row in world.rows(
        "SELECT outcome FROM agent_branch.fixer_call WHERE source = 'llm' ORDER BY id")]
    found = []
    if "answered" in outcomes[:-1]:
        found.append(f"the model was asked once more after it had answered: {outcomes}")
    if world.asked() > min(len(outcomes), 2):
        found.append(f"the model was asked {world.asked()} times, of which is known: {outcomes}")
    if None in outcomes:
        found.append(f"a question is left open: {outcomes}")
    return found
