#include "worker/core/engine.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"
#include "worker/core/base/timestamp.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

TEST(Engine, NothingToDoMeansNoDeadlineAndNoCall) {
  EngineDriver driver;
  driver.RunUntilIdle();
  EXPECT_FALSE(driver.engine->NextDeadline());
  EXPECT_FALSE(driver.engine->HasWork());
  EXPECT_EQ(driver.neon.calls, Strings());
  driver.ReadySession("one");
  driver.RunUntilIdle();
  EXPECT_FALSE(driver.engine->NextDeadline());
}

TEST(Engine, SessionsBeyondMaxParallelWaitTheirTurn) {
  EngineDriver driver;
  driver.store.projects.at(1).max_parallel = 2;
  driver.Restart();
  std::vector<int64_t> ids;
  for (const char *name : {"one", "two", "three", "four"})
    ids.push_back(driver.store.CreateSession(name, driver.InAnHour()));
  ASSERT_TRUE(driver.RunUntilState(ids[1], SessionState::kReady));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(ids[0]).state, SessionState::kReady);
  EXPECT_EQ(driver.Row(ids[2]).state, SessionState::kQueued);
  EXPECT_EQ(driver.Row(ids[3]).state, SessionState::kQueued);
  EXPECT_EQ(driver.engine->CurrentLoad().waiting, 2u);
  driver.store.Discard(ids[0]);
  ASSERT_TRUE(driver.RunUntilState(ids[2], SessionState::kReady));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(ids[3]).state, SessionState::kQueued);
}

TEST(Engine, SessionThatFailedWithoutABranchHoldsNoPlace) {
  EngineDriver driver;
  driver.store.projects.at(1).max_parallel = 1;
  driver.Restart();
  driver.neon.Expect("POST /branches", Fault::Answer(400, R"({"code":"","message":"bad"})"));
  int64_t first = driver.store.CreateSession("one", driver.InAnHour());
  int64_t second = driver.store.CreateSession("two", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntilState(second, SessionState::kReady));
  EXPECT_EQ(driver.Row(first).state, SessionState::kFailed);
}

TEST(Engine, ExtendedSessionGetsItsNewExpiryAtNeon) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.neon.calls.clear();
  int64_t later = driver.InAnHour() + 7'200;
  driver.store.Extend(id, later);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.Row(id).branch_expires_at == later; }));
  EXPECT_EQ(driver.BranchOf(id)->expires_at, FormatTimestamp(later));
  EXPECT_EQ(driver.neon.calls, Strings{"PATCH /branches/br-1"});
  driver.RunUntilIdle();
  EXPECT_TRUE(driver.Row(id).settled);
}

TEST(Engine, LostAnswerToAnExpiryIsAnsweredBySettingItAgain) {
  for (auto kind : {Fault::Kind::kLoseAnswer, Fault::Kind::kLoseRequest}) {
    EngineDriver driver;
    int64_t id = driver.ReadySession("one");
    int64_t later = driver.InAnHour() + 7'200;
    driver.neon.Expect("PATCH", Fault::Lose(kind));
    driver.store.Extend(id, later);
    driver.RunUntilIdle();
    EXPECT_EQ(driver.BranchOf(id)->expires_at, FormatTimestamp(later));
    EXPECT_TRUE(driver.Row(id).settled);
    EXPECT_EQ(driver.Row(id).error, "");
    for (const StepRow &step : driver.store.StepsOf(id))
      EXPECT_NE(step.status, "intended");
  }
}

TEST(Engine, ExpiryThatNeonRefusesIsAskedForOnce) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.neon.Expect("PATCH", Fault::Answer(422, R"({"code":"","message":"no"})"));
  driver.store.Extend(id, driver.InAnHour() + 7'200);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.Count("PATCH"), 1u);
  EXPECT_TRUE(driver.Row(id).settled);
}

