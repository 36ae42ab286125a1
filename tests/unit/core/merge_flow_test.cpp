#include "worker/core/merge/merge_flow.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

TEST(MergeFlow, MergeMakesItsCallsInThisOrderAndNoOthers) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.calls.clear();
  driver.neon.bodies.clear();
  int64_t merge = driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  driver.RunUntilIdle();
  std::string backup = "dev-before-10000001-" + std::to_string(merge);
  EXPECT_EQ(driver.neon.CallsWithoutPolls(),
            (Strings{"GET /branches?limit=100&sort_by=created_at&sort_order=asc&search=dev",
                     "PATCH /branches/br-1", "POST /branches/br-dev/restore",
                     "GET /branches?limit=100&sort_by=created_at&sort_order=asc&search=" + backup,
                     "GET /branches?limit=100&sort_by=created_at&sort_order=asc"}));
  EXPECT_EQ(driver.neon.bodies[1], R"({"branch":{"expires_at":null}})");
  EXPECT_EQ(driver.neon.bodies[2],
            R"({"source_branch_id":"br-1","preserve_under_name":")" + backup + "\"}");
  EXPECT_EQ(driver.store.StatesOf(id),
            (Strings{"queued", "creating", "ready", "migrating", "ready", "merging", "merged"}));
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
  const MergeRow &row = driver.store.MergeOf(id);
  EXPECT_EQ(row.status, "merged");
  EXPECT_TRUE(row.accepted);
  EXPECT_EQ(row.backup_name, backup);
  EXPECT_EQ(row.backup_branch_id, driver.neon.Named(backup)->id);
}

TEST(MergeFlow, ParentIsComparedRightBeforeItIsRestored) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id);
  const size_t started = driver.branches.started.size();
  size_t calls_before = 0;
  ASSERT_TRUE(driver.RunUntil([&] {
    bool compares = calls_before == 0 && driver.branches.started.size() > started;
    if (compares) calls_before = driver.neon.calls.size();
    return driver.neon.Count("POST /branches/br-dev/restore") == 1;
  }));
  EXPECT_EQ(driver.neon.calls.size(), calls_before + 1);
  EXPECT_EQ(driver.branches.started.back().connection_key, "parent of p1");
}

TEST(MergeFlow, BranchThatTheParentHangsUnderIsPinnedAndSoIsTheBackup) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_TRUE(driver.Row(id).pinned);
  EXPECT_EQ(driver.neon.Count("DELETE"), 0u);  // not even tried
  ASSERT_EQ(driver.store.kept.size(), 2u);
  EXPECT_EQ(driver.store.kept.at("br-1").kind, "pinned");
  EXPECT_EQ(driver.store.kept.at("br-2").kind, "backup");
  EXPECT_EQ(driver.branches.closed.front(), "parent of p1");
}

TEST(MergeFlow, BranchThatTheParentDoesNotHangUnderIsDeleted) {
  EngineDriver driver;
  driver.neon.flat = true;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  driver.RunUntilIdle();
  EXPECT_FALSE(driver.Row(id).pinned);
  EXPECT_EQ(driver.neon.branches.count("br-1"), 0u);
  // The backup went too: it has no undo window to stand for.
  EXPECT_EQ(driver.neon.branches.size(), 2u);
  EXPECT_TRUE(driver.store.kept.at("br-2").deleted);
}

TEST(MergeFlow, NextMergeKeepsTheBranchesThatTheParentHangsUnder) {
  EngineDriver driver;
  int64_t first = driver.MigratedSession("one", "m1");
  driver.store.Merge(first);
  ASSERT_TRUE(driver.RunUntilFinished(first));
  int64_t second = driver.MigratedSession("two", "m2");
  driver.store.Merge(second);
  ASSERT_TRUE(driver.RunUntilFinished(second));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.Dev().data, (Strings{"m1", "m2"}));
  // Restored again, dev hangs under the second one's branch, which hangs under the second backup,
  // which hangs under the first one's branch and that under the first backup: all are kept.
  EXPECT_EQ(driver.store.MergeOf(second).status, "merged");
  EXPECT_EQ(driver.store.kept.size(), 4u);
  for (const auto &[id, kept] : driver.store.kept) {
    EXPECT_FALSE(kept.deleted) << id;
    EXPECT_EQ(driver.neon.branches.count(id), 1u) << id;
  }
}

TEST(MergeFlow, DriftIsAConflictThatTouchesNothing) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  std::string expiry = driver.BranchOf(id)->expires_at;
  driver.neon.Dev().data = {"table public.orders"};
  int64_t merge = driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.Count("POST /branches/br-dev/restore"), 0u);
  EXPECT_EQ(driver.neon.Dev().data, Strings{"table public.orders"});
  ASSERT_EQ(driver.store.conflicts.size(), 1u);
  EXPECT_EQ(driver.store.conflicts[0].merge_id, merge);
  EXPECT_EQ(driver.store.conflicts[0].session_id, id);
  EXPECT_EQ(driver.store.conflicts[0].object, "table public.orders");
  EXPECT_EQ(driver.store.conflicts[0].change, "added");
  EXPECT_EQ(driver.store.MergeOf(id).status, "conflict");
  EXPECT_EQ(driver.Row(id).error,
            "the schema of parent branch \"dev\" changed since the session began\n"
            "table public.orders added.");
  // The expiry that was cleared for the merge stands again.
  EXPECT_EQ(driver.BranchOf(id)->expires_at, expiry);
  EXPECT_TRUE(driver.Row(id).settled);
  EXPECT_EQ(driver.Row(id).goal, Goal::kNone);
}

