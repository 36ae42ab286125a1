#include "worker/core/session/migrate_flow.hpp"

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
  EXPECT_EQ(driver.store.migrations.at(first).statement, 2);
  EXPECT_EQ(driver.branches.started.size(), 1u);   // the base's fingerprint
  EXPECT_EQ(driver.store.StepsOf(id).size(), 1u);  // the branch's creation
}

// The texts that were sent to the branch, with what kind of task it was.
Strings Sent(const EngineDriver &driver) {
  Strings sent;
  for (const BranchTask &task : driver.branches.started) {
    if (task.kind == BranchTaskKind::kMigrate) sent.push_back(task.sql);
    if (task.kind == BranchTaskKind::kRunOutsideTransaction) sent.push_back("alone: " + task.sql);
    if (task.kind == BranchTaskKind::kRisks) sent.push_back("risks");
  }
  return sent;
}

TEST(MigrateFlow, SegmentsRunOneAfterTheOther) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  int64_t first = driver.store.Migrate(id, "a; b; INDEX i t; VALUE; c; VACUUM");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(Sent(driver), (Strings{"a; b", "alone: INDEX i t", "VALUE", "c", "alone: VACUUM"}));
  const MigrationRow &migration = driver.store.migrations.at(first);
  EXPECT_EQ(migration.statements, 6);
  EXPECT_EQ(migration.statements_done, 6);
  EXPECT_EQ(migration.non_transactional, (std::vector<int>{3, 6}));
  EXPECT_EQ(migration.rows, 15);  // three transactions of five
  EXPECT_EQ(migration.seen_before, "");
  Strings targets;
  for (const StepRow &step : driver.store.StepsOf(id)) {
    if (step.kind == StepKind::kMigrate) targets.push_back(step.target + ": " + step.status);
  }
  EXPECT_EQ(targets,
            (Strings{"migration 1, statements 1 to 2: done", "migration 1, statement 3 alone: done",
                     "migration 1, statements 4 to 4: done", "migration 1, statements 5 to 5: done",
                     "migration 1, statement 6 alone: done"}));
}

TEST(MigrateFlow, ErrorHasItsPlaceInTheWholeText) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  int64_t first = driver.store.Migrate(id, "a; VACUUM; FAIL; c");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  const MigrationRow &migration = driver.store.migrations.at(first);
  EXPECT_EQ(migration.statements_done, 2);
  EXPECT_EQ(migration.error.line, 2);
  EXPECT_EQ(migration.error.detail, "Statements 1 to 2 are committed and stay in effect.");
  EXPECT_NE(driver.Row(id).error_hint.find("Leave them out"), std::string::npos);
}

TEST(MigrateFlow, FailedIndexIsTakenAwayBeforeTheMigrationFails) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.fail_alone = 1;
  int64_t first = driver.store.Migrate(id, "a; INDEX i t; b");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_EQ(driver.store.migrations.at(first).error.sqlstate, "23505");
  EXPECT_EQ(driver.store.migrations.at(first).statement, 2);
  EXPECT_EQ(driver.store.migrations.at(first).error.column, 4);
  EXPECT_TRUE(driver.branches.indexes.empty());
  EXPECT_EQ(driver.BranchOf(id)->data, Strings{"a"});
}

TEST(MigrateFlow, LostAnswerOfAnIndexThatWasBuiltIsNoSecondRun) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.lose_commit_answers = 1;
  int64_t first = driver.store.Migrate(id, "INDEX i t; b");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(driver.BranchOf(id)->data, (Strings{"INDEX i t", "b"}));
}

TEST(MigrateFlow, IndexThatWasCutOffIsTakenAwayAndBuiltAgain) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.lose_commits = 1;
  driver.branches.running_looks = 0;
  int64_t first = driver.store.Migrate(id, "INDEX i t");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(Sent(driver),
            (Strings{"alone: INDEX i t", "alone: DROP INDEX CONCURRENTLY IF EXISTS public.i",
                     "alone: INDEX i t"}));
  EXPECT_EQ(driver.branches.indexes.at("i"), "there");
}

