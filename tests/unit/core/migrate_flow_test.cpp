#include "worker/core/migrate_flow.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

std::string StatusOf(const EngineDriver &driver, int64_t migration) {
  return std::string(MigrationStatusName(driver.store.migrations.at(migration).status));
}

TEST(MigrateFlow, MigrationsRunInOrderAndOnce) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  int64_t first = driver.store.Migrate(id, "m1");
  int64_t second = driver.store.Migrate(id, "m2");
  int64_t third = driver.store.Migrate(id, "m3");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, third) == "applied"; }));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.BranchOf(id)->data, (Strings{"m1", "m2", "m3"}));
  EXPECT_EQ(driver.neon.Dev().data, Strings());
  EXPECT_EQ(StatusOf(driver, first), "applied");
  EXPECT_EQ(StatusOf(driver, second), "applied");
  EXPECT_EQ(driver.store.StatesOf(id),
            (Strings{"queued", "creating", "ready", "migrating", "ready"}));
  EXPECT_TRUE(driver.Row(id).settled);
}

TEST(MigrateFlow, MigrationsOfASessionThatIsNotReadyWaitForIt) {
  EngineDriver driver;
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  int64_t migration = driver.store.Migrate(id, "m1");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, migration) == "applied"; }));
  EXPECT_EQ(driver.BranchOf(id)->data, Strings{"m1"});
}

TEST(MigrateFlow, TransactionIdIsNotedBeforeTheCommit) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  int64_t migration = driver.store.Migrate(id, "m1");
  ASSERT_TRUE(driver.RunUntil(
      [&] { return !driver.store.migrations.at(migration).transaction_id.empty(); }));
  EXPECT_EQ(driver.store.migrations.at(migration).transaction_id, "700");
  EXPECT_EQ(StatusOf(driver, migration), "running");
}

TEST(MigrateFlow, LostCommitAnswerOfACommittedMigrationIsNoSecondRun) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.lose_commit_answers = 1;
  int64_t first = driver.store.Migrate(id, "m1");
  int64_t second = driver.store.Migrate(id, "m2");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, second) == "applied"; }));
  EXPECT_EQ(StatusOf(driver, first), "applied");
  EXPECT_EQ(driver.BranchOf(id)->data, (Strings{"m1", "m2"}));
}

TEST(MigrateFlow, LostCommitOfAMigrationThatWasRolledBackRunsAgain) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.lose_commits = 1;
  int64_t first = driver.store.Migrate(id, "m1");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(driver.BranchOf(id)->data, Strings{"m1"});
  EXPECT_EQ(driver.store.migrations.at(first).transaction_id, "701");
}

TEST(MigrateFlow, TransactionThatIsStillInProgressIsAskedAfterAgain) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.lose_commit_answers = 1;
  driver.branches.next_fates = {TransactionFate::kInProgress, TransactionFate::kInProgress};
  int64_t first = driver.store.Migrate(id, "m1");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(driver.BranchOf(id)->data, Strings{"m1"});
}

TEST(MigrateFlow, TransactionThatTheBranchForgotIsAFailureThatSaysSo) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.lose_commit_answers = 1;
  driver.branches.next_fates = {TransactionFate::kTooOld};
  int64_t first = driver.store.Migrate(id, "m1");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_EQ(StatusOf(driver, first), "failed");
  EXPECT_EQ(driver.store.migrations.at(first).error.sqlstate, "08007");
  EXPECT_NE(driver.Row(id).error.find("not known whether"), std::string::npos);
}

TEST(MigrateFlow, MigrationThatWroteNothingNeedsNoTransactionId) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  int64_t first = driver.store.Migrate(id, "READ something");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(driver.store.migrations.at(first).transaction_id, "");
}

TEST(MigrateFlow, NoConnectionMeansOnceMore) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.next_outcomes = {BranchOutcome::kNotRun, BranchOutcome::kNotRun};
  int64_t first = driver.store.Migrate(id, "m1");
  ASSERT_TRUE(driver.RunUntil([&] { return !driver.Row(id).error.empty(); }));
  EXPECT_EQ(StatusOf(driver, first), "queued");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(driver.Row(id).error, "");
  EXPECT_EQ(driver.BranchOf(id)->data, Strings{"m1"});
}