TEST(MergeFlow, ParentThatWasRestoredSinceIsAConflictThoughItsSchemaIsTheSame) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Dev().last_reset_at = "2026-06-01T00:30:00Z";
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  ASSERT_EQ(driver.store.conflicts.size(), 1u);
  EXPECT_EQ(driver.store.conflicts[0].object, "branch dev");
  EXPECT_EQ(driver.store.conflicts[0].change, "restored");
  EXPECT_EQ(driver.store.conflicts[0].parent_hash, "2026-06-01T00:30:00Z");
  EXPECT_EQ(driver.neon.Count("POST /branches/br-dev/restore"), 0u);
  EXPECT_EQ(driver.neon.Count("PATCH"), 0u);
}

TEST(MergeFlow, SessionThatBeganBeforeAnotherWasMergedConflicts) {
  EngineDriver driver;
  int64_t first = driver.MigratedSession("one", "m1");
  int64_t second = driver.MigratedSession("two", "m2");
  driver.store.Merge(first);
  driver.store.Merge(second);
  ASSERT_TRUE(driver.RunUntilState(second, SessionState::kConflict));
  ASSERT_TRUE(driver.RunUntilFinished(first));
  EXPECT_EQ(driver.store.MergeOf(first).status, "merged");
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

TEST(MergeFlow, MergesOfOneProjectRunInTheOrderTheyWereAskedForIn) {
  EngineDriver driver;
  int64_t first = driver.MigratedSession("one", "m1");
  int64_t second = driver.MigratedSession("two", "m2");
  driver.store.Merge(second);
  driver.store.Merge(first);
  ASSERT_TRUE(driver.RunUntilState(first, SessionState::kConflict));
  EXPECT_EQ(driver.store.MergeOf(second).status, "merged");
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m2"});
}

TEST(MergeFlow, MaxPinnedIsAConflict) {
  EngineDriver driver;
  driver.store.projects.at(1).max_pinned = 0;
  driver.Restart();
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  EXPECT_NE(driver.Row(id).error.find("max_pinned"), std::string::npos);
}

TEST(MergeFlow, ConflictMayBeMergedAfterWhatWasInItsWayIsGone) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Dev().data = {"table public.orders"};
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  driver.neon.Dev().data.clear();
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

TEST(MergeFlow, MergeOfASessionWhoseBranchIsGoneFailsAndLetsTheNextOneGo) {
  EngineDriver driver;
  int64_t first = driver.MigratedSession("one", "m1");
  int64_t second = driver.MigratedSession("two", "m2");
  driver.neon.branches.erase(driver.Row(first).branch_id);
  driver.store.Merge(first);
  driver.store.Merge(second);
  ASSERT_TRUE(driver.RunUntilState(first, SessionState::kFailed)) << driver.Row(first).error;
  EXPECT_EQ(driver.store.MergeOf(first).status, "cancelled");
  ASSERT_TRUE(driver.RunUntilFinished(second));
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m2"});
}

TEST(MergeFlow, ExpiryEndsASessionThatWaitsForItsTurnToMerge) {
  EngineDriver driver;
  driver.settings.max_age = 30 * 24 * 3'600;
  int64_t first = driver.ReadySession("one");
  int64_t second = driver.ReadySession("two");
  driver.branches.next_outcomes = std::deque<BranchOutcome>(5'000, BranchOutcome::kNotRun);
  driver.store.Merge(first);
  driver.store.Merge(second);
  ASSERT_TRUE(driver.RunUntilState(second, SessionState::kMerging));
  driver.store.Extend(first, driver.InAnHour() + 3'600);
  driver.RunUntil([&] { return driver.clock.UnixTime() > driver.Row(second).expires_at; });
  driver.store.Reap();
  ASSERT_TRUE(driver.RunUntilFinished(second)) << StateName(driver.Row(second).state);
  EXPECT_EQ(driver.Row(second).state, SessionState::kExpired);
  EXPECT_EQ(driver.store.MergeOf(second).status, "cancelled");
}

// The restore is done at Neon, its operation runs still, and the worker has not told of it yet.
TEST(MergeFlow, SessionThatBeganSinceTheRestoreIsNoLoserOfIt) {
  EngineDriver driver;
  const int64_t first = driver.MigratedSession("one", "m1");
  driver.store.Merge(first);
  ASSERT_TRUE(driver.RunUntil([&] { return !driver.neon.Dev().last_reset_at.empty(); }));
  const int64_t second = driver.store.CreateSession("two", driver.InAnHour());
  driver.clock.Advance(milliseconds(2'000));
  ASSERT_TRUE(driver.RunUntilState(second, SessionState::kReady));
  EXPECT_EQ(driver.store.MergeOf(first).status, "merged");
  driver.store.Merge(second);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.store.MergeOf(second).status != "queued"; }));
  ASSERT_TRUE(driver.RunUntilFinished(second)) << driver.Row(second).error;
  EXPECT_EQ(driver.store.MergeOf(second).status, "merged");
}

TEST(MergeFlow, SessionThatBeganSinceTheRestoreIsNoLoserThoughTheWorkerRestarts) {
  EngineDriver driver;
  const int64_t first = driver.MigratedSession("one", "m1");
  driver.store.Merge(first);
  ASSERT_TRUE(driver.RunUntil([&] { return !driver.neon.Dev().last_reset_at.empty(); }));
  driver.clock.Advance(milliseconds(2'000));
  driver.Restart();
  const int64_t second = driver.ReadySession("two");
  ASSERT_TRUE(driver.RunUntilFinished(first));
  driver.store.Merge(second);
  ASSERT_TRUE(driver.RunUntilFinished(second)) << driver.Row(second).error;
  EXPECT_EQ(driver.store.MergeOf(second).status, "merged");
}

}  // namespace
}  // namespace agent_branch