TEST(Engine, LostCredentialsAreFetchedAgain) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.store.LoseCredentials();
  driver.neon.calls.clear();
  driver.Restart();
  driver.RunUntilIdle();
  EXPECT_EQ(driver.store.credentials.size(), 4u);
  EXPECT_EQ(driver.neon.Count("GET /connection_uri"), 4u);
  EXPECT_EQ(driver.Row(id).state, SessionState::kReady);
}

TEST(Engine, ConflictWhoseBranchIsGoneAfterACrashFails) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Dev().last_reset_at = "2026-06-01T00:30:00Z";
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  driver.RunUntilIdle();
  driver.store.LoseCredentials();
  driver.neon.branches.erase("br-1");
  driver.Restart();
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_NE(driver.Row(id).error.find("no longer exists"), std::string::npos);
}

TEST(Engine, OtherParentOfAProjectMeansOtherCredentials) {
  EngineDriver driver;
  driver.ReadySession("one");
  FakeBranch other = driver.neon.Dev();
  other.id = "br-other";
  other.name = "other";
  driver.neon.branches[other.id] = other;
  driver.store.projects.at(1).parent = "other";
  int64_t second = driver.ReadySession("two");
  EXPECT_EQ(driver.Row(second).parent_branch_id, "br-other");
  EXPECT_EQ(driver.neon.Count("GET /connection_uri?branch_id=br-other"), 2u);
}

TEST(Engine, MergeThatComesTooLateIsCancelledAndSaysWhy) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.store.Migrate(id, "FAIL");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  driver.store.Merge(id);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.store.MergeOf(id).status, "cancelled");
  EXPECT_EQ(driver.store.MergeOf(id).reason, "the session was failed when the request was taken");
  EXPECT_EQ(driver.Row(id).state, SessionState::kFailed);
}

TEST(Engine, WhatIsAskedOfASessionThatHasEndedIsCancelled) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  int64_t migration = driver.store.Migrate(id, "m1");
  driver.store.Merge(id);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.store.migrations.at(migration).status, MigrationStatus::kCancelled);
  EXPECT_EQ(driver.store.MergeOf(id).status, "cancelled");
  EXPECT_TRUE(driver.store.requests.empty());
}

TEST(Engine, MigrationOfASessionThatGotNoBranchIsCancelled) {
  EngineDriver driver;
  driver.neon.Expect("POST /branches", Fault::Answer(400, R"({"message":"no"})"));
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  size_t calls = driver.neon.calls.size();
  // Asked for in the moment in which the session failed.
  int64_t migration = driver.store.Migrate(id, "m1");
  driver.RunUntilIdle();
  EXPECT_EQ(driver.store.migrations.at(migration).status, MigrationStatus::kCancelled);
  EXPECT_EQ(driver.Row(id).state, SessionState::kFailed);
  EXPECT_TRUE(driver.Row(id).settled);
  EXPECT_EQ(driver.neon.calls.size(), calls);
}

TEST(Engine, RequestIsTakenOnceThoughItIsReadTwice) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  int64_t migration = driver.store.Migrate(id, "m1");
  Intake intake = driver.store.ReadRequests().value();
  driver.engine->OnRequests(intake);
  driver.engine->OnRequests(intake);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.BranchOf(id)->data, Strings{"m1"});
  EXPECT_EQ(driver.store.migrations.at(migration).status, MigrationStatus::kApplied);
}

TEST(Engine, StoreThatFailsHoldsBackWhatWasNotRecorded) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.neon.calls.clear();
  driver.store.Discard(id);
  driver.store.failure = Status::Error("53100", "disk full");
  for (int turn = 0; turn < 20; ++turn)
    driver.Turn();
  EXPECT_EQ(driver.neon.calls, Strings());
  driver.store.failure = Status();
  ASSERT_TRUE(driver.RunUntilFinished(id));
}

TEST(Engine, CallsOfASessionAreCounted) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.RunUntilIdle();
  // List, create and two URIs of the parent; polls are the project's own.
  EXPECT_EQ(driver.Row(id).api_calls, 4);
}

}  // namespace
}  // namespace agent_branch
