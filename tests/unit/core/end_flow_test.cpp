#include "worker/core/session/end_flow.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

void ExpectDiscarded(EngineDriver &driver, int64_t id) {
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id)) << StateName(driver.Row(id).state);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(id).state, SessionState::kDiscarded);
  EXPECT_EQ(driver.Row(id).goal, Goal::kNone);
  EXPECT_EQ(driver.neon.branches.size(), 2u);  // main and dev
  for (const StepRow &step : driver.store.StepsOf(id))
    EXPECT_NE(step.status, "intended") << step.target;
  for (const auto &[migration_id, migration] : driver.store.migrations)
    EXPECT_NE(migration.status, MigrationStatus::kQueued);
  for (const CredentialRow &row : driver.store.credentials)
    EXPECT_EQ(row.session_id, 0);
  EXPECT_EQ(driver.engine->CurrentLoad().sessions, 0u);
}

TEST(RemoveFlow, QueuedSessionIsDiscardedWithoutACall) {
  EngineDriver driver;
  driver.settings.active_computes = 0;
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  driver.store.Migrate(id, "m1");
  driver.store.Merge(id);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(id).state, SessionState::kQueued);
  ExpectDiscarded(driver, id);
  EXPECT_EQ(driver.neon.calls, Strings());
  EXPECT_EQ(driver.store.StatesOf(id), (Strings{"queued", "discarded"}));
  EXPECT_EQ(driver.store.MergeOf(id).status, "cancelled");
}

// At each turn of its making, and of its first migration.
TEST(RemoveFlow, SessionIsDiscardedWhereverItIs) {
  for (int turns = 0; turns < 40; ++turns) {
    EngineDriver driver;
    int64_t id = driver.store.CreateSession("one", driver.InAnHour());
    driver.store.Migrate(id, "m1");
    int turn = 0;
    driver.RunUntil([&] { return turn++ == turns; });
    SCOPED_TRACE(std::string(StateName(driver.Row(id).state)) + ", turn " + std::to_string(turns));
    ExpectDiscarded(driver, id);
  }
}

TEST(RemoveFlow, SessionsInConflictAndFailureAreDiscarded) {
  EngineDriver conflict;
  int64_t first = conflict.MigratedSession("one", "m1");
  conflict.neon.Dev().last_reset_at = "2026-06-01T00:30:00Z";
  conflict.store.Merge(first);
  ASSERT_TRUE(conflict.RunUntilState(first, SessionState::kConflict));
  ExpectDiscarded(conflict, first);
  EngineDriver failed;
  int64_t second = failed.ReadySession("one");
  failed.store.Migrate(second, "FAIL");
  ASSERT_TRUE(failed.RunUntilState(second, SessionState::kFailed));
  ExpectDiscarded(failed, second);
}

TEST(RemoveFlow, BranchThatIsGoneAlreadyIsDiscardedOnceTheProjectAnswers) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.neon.branches.erase("br-1");
  driver.neon.calls.clear();
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.neon.CallsWithoutPolls(),
            (Strings{"DELETE /branches/br-1", "GET /branches/br-1",
                     "GET /branches?limit=100&sort_by=created_at&sort_order=asc&search=br-1"}));
}

TEST(RemoveFlow, KeyThatLostItsScopeDoesNotMakeABranchGone) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  std::string scope =
      R"({"code":"","message":"not allowed to perform actions outside the project"})";
  driver.neon.Expect("DELETE", Fault::Answer(404, scope));
  driver.neon.Expect("GET /branches?limit=100&sort_by=created_at&sort_order=asc&search=br-1",
                     Fault::Answer(404, scope));
  ExpectDiscarded(driver, id);
  EXPECT_EQ(driver.neon.Count("DELETE"), 2u);
}

TEST(RemoveFlow, LostAnswerIsAnsweredByDeletingAgain) {
  for (auto kind : {Fault::Kind::kLoseAnswer, Fault::Kind::kLoseRequest}) {
    EngineDriver driver;
    int64_t id = driver.ReadySession("one");
    driver.neon.Expect("DELETE", Fault::Lose(kind));
    ExpectDiscarded(driver, id);
  }
}

TEST(RemoveFlow, EmptyAnswerIsSuccess) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.neon.branches.erase("br-1");
  driver.neon.Expect("DELETE", Fault::Answer(204));
  ExpectDiscarded(driver, id);
}

TEST(RemoveFlow, FailedOperationIsAnsweredByDeletingAgain) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.neon.next_operation_status = "failed";
  ExpectDiscarded(driver, id);
  EXPECT_EQ(driver.neon.Count("DELETE"), 2u);
}

