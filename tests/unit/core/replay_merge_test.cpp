#include "worker/core/merge/replay_merge.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

TEST(ReplayMerge, KeepsWhatOthersWroteAndCallsNothing) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Dev().rows["public.orders"] = 3;
  driver.neon.calls.clear();
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntil([&] { return driver.Row(id).state == SessionState::kMerged; }))
      << driver.Row(id).error;
  EXPECT_EQ(driver.neon.calls, Strings{});
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
  EXPECT_EQ(driver.neon.Dev().rows.at("public.orders"), 3);
  const MergeRow &merge = driver.store.MergeOf(id);
  EXPECT_EQ(merge.status, "merged");
  EXPECT_EQ(merge.chosen, "replay");
  EXPECT_NE(merge.transaction_id, "");
  EXPECT_NE(merge.certificate.find("rows_on_parent"), std::string::npos) << merge.certificate;
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.neon.branches.count("br-1"), 0U);  // nothing hangs under it
  EXPECT_TRUE(driver.store.kept.empty());
}

TEST(ReplayMerge, SessionThatChangedNothingIsMergedByDoingNothing) {
  for (const char *strategy : {"auto", "replay", "restore"}) {
    EngineDriver driver;
    int64_t id = driver.ReadySession("one");
    driver.store.Merge(id, strategy);
    ASSERT_TRUE(driver.RunUntilFinished(id)) << strategy;
    EXPECT_EQ(driver.store.MergeOf(id).chosen, "nothing") << strategy;
    EXPECT_EQ(driver.store.MergeOf(id).status, "merged") << strategy;
    EXPECT_EQ(driver.neon.Count("POST /branches/br-dev/restore"), 0U) << strategy;
  }
}

TEST(ReplayMerge, AllMigrationsRunInOrderInOneTransaction) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  for (const char *sql : {"m2", "READ", "m3"}) {
    driver.store.Migrate(id, sql);
    ASSERT_TRUE(driver.RunUntilState(id, SessionState::kReady));
  }
  driver.store.Merge(id, "auto");
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.neon.Dev().data, (Strings{"m1", "m2", "m3"}));
  EXPECT_EQ(driver.store.MergeOf(id).chosen, "replay") << driver.store.MergeOf(id).chosen_reason;
}

TEST(ReplayMerge, DriftIsAConflictUnlessRebaseIsAskedFor) {
  for (const char *on_drift : {"fail", "rebase"}) {
    EngineDriver driver;
    int64_t id = driver.MigratedSession("one", "m1");
    driver.neon.Dev().data = {"table public.orders"};
    driver.store.Merge(id, "auto", on_drift);
    if (std::string(on_drift) == "fail") {
      ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
      EXPECT_EQ(driver.neon.Dev().data, Strings{"table public.orders"});
      ASSERT_EQ(driver.store.conflicts.size(), 1U);
      EXPECT_EQ(driver.store.conflicts[0].object, "table public.orders");
    } else {
      ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
      EXPECT_EQ(driver.neon.Dev().data, (Strings{"table public.orders", "m1"}));
    }
  }
}

// Whether the branch's view uses the one that others dropped is not known before it is read.
TEST(ReplayMerge, DefinitionsThatCannotBeReadNowAreAskedForAgain) {
  EngineDriver driver;
  driver.neon.Dev().data = {"view public.t"};
  int64_t id = driver.MigratedSession("one", "view public.w");
  driver.neon.Dev().data = {};
  driver.store.Merge(id, "replay", "rebase");
  const std::vector<BranchTask> &started = driver.branches.started;
  ASSERT_TRUE(driver.RunUntil([&] {
    return started.back().kind == BranchTaskKind::kFingerprint &&
           started.back().uri.Reveal().find(driver.neon.Dev().id) != std::string::npos;
  }));
  driver.branches.next_outcomes = {BranchOutcome::kNotRun};
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.neon.Dev().data, Strings{"view public.w"});
  EXPECT_EQ(std::count_if(
                started.begin(), started.end(),
                [](const BranchTask &task) { return task.kind == BranchTaskKind::kDefinitions; }),
            2);
}

TEST(ReplayMerge, SessionsOfOneParentAreMergedOneAfterTheOther) {
  EngineDriver driver;
  std::vector<int64_t> sessions;
  for (const char *name : {"one", "two", "three"})
    sessions.push_back(driver.MigratedSession(name, "by " + std::string(name)));
  for (const int64_t id : sessions)
    driver.store.Merge(id, "auto", "rebase");
  for (const int64_t id : sessions)
    ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.neon.Dev().data, (Strings{"by one", "by two", "by three"}));
}

TEST(ReplayMerge, WhatWasDoneOutsideOfMigrationsIsNotLostSilently) {
  for (const char *on_unrecorded : {"fail", "drop"}) {
    EngineDriver driver;
    int64_t id = driver.MigratedSession("one", "m1");
    driver.BranchOf(id)->rows["public.notes"] = 2;
    driver.neon.Dev().rows["public.orders"] = 1;  // so that a restore cannot carry it either
    driver.store.Merge(id, "auto", "fail", on_unrecorded);
    if (std::string(on_unrecorded) == "fail") {
      ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
      EXPECT_NE(driver.Row(id).error.find("table public.notes: 2 rows written"), std::string::npos)
          << driver.Row(id).error;
      EXPECT_EQ(driver.neon.Dev().data, Strings{});
    } else {
      ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
      EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
    }
  }
}

TEST(ReplayMerge, RestoreCarriesWhatWasDoneOutsideOfMigrations) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.BranchOf(id)->rows["public.notes"] = 2;
  driver.store.Merge(id, "auto");
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.store.MergeOf(id).chosen, "restore");
  EXPECT_EQ(driver.neon.Count("POST /branches/br-dev/restore"), 1U);
}

