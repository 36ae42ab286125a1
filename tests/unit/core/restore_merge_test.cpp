#include "worker/core/merge/restore_merge.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

constexpr char kRestore[] = "POST /branches/br-dev/restore";

TEST(RestoreMerge, LostAnswerIsProvenByTheBackupsName) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Expect(kRestore, Fault::Lose(Fault::Kind::kLoseAnswer));
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.neon.Count(kRestore), 1u);
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
  EXPECT_EQ(driver.store.kept.count("br-1"), 1u);  // Neon refused to delete it
}

TEST(RestoreMerge, LostRequestIsCheckedAndSentAgain) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Expect(kRestore, Fault::Lose(Fault::Kind::kLoseRequest));
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.neon.Count(kRestore), 2u);
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

TEST(RestoreMerge, BackupThatIsNotListedAtOnceDoesNotMakeAMergeAConflict) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Expect(kRestore, Fault::Lose(Fault::Kind::kLoseAnswer));
  driver.neon.Expect("GET /branches?limit=100&sort_by=created_at&sort_order=asc&search=dev-before-",
                     Fault::Answer(200, R"({"branches":[]})"));
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
  EXPECT_EQ(driver.neon.Count(kRestore), 1u);
}

TEST(RestoreMerge, NameTakenMeansThatAnEarlierRequestWasDone) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  // Both are done, the first one's answer is an error page, and the second one meets its backup.
  driver.neon.Expect(kRestore, Fault::Lose(Fault::Kind::kLoseAnswer));
  driver.neon.Expect("GET /branches?limit=100&sort_by=created_at&sort_order=asc&search=dev-before-",
                     Fault::Answer(500, "oops"));
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

TEST(RestoreMerge, RestoreThatWasDoneIsSeenThoughItsRepetitionWasRefused) {
  for (int status : {422, 423, 429, 503}) {
    EngineDriver driver;
    int64_t id = driver.MigratedSession("one", "m1");
    driver.neon.Expect(kRestore, Fault::Repeat(status, R"({"message":"not now"})"));
    driver.store.Merge(id);
    ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Count(kRestore) == 1; }));
    driver.neon.Dev().is_protected = true;
    ASSERT_TRUE(driver.RunUntilFinished(id)) << status << ": " << driver.Row(id).error;
    EXPECT_EQ(driver.Row(id).state, SessionState::kMerged) << status;
    EXPECT_EQ(driver.neon.Count(kRestore), 1u) << status;
  }
}

TEST(RestoreMerge, MergeThatIsRefusedAfterItsRestoreWasIsRefusedForThat) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Expect(kRestore, Fault::Answer(503, ""));
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Count(kRestore) == 1; }));
  driver.neon.Dev().is_protected = true;
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict)) << driver.Row(id).error;
  EXPECT_NE(driver.Row(id).error.find("is protected"), std::string::npos) << driver.Row(id).error;
  EXPECT_EQ(driver.store.MergeOf(id).status, "conflict");
}

TEST(RestoreMerge, BranchThatIsDeletedAfterItsRestoreWasDoneIsMerged) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.flat = true;
  driver.neon.Expect(kRestore, Fault::Repeat(503, ""));
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Count(kRestore) == 1; }));
  driver.neon.branches.erase(driver.Row(id).branch_id);
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
}

TEST(RestoreMerge, RestoreWithinTheSecondOfAnEarlierOneIsUnknownWhenNothingTells) {
  struct Case {
    const char *reset_at;
    const char *says;
  };
  // FakeNeon's backups are made at 00:00:00.
  for (const Case &one : {Case{"2026-06-01T00:00:00Z", "it is not known whether"},
                          Case{"2026-05-31T23:59:59Z", "Neon could not restore the parent"}}) {
    for (bool restarts : {false, true}) {
      EngineDriver driver;
      driver.neon.flat = true;
      driver.neon.Dev().last_reset_at = one.reset_at;
      int64_t id = driver.MigratedSession("one", "m1");
      driver.neon.restores_fail = true;
      driver.neon.Expect(kRestore, Fault::Lose(Fault::Kind::kLoseAnswer));
      driver.store.Merge(id);
      ASSERT_TRUE(
          driver.RunUntil([&] { return !driver.store.MergeOf(id).backup_branch_id.empty(); }));
      if (restarts) driver.Restart();
      ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
      EXPECT_EQ(driver.Row(id).error.rfind(one.says, 0), 0u) << driver.Row(id).error;
    }
  }
}