TEST(MigrateFlow, FailedMigrationCancelsTheRest) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  int64_t first = driver.store.Migrate(id, "m1");
  int64_t second = driver.store.Migrate(id, "FAIL");
  int64_t third = driver.store.Migrate(id, "m3");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  driver.RunUntilIdle();
  EXPECT_EQ(StatusOf(driver, first), "applied");
  EXPECT_EQ(StatusOf(driver, second), "failed");
  EXPECT_EQ(StatusOf(driver, third), "cancelled");
  EXPECT_EQ(driver.store.migrations.at(second).error.line, 2);
  EXPECT_EQ(driver.BranchOf(id)->data, Strings{"m1"});
  EXPECT_EQ(driver.Row(id).error,
            "migration 2 failed: relation \"orders\" does not exist\n"
            "SQLSTATE 42P01, line 2, column 7.");
  EXPECT_NE(driver.Row(id).error_hint, "");
  EXPECT_TRUE(driver.Row(id).settled);
}

TEST(MigrateFlow, StatementThatMayNotStandThereIsRefusedBeforeAnythingRuns) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  int64_t first = driver.store.Migrate(id, "m1; COMMIT");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_EQ(StatusOf(driver, first), "failed");
  EXPECT_EQ(driver.store.migrations.at(first).error.sqlstate, "2D000");
  EXPECT_EQ(driver.branches.started.size(), 1u);  // the base's fingerprint
  EXPECT_EQ(driver.store.StepsOf(id).back().status, "refused");
}

TEST(MigrateFlow, CorrectedMigrationGoesOnFromAFailure) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.store.Migrate(id, "FAIL");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  driver.store.Migrate(id, "m2");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kReady));
  EXPECT_EQ(driver.BranchOf(id)->data, Strings{"m2"});
  EXPECT_EQ(driver.Row(id).error, "");
}

TEST(MigrateFlow, FailedMigrationCancelsTheMergeBehindIt) {
  EngineDriver driver;
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  driver.store.Migrate(id, "FAIL");
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_EQ(driver.store.MergeOf(id).status, "cancelled");
  EXPECT_EQ(driver.Row(id).goal, Goal::kNone);
  EXPECT_EQ(driver.neon.Count("POST /branches/br-dev/restore"), 0u);
}

TEST(MigrateFlow, MigrationAskedForWhileTheSessionFailedToGetABranchIsCancelled) {
  EngineDriver driver;
  FakeBranch foreign;
  foreign.id = "br-foreign";
  foreign.parent_id = "br-dev";
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  foreign.name = driver.Row(id).branch_name;
  driver.neon.branches[foreign.id] = foreign;
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  int64_t migration = driver.store.Migrate(id, "m1");
  driver.RunUntilIdle();
  EXPECT_EQ(driver.store.migrations.at(migration).status, MigrationStatus::kCancelled);
  EXPECT_EQ(driver.Row(id).state, SessionState::kFailed);
}

TEST(MigrateFlow, BranchThatIsGoneFailsTheSession) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.neon.branches.erase(driver.Row(id).branch_id);
  int64_t first = driver.store.Migrate(id, "m1");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_NE(driver.Row(id).error.find("no longer exists"), std::string::npos);
  EXPECT_EQ(StatusOf(driver, first), "cancelled");
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
}

TEST(MigrateFlow, BranchThatIsGoneWithItsLastCommitLeavesItUnknown) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.lose_commit_answers = 1;
  int64_t first = driver.store.Migrate(id, "m1");
  ASSERT_TRUE(driver.RunUntil([&] { return !driver.Row(id).error.empty(); }));
  driver.neon.branches.erase(driver.Row(id).branch_id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_EQ(StatusOf(driver, first), "failed");
  EXPECT_EQ(driver.store.migrations.at(first).error.sqlstate, "08007");
}

TEST(MigrateFlow, DiscardEndsARunningMigration) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.hold_migrations = true;
  int64_t first = driver.store.Migrate(id, "m1");
  ASSERT_TRUE(driver.RunUntil([&] { return driver.branches.started.size() == 2; }));
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(StatusOf(driver, first), "cancelled");
  EXPECT_EQ(driver.Row(id).state, SessionState::kDiscarded);
}

TEST(MigrateFlow, DiscardThatComesWithTheMigrationRunsNothing) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.hold_migrations = true;
  // As if the discard were read between the step's intention and its commit.
  Intake intake;
  driver.store.Migrate(id, "m1");
  intake = driver.store.ReadRequests().value();
  driver.store.requests_due = false;
  driver.engine->OnRequests(intake);
  driver.engine->Advance();
  driver.store.Discard(id);
  driver.engine->OnRequests(driver.store.ReadRequests().value());
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.branches.started.size(), 1u);  // the base's fingerprint
}

}  // namespace
}  // namespace agent_branch
