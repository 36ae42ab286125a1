"""The pitfalls of merging by restore, by their numbers, and the tests that show that none holds here.

Those that have a test of their own elsewhere are named; that it exists is looked at.
"""
import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]

PITFALLS = {
    1: ("rows written to the parent after the fork vanish",
        "system/test_replay.py",
        "test_rows_written_to_development_meanwhile_are_there_after_the_merge"),
    2: ("deleted rows come back",
        "system/test_lost_writes.py", "test_no_acknowledged_write_is_lost"),
    3: ("the same sequence values on both sides",
        "system/test_lost_writes.py", "test_no_acknowledged_write_is_lost"),
    4: ("writes that are acknowledged between check and swap",
        "system/test_restore_check.py",
        "test_whoever_writes_while_it_restores_gets_an_error_or_keeps_his_row"),
    5: ("all databases of the branch are overwritten",
        "system/test_lost_writes.py", "test_no_acknowledged_write_is_lost"),
    6: ("roles and passwords come from the agent's branch",
        "branch/single_changes_test.cpp", "EachOfEightyFourMovesTheStandpoint"),
    7: ("a protected parent cannot be restored",
        "unit/core/replay_merge_test.cpp", "ProtectedParentIsMergedIntoToo"),
    8: ("lineage grows by each restore",
        "system/test_lineage.py", "test_a_chain_that_is_full_is_got_out_of_as_the_hint_says"),
    9: ("an expiring branch cannot be restored from",
        "unit/core/merge_flow_test.cpp", "MergeMakesItsCallsInThisOrderAndNoOthers"),
    10: ("a sibling from before reverts another session's merge",
         "unit/core/merge_flow_test.cpp", "SessionThatBeganBeforeAnotherWasMergedConflicts"),
    11: ("the parent's id may change under its name",
         "unit/core/merge_flow_test.cpp",
         "ParentThatWasRestoredSinceIsAConflictThoughItsSchemaIsTheSame"),
    12: ("reset from parent is blocked after a snapshot's restore: none is used", None, None),
    13: ("an undo is an overwrite itself",
         "system/test_undo.py", "test_what_was_written_since_is_named_and_not_dropped_unasked"),
    14: ("tables of ours inside of the branch would go back with it: they are in another database",
         "system/test_undo.py", "test_a_merge_is_taken_back"),
    15: ("a create whose answer is lost", "unit/core/create_flow_test.cpp",
         "LostAnswerIsFoundByNameAndAnnotation"),
    16: ("a deletion that is lost, children, pages", "unit/core/kept_branches_test.cpp",
         "BranchWithAForeignChildIsNotTried"),
    17: ("a fix that drops the hard part", "unit/core/fixer", "NothingVanishesThatTheEffectsDoNotExplain"),
    18: ("texts that talk to the fixer", "unit/core/fixer", "NoTextClosesItsOwnFence"),
    19: ("what is named by chance or time differs on the parent",
         "unit/core/replay_merge_test.cpp", "OtherRowsThanOnTheBranchAreRefused"),
    20: ("what was done outside of migrations",
         "system/test_replay.py", "test_what_was_done_by_hand_is_named_and_not_left_behind"),
    21: ("locks stop neither nextval() nor new tables",
         "system/test_restore_check.py",
         "test_what_was_written_meanwhile_is_told_and_can_be_brought_back"),
    22: ("object storage is not restored: it is not touched", None, None),
}


@pytest.mark.parametrize("number", sorted(PITFALLS))
def test_pitfall(number):
    what, path, name = PITFALLS[number]
    if path is None:
        pytest.skip(f"no part of it is ours: {what}")
    place = TESTS / path
    files = [place] if place.is_file() else sorted(place.rglob("*_test.cpp"))
    texts = [file.read_text(encoding="utf-8") for file in files]
    tests = re.findall(r"(?:def (test_\w+)|TEST(?:_[FP])?\(\w+,\s*(\w+)\))", "\n".join(texts))
    names = [one or other for one, other in tests]
    assert any(re.search(name, one) for one in names), f"{what}: no test {name} in {path}"