TEST(RemoveFlow, BranchWithChildrenIsPinnedAndGoesWhenTheyDo) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  FakeBranch child;
  child.id = "br-child";
  child.name = "somebody's";
  child.parent_id = "br-1";
  driver.neon.branches[child.id] = child;
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(id).state, SessionState::kDiscarded);
  EXPECT_EQ(driver.store.kept.at("br-1").kind, "pinned");
  EXPECT_FALSE(driver.store.kept.at("br-1").deleted);
  driver.neon.branches.erase("br-child");
  int64_t other = driver.ReadySession("two");
  driver.store.Discard(other);
  ASSERT_TRUE(driver.RunUntilFinished(other));
  driver.RunUntilIdle();
  EXPECT_TRUE(driver.store.kept.at("br-1").deleted);
  EXPECT_EQ(driver.neon.branches.size(), 2u);
}

// One that was ready for a while: what is known of its branch is old.
int64_t OldSession(EngineDriver &driver) {
  const int64_t id = driver.ReadySession("one");
  driver.clock.Advance(milliseconds(600'000));
  driver.neon.calls.clear();
  return id;
}

TEST(EndFlow, DiscardOfABranchThatSomebodyTookOverLeavesTheBranchAlone) {
  EngineDriver driver;
  const int64_t id = OldSession(driver);
  driver.BranchOf(id)->annotation["agent-branch-installation"] = "another";
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(id).state, SessionState::kDiscarded);
  EXPECT_EQ(driver.neon.Count("DELETE"), 0u);
  EXPECT_NE(driver.Row(id).error.find("annotation"), std::string::npos) << driver.Row(id).error;
}

TEST(EndFlow, DiscardReadsABranchThatWasNotLookedAtForAWhile) {
  EngineDriver driver;
  const int64_t id = OldSession(driver);
  ExpectDiscarded(driver, id);
  EXPECT_EQ(driver.neon.CallsWithoutPolls(),
            (Strings{"GET /branches/br-1", "DELETE /branches/br-1"}));
}

TEST(EndFlow, DiscardOfABranchThatWasJustMadeReadsNothing) {
  EngineDriver driver;
  const int64_t id = driver.ReadySession("one");
  driver.neon.calls.clear();
  ExpectDiscarded(driver, id);
  EXPECT_EQ(driver.neon.CallsWithoutPolls(), (Strings{"DELETE /branches/br-1"}));
}

// Its rows could not be written, and a discard has everything read anew: what was known is
// forgotten.
TEST(EndFlow, BranchOfASessionThatWasSetAsideIsReadBeforeItIsDeleted) {
  EngineDriver driver;
  const int64_t id = driver.ReadySession("one");
  driver.engine->SetAside(Owner::Session(id), Status::Error("22003", "out of range"));
  driver.BranchOf(id)->annotation["agent-branch-installation"] = "another";
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.engine->ReloadWanted(); }));
  driver.Restart();
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.neon.Count("DELETE"), 0u);
}

// Each answer says that nothing was done.
TEST(EndFlow, SessionWhoseCreateIsPutOffAgainAndAgainIsDiscardedAtOnce) {
  EngineDriver driver;
  for (int n = 0; n < 50; ++n)
    driver.neon.Expect("POST /branches", Fault::Answer(423));
  const int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Count("POST /branches") == 8; }));
  driver.RunUntil([&] { return driver.neon.idle(); });
  const Instant asked = driver.clock.Now();
  ExpectDiscarded(driver, id);
  EXPECT_LE(driver.neon.Count("POST /branches"), 9u);
  EXPECT_LT(driver.clock.Now() - asked, milliseconds(3'700'000));
}

TEST(EndFlow, DeletionThatNeverSucceedsIsTriedLessAndLessOften) {
  EngineDriver driver;
  const int64_t id = driver.ReadySession("one");
  driver.store.Discard(id);
  const Instant end = driver.clock.Now() + milliseconds(4 * 3'600'000);
  driver.RunUntil([&] {
    driver.neon.next_operation_status = "failed";
    return driver.clock.Now() >= end;
  });
  EXPECT_NE(driver.Row(id).error.find("could not delete the branch"), std::string::npos);
  EXPECT_GE(driver.neon.Count("DELETE"), 10u);
  EXPECT_LE(driver.neon.Count("DELETE"), 40u);
  driver.neon.next_operation_status = "finished";
  ASSERT_TRUE(driver.RunUntilFinished(id));
}

}  // namespace
}  // namespace agent_branch