TEST(ReplayMerge, UnrecordedSchemaIsNeverDropped) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.BranchOf(id)->data.push_back("table public.by_hand");
  driver.store.Merge(id, "replay", "fail", "drop");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  EXPECT_NE(driver.Row(id).error.find("table public.by_hand"), std::string::npos)
      << driver.Row(id).error;
  EXPECT_EQ(driver.neon.Dev().data, Strings{});
}

TEST(ReplayMerge, OtherRowsThanOnTheBranchAreRefused) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.branches.records["m1"] =
      R"({"counted":true,"rows":{"public.log":{"inserted":1},"public.orders":{"deleted":9}}})";
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  EXPECT_NE(driver.Row(id).error.find("public.orders"), std::string::npos) << driver.Row(id).error;
  EXPECT_EQ(driver.neon.Dev().data, Strings{});
}

TEST(ReplayMerge, MigrationThatFailsOnTheParentIsNamed) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.branches.fail_on.insert("br-dev");
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  EXPECT_EQ(driver.Row(id).error.rfind("migration 1 failed on the parent", 0), 0U)
      << driver.Row(id).error;
}

TEST(ReplayMerge, WhatOthersChangeWhileTheSchemaIsDescribedIsTriedAgain) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.branches.fail_on.insert("br-dev");
  driver.branches.fail_with = "XX000";  // could not open relation with OID 16384
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntil([&] { return !driver.Row(id).error.empty(); }));
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerging);
  driver.branches.fail_on.clear();
  ASSERT_TRUE(driver.RunUntil([&] { return driver.Row(id).state == SessionState::kMerged; }));
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

TEST(ReplayMerge, LostAnswersAreDecidedByTheTransactionsId) {
  for (const bool done : {true, false}) {
    for (const bool restarts : {true, false}) {
      EngineDriver driver;
      int64_t id = driver.MigratedSession("one", "m1");
      (done ? driver.branches.lose_commit_answers : driver.branches.lose_commits) = 1;
      driver.store.Merge(id, "replay");
      if (restarts) {
        ASSERT_TRUE(
            driver.RunUntil([&] { return !driver.store.MergeOf(id).transaction_id.empty(); }));
        driver.Restart();
      }
      ASSERT_TRUE(driver.RunUntilFinished(id)) << done << restarts << driver.Row(id).error;
      EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
      EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"}) << done << restarts;
    }
  }
}

TEST(ReplayMerge, CrashAtAnyCommitReplaysOnce) {
  for (const auto when : {EngineDriver::Crash::kBeforeCommit, EngineDriver::Crash::kAfterCommit}) {
    for (int commit = 1; commit <= 12; ++commit) {
      EngineDriver driver;
      int64_t id = driver.MigratedSession("one", "m1");
      driver.CrashAt(when, driver.store.commits + commit);
      driver.store.Merge(id, "replay");
      ASSERT_TRUE(driver.RunUntilFinished(id)) << commit << driver.Row(id).error;
      EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"}) << commit;
      EXPECT_EQ(driver.store.MergeOf(id).status, "merged") << commit;
    }
  }
}

TEST(ReplayMerge, ParentThatWasRestoredMeanwhileIsNotAskedAfterATransactionOfItsOldHistory) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.branches.lose_commit_answers = 1;
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntil([&] { return !driver.store.MergeOf(id).transaction_id.empty(); }));
  driver.neon.Dev().last_reset_at = "2026-06-01T00:30:00Z";
  driver.Restart();
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_EQ(driver.Row(id).error.rfind("it is not known whether the replay was committed", 0), 0U)
      << driver.Row(id).error;
}

TEST(ReplayMerge, DiscardBeforeItsCommitRollsItBack) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.branches.hold_migrations = true;
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntil([&] {
    const auto steps = driver.store.StepsOf(id);
    return !steps.empty() && steps.back().kind == StepKind::kReplay;
  }));
  driver.RunUntilIdle();
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kDiscarded);
  EXPECT_EQ(driver.neon.Dev().data, Strings{});
}

// Its transaction is ready to commit, and the branch is to say whether it is what was read.
bool LooksAtTheBranchNext(const EngineDriver &driver) {
  if (driver.branches.started.empty()) return false;
  const BranchTask &last = driver.branches.started.back();
  return last.kind == BranchTaskKind::kMigrate && last.prove;
}

TEST(ReplayMerge, BranchThatDoesNotAnswerBeforeTheCommitIsNoReasonToRefuse) {
  EngineDriver driver;
  driver.branches.snapshot = "10:10:";
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntil([&] { return LooksAtTheBranchNext(driver); }));
  driver.branches.next_outcomes = {BranchOutcome::kNotRun};
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_TRUE(driver.branches.next_outcomes.empty());
  EXPECT_EQ(driver.store.MergeOf(id).status, "merged");
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

TEST(ReplayMerge, BranchThatIsGoneBeforeTheCommitEndsTheMerge) {
  EngineDriver driver;
  driver.branches.snapshot = "10:10:";
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntil([&] { return LooksAtTheBranchNext(driver); }));
  driver.neon.branches.erase(driver.Row(id).branch_id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed)) << driver.Row(id).error;
  EXPECT_EQ(driver.neon.Dev().data, Strings{});
  EXPECT_NE(driver.store.StepsOf(id).back().status, "intended");
}

TEST(ReplayMerge, ProtectedParentIsMergedIntoToo) {
  EngineDriver driver;
  driver.neon.Dev().is_protected = true;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id, "auto");
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

}  // namespace
}  // namespace agent_branch
