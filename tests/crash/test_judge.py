"""The judge of the crash matrix finds what it is there to find: each wrong is done on purpose."""
import pytest

import judge
import reach
from points import Base, Recording, record
from scenarios import a_session_with_work, all_scenarios
from stage import Stage
from world import BRANCH, World


@pytest.fixture(scope="module")
def stage():
    stage = Stage("flat")
    yield stage
    stage.close()


@pytest.fixture
def world(stage):
    world = World(stage)
    a_session_with_work(world)
    yield world
    world.close()


def judged(world):
    return judge.wrongs(world, judge.outcome(world))


def test_nothing_is_wrong_when_nothing_is(world):
    assert judged(world) == []


def test_a_branch_that_is_left(world):
    world.make_branch(BRANCH + "left")
    assert judged(world) == [f"branch {BRANCH}left is left, and could be deleted"]


def test_a_branch_that_is_recorded_as_kept_and_could_go(world):
    branch = world.make_branch("kept")
    world.rows("INSERT INTO agent_branch.kept_branch (project_id, branch_id, name, kind, "
               "keep_until) SELECT id, %s, 'kept', 'backup', now() + interval '1 hour' "
               "FROM agent_branch.project", branch)
    assert judged(world) == ["branch kept is left, and could be deleted"]


def test_somebody_elses_branch_that_was_touched(world):
    world.delete_branch(BRANCH + "s-of-somebody")
    (wrong,) = judged(world)
    assert wrong.startswith("others' branches were")


def test_a_restore_that_nobody_knows_of(world):
    branch = world.session("s")["branch_id"]
    path = f"/projects/{world.project}/branches/"
    assert world.emulator.call("PATCH", path + branch, {"branch": {"expires_at": None}})[0] == 200
    status, _answer = world.emulator.call("POST", f"{path}{world.parent_id}/restore",
                                          {"source_branch_id": branch,
                                           "preserve_under_name": "old"})
    assert status == 200
    world.idle()
    assert judged(world) == ["branch old is left, and could be deleted",
                             "session s was restored from 1 times, has 0 merges and was told to "
                             "be merged 0 times"]


def test_a_merge_that_was_none(world):
    world.merge("s", strategy="restore")
    world.rows("UPDATE agent_branch.merge SET status = 'conflict'")
    assert judged(world) == ["session s was restored from 1 times, has 0 merges and was told to "
                             "be merged 1 times"]


def test_a_replay_that_was_none(world):
    world.merge("s", strategy="replay")
    world.on_parent(f"DELETE FROM {world.table}")
    assert judged(world) == ["migration s 1 was replayed 0 times, and its session was merged by "
                             "replay 1 times"]


def test_a_replay_that_nobody_knows_of(world):
    world.on_parent(f"INSERT INTO {world.table} VALUES ('s 1'), ('other')")
    assert judged(world) == ["migration s 1 was replayed 1 times, and its session was merged by "
                             "replay 0 times", "other is on the parent and is not known"]


def test_a_migration_that_was_applied_twice_and_one_not_at_all(world):
    world.migrate("s", "s 2")
    world.on_branch(f"INSERT INTO {world.table} VALUES ('s 1'), ('other')")
    world.on_branch(f"DELETE FROM {world.table} WHERE label = 's 2'")
    assert sorted(judged(world)) == ["migration s 1 is applied and was applied 2 times",
                                     "migration s 2 is applied and was applied 0 times",
                                     "other was applied and is not known"]


@pytest.fixture
def mended(world):
    world.use_model("s 2")
    world.migrate_badly("s", "s 2")
    world.settle("s", "ready")
    return world


def test_nothing_is_wrong_with_what_a_model_mended(mended):
    assert judged(mended) == []


def test_a_half_of_what_failed_is_left(mended):
    mended.on_branch(f"INSERT INTO {mended.table} VALUES ('half of s 2')")
    assert judged(mended) == ["half of s 2 was applied and is not known"]


def test_a_mended_migration_that_was_applied_twice(mended):
    mended.on_branch(f"INSERT INTO {mended.table} VALUES ('s 2')")
    assert judged(mended) == ["migration s 2 is failed, applied and was applied 2 times"]


def _know_of_a_question(world, outcome):
    world.rows("INSERT INTO agent_branch.fixer_call (id, session_id, migration_id, original, "
               "source, outcome) SELECT id + 1, session_id, migration_id, original, source, %s "
               "FROM agent_branch.fixer_call ORDER BY id DESC LIMIT 1", outcome)


def _ask(world):
    world.model.server.requests.append({})


def test_a_model_that_was_asked_though_its_answer_was_recorded(mended):
    _know_of_a_question(mended, "answered")
    assert judged(mended) == ["the model was asked once more after it had answered: "
                              "['answered', 'answered']"]


def test_a_model_that_was_asked_and_nobody_knows_of_it(mended):
    _ask(mended)
    assert judged(mended) == ["the model was asked 2 times, of which is known: ['answered']"]


def test_a_model_that_was_asked_too_often(mended):
    mended.rows("UPDATE agent_branch.fixer_call SET outcome = 'interrupted' WHERE source = 'llm'")
    for outcome in ("interrupted", "answered"):
        _know_of_a_question(mended, outcome)
        _ask(mended)
    assert judged(mended) == ["the model was asked 3 times, of which is known: "
                              "['interrupted', 'interrupted', 'answered']"]


def test_a_question_that_is_left_open(mended):
    _know_of_a_question(mended, None)
    (*_, wrong) = judged(mended)
    assert wrong == "a question is left open: ['answered', None]"


def test_another_outcome_than_without_trouble(world):
    (wrong,) = judge.wrongs(world, {"sessions": [("s", "failed")], "migrations": {}, "undos": []})
    assert wrong.startswith("came to {'sessions': [('s', 'ready')], 'migrations': "
                            "{'s 1': 'applied'}, 'undos': []} and not to ")


def test_a_kind_of_step_that_nobody_knows_how_to_hold_stops_it(world):
    world.rows("ALTER TABLE agent_branch.step DROP CONSTRAINT step_kind_check")
    base = Base(world)
    world.rows("INSERT INTO agent_branch.step (id, project_id, kind, status) SELECT 1000000, id, "
               "'move branch', 'done' FROM agent_branch.project")
    with pytest.raises(AssertionError, match='the step "move branch" is made'):
        record(world, all_scenarios()[0], base)


def test_what_is_not_reached_is_told():
    gaps = reach.gaps({"nothing": Recording(kinds={"migrate", "move branch"},
                                            changes={("merged", "queued")})})
    assert 'no scenario makes the step "restore"' in gaps
    assert 'the step "move branch" is in no list' in gaps
    assert "no scenario comes from queued → creating" in gaps
    assert "merged → queued must not be" in gaps
    assert not any("migrate\"" in gap for gap in gaps)