TEST(MigrateFlow, IndexThatReindexLeavesBehindIsTakenAway) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.lose_commits = 1;
  int64_t first = driver.store.Migrate(id, "REINDEX t");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(Sent(driver),
            (Strings{"alone: REINDEX t", "alone: DROP INDEX CONCURRENTLY IF EXISTS public.i_ccnew",
                     "alone: REINDEX t"}));
  EXPECT_TRUE(driver.branches.indexes.empty());
}

TEST(MigrateFlow, StatementThatIsStillAtWorkIsWaitedFor) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.lose_commit_answers = 1;
  int64_t first = driver.store.Migrate(id, "INDEX i t");
  ASSERT_TRUE(driver.RunUntil([&] { return !driver.Row(id).error.empty(); }));
  driver.branches.running_looks = 3;
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(driver.branches.running_looks, 0);
  EXPECT_EQ(Sent(driver), Strings{"alone: INDEX i t"});
}

TEST(MigrateFlow, RisksAreLookedAtOnceAndBeforeAnythingRuns) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.branches.risks = R"([{"n":0,"rows":7,"bytes":8192,"not_null":false}])";
  int64_t first = driver.store.Migrate(id, "DROP t; VACUUM; a");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(Sent(driver), (Strings{"risks", "DROP t", "alone: VACUUM", "a"}));
  EXPECT_EQ(driver.store.migrations.at(first).risks,
            R"([{"kind":"drop","object":"table t","rows":7,"bytes":8192,"lock":null,)"
            R"("statement":1,"line":1,"why":"it goes"}])");
  int64_t second = driver.store.Migrate(id, "b");
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, second) == "applied"; }));
  EXPECT_EQ(driver.store.migrations.at(second).risks, "[]");
}

TEST(MigrateFlow, RiskThatTheProjectRefusesKeepsTheMigrationFromRunning) {
  EngineDriver driver;
  driver.store.projects.at(1).refuse_risks = {"truncate", "drop"};
  int64_t id = driver.ReadySession("one");
  driver.branches.risks = R"([{"n":0,"rows":7,"bytes":8192,"not_null":false}])";
  int64_t first = driver.store.Migrate(id, "a; DROP t");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  const ServerError &error = driver.store.migrations.at(first).error;
  EXPECT_EQ(error.sqlstate, "AB002");
  EXPECT_EQ(error.detail, "Statement 2 in line 1: drop of table t (7 rows): it goes.");
  EXPECT_EQ(Sent(driver), Strings{"risks"});
}

TEST(MigrateFlow, CorrectedTextTakesThePlaceOfTheFailedOne) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  int64_t first = driver.store.Migrate(id, "a; VACUUM; FAIL");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  driver.store.Replace(first, "b");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kReady));
  const MigrationRow &migration = driver.store.migrations.at(first);
  EXPECT_EQ(migration.status, MigrationStatus::kApplied);
  EXPECT_EQ(migration.attempt, 2);
  EXPECT_EQ(migration.statements_done, 1);
  EXPECT_EQ(migration.error.sqlstate, "");
  EXPECT_EQ(driver.store.migrations.size(), 1u);
  EXPECT_EQ(driver.BranchOf(id)->data, (Strings{"a", "VACUUM", "b"}));
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

// A branch that cannot be reached for an hour has refused nothing: what was cut off is cleaned up.
TEST(MigrateFlow, ConnectionsThatFailAreNoReasonToLeaveHalfAnIndex) {
  EngineDriver driver;
  const int64_t id = driver.ReadySession("one");
  driver.branches.lose_commits = 1;
  const int64_t first = driver.store.Migrate(id, "INDEX i t; b");
  ASSERT_TRUE(driver.RunUntil([&] { return driver.branches.lose_commits == 0; }));
  for (int n = 0; n < 40; ++n)
    driver.branches.next_outcomes.push_back(BranchOutcome::kNotRun);
  ASSERT_TRUE(driver.RunUntil([&] { return StatusOf(driver, first) == "applied"; }));
  EXPECT_EQ(driver.branches.indexes.at("i"), "there");
}

}  // namespace
}  // namespace agent_branch