TEST(RestoreMerge, RefusalIsAConflictWithNeonsWords) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Expect(
      kRestore, Fault::Answer(422, R"({"code":"","message":"cannot reset protected branch"})"));
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  driver.RunUntilIdle();
  EXPECT_NE(driver.Row(id).error.find("cannot reset protected branch"), std::string::npos);
  EXPECT_NE(driver.BranchOf(id)->expires_at, "");
}

TEST(RestoreMerge, LimitIsWaitedOutAndTheParentComparedAgain) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.branch_limit = 3;
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Count(kRestore) == 2; }));
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerging);
  EXPECT_NE(driver.Row(id).error.find("limit"), std::string::npos);
  driver.neon.Dev().data = {"table public.orders"};
  driver.neon.branch_limit = 10;
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  EXPECT_EQ(driver.neon.Dev().data, Strings{"table public.orders"});
}

TEST(RestoreMerge, FailedOperationIsAFailedMerge) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.restores_fail = true;
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_EQ(driver.store.MergeOf(id).status, "failed");
  EXPECT_EQ(driver.neon.Dev().data, Strings());
}

TEST(RestoreMerge, FailedOperationIsAFailedMergeThoughItsAnswerWasLost) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.restores_fail = true;
  driver.neon.Expect(kRestore, Fault::Lose(Fault::Kind::kLoseAnswer));
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_EQ(driver.store.MergeOf(id).status, "failed");
}

TEST(RestoreMerge, MergeIsNotReportedBeforeItsOperationsEndThoughTheWorkerRestarts) {
  for (bool answered : {true, false}) {
    EngineDriver driver;
    int64_t id = driver.MigratedSession("one", "m1");
    driver.neon.operation_time = milliseconds(60'000);
    if (!answered) driver.neon.Expect(kRestore, Fault::Lose(Fault::Kind::kLoseAnswer));
    driver.store.Merge(id);
    ASSERT_TRUE(driver.RunUntil([&] { return driver.store.MergeOf(id).accepted; }));
    Instant accepted = driver.clock.Now();
    driver.Restart();
    ASSERT_TRUE(driver.RunUntilState(id, SessionState::kMerged));
    EXPECT_GE(driver.clock.Now(), accepted + milliseconds(50'000));
    EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
  }
}

TEST(RestoreMerge, OneThatTheStoreHasForgottenIsKnownByItsBackup) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id);
  FakeStore lagging = driver.store;
  ASSERT_TRUE(driver.RunUntil([&] { return driver.store.MergeOf(id).accepted; }));
  driver.store = lagging;
  driver.Restart();
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
  EXPECT_EQ(driver.neon.Count(kRestore), 1u);
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

TEST(RestoreMerge, RestoreOfSomebodyElseCostsOneLookAndIsAConflict) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Dev().last_reset_at = "2026-01-01T00:00:00Z";
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  EXPECT_EQ(driver.neon.Count(
                "GET /branches?limit=100&sort_by=created_at&sort_order=asc&search=dev-before-"),
            1u);
  EXPECT_EQ(driver.neon.Count(kRestore), 0u);
}

TEST(RestoreMerge, AnswerThatIsNoJsonIsLookedUp) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Expect(kRestore, Fault::Lose(Fault::Kind::kLoseAnswer));
  driver.neon.Expect("GET /branches?limit=100&sort_by=created_at&sort_order=asc&search=dev-before-",
                     Fault::Answer(200, "<html>"));
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
}

TEST(RestoreMerge, ParentsPasswordThatIsRefusedIsFetchedAgain) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  const size_t started = driver.branches.started.size();
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.branches.started.size() > started; }));
  driver.branches.TakeEvents();
  BranchEvent refused;
  refused.id = driver.branches.started.back().id;
  refused.outcome = BranchOutcome::kNotRun;
  refused.error = Status::Error("28P01", "password authentication failed");
  size_t before = driver.neon.Count("GET /connection_uri?branch_id=br-dev");
  driver.engine->OnBranch(refused);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.neon.Count("GET /connection_uri?branch_id=br-dev"), before + 2);
}

TEST(RestoreMerge, DiscardIsRefusedOnceTheRestoreIsOnItsWay) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Count(kRestore) == 1; }));
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
}

TEST(RestoreMerge, DiscardBeforeTheRestoreEndsTheMerge) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kMerging));
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kDiscarded);
  EXPECT_EQ(driver.store.MergeOf(id).status, "cancelled");
  EXPECT_EQ(driver.neon.Count(kRestore), 0u);
}

}  // namespace
}  // namespace agent_branch
