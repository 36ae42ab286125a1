#include "worker/core/session/create_flow.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

TEST(CreateFlow, SessionBecomesReadyByOneCreateAndNoCallTooMany) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  // The first session fetches the parent's URIs, to note where the parent stands before the fork;
  // its own came with the answer.
  EXPECT_EQ(driver.neon.CallsWithoutPolls(),
            (Strings{"GET /branches?limit=100&sort_by=created_at&sort_order=asc&search=dev",
                     "GET /connection_uri?branch_id=br-dev&database_name=shop&role_name=owner",
                     "GET /connection_uri?branch_id=br-dev&database_name=shop&role_name=owner"
                     "&pooled=true",
                     "POST /branches"}));
  EXPECT_EQ(driver.store.StatesOf(id), (Strings{"queued", "creating", "ready"}));
  const SessionRow &row = driver.Row(id);
  EXPECT_EQ(row.branch_id, "br-1");
  EXPECT_EQ(row.endpoint_id, "ep-br-1");
  EXPECT_EQ(row.parent_branch_id, "br-dev");
  EXPECT_EQ(row.base_fingerprint, "end");
  EXPECT_EQ(row.error, "");
  EXPECT_TRUE(row.settled);
  EXPECT_TRUE(row.operations.empty());
  EXPECT_EQ(row.expires_at, row.branch_expires_at);
  EXPECT_TRUE(driver.store.requests.empty());
  EXPECT_EQ(driver.store.credentials.size(), 4u);
  const FakeBranch &branch = *driver.BranchOf(id);
  EXPECT_EQ(branch.annotation.at("agent-branch-installation"), "installation-1");
  EXPECT_EQ(branch.annotation.at("agent-branch-session"), row.uuid);
  ASSERT_EQ(driver.store.StepsOf(id).size(), 1u);
  EXPECT_EQ(driver.store.StepsOf(id)[0].status, "done");
}

TEST(CreateFlow, SecondSessionKnowsTheParentsUrisAlready) {
  EngineDriver driver;
  driver.ReadySession("one");
  driver.neon.calls.clear();
  driver.ReadySession("two");
  EXPECT_EQ(driver.neon.CallsWithoutPolls(),
            (Strings{"GET /branches?limit=100&sort_by=created_at&sort_order=asc&search=dev",
                     "POST /branches"}));
}

TEST(CreateFlow, OmittedUrisAreFetched) {
  EngineDriver driver;
  driver.neon.omit_uris = true;
  driver.ReadySession("one");
  EXPECT_EQ(driver.neon.Count("GET /connection_uri?branch_id=br-1&database_name=shop"
                              "&role_name=owner"),
            2u);
  EXPECT_EQ(driver.store.credentials.size(), 4u);
}

TEST(CreateFlow, LostAnswerIsFoundByNameAndAnnotation) {
  EngineDriver driver;
  driver.neon.Expect("POST /branches", Fault::Lose(Fault::Kind::kLoseAnswer));
  int64_t id = driver.ReadySession("one");
  EXPECT_EQ(driver.neon.Count("POST /branches"), 1u);
  EXPECT_EQ(driver.neon.branches.size(), 3u);  // main, dev and ours
  EXPECT_EQ(driver.Row(id).branch_id, "br-1");
  EXPECT_EQ(driver.Row(id).endpoint_id, "ep-br-1");
  EXPECT_EQ(driver.store.StepsOf(id).at(0).status, "done");
  EXPECT_EQ(driver.Row(id).error, "");
}

TEST(CreateFlow, LostRequestIsSentAgain) {
  EngineDriver driver;
  driver.neon.Expect("POST /branches", Fault::Lose(Fault::Kind::kLoseRequest));
  int64_t id = driver.ReadySession("one");
  EXPECT_EQ(driver.neon.Count("POST /branches"), 2u);
  EXPECT_EQ(driver.neon.branches.size(), 3u);
  ASSERT_EQ(driver.store.StepsOf(id).size(), 2u);
  EXPECT_EQ(driver.store.StepsOf(id)[0].status, "refused");
  EXPECT_EQ(driver.store.StepsOf(id)[1].status, "done");
}

TEST(CreateFlow, AnswerThatIsNoJsonIsLookedUp) {
  EngineDriver driver;
  // What was done is not seen in this one; the branch is made all the same by somebody's request.
  driver.neon.Expect("POST /branches", Fault::Answer(201, "<html>"));
  int64_t id = driver.ReadySession("one");
  EXPECT_EQ(driver.neon.branches.size(), 3u);
  EXPECT_EQ(driver.Row(id).branch_id, "br-1");
}

TEST(CreateFlow, ForeignBranchOfThatNameIsNeitherUsedNorTouched) {
  EngineDriver driver;
  FakeBranch foreign;
  foreign.id = "br-foreign";
  foreign.name = "agent/one";
  foreign.parent_id = "br-dev";
  foreign.annotation = {{"agent-branch-installation", "installation-2"},
                        {"agent-branch-session", "10000001-0000-4000-8000-000000000000"}};
  driver.neon.branches[foreign.id] = foreign;
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_NE(driver.Row(id).error.find("that is not ours"), std::string::npos);
  EXPECT_NE(driver.Row(id).error_hint, "");
  EXPECT_EQ(driver.Row(id).branch_id, "");
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kDiscarded);
  EXPECT_EQ(driver.neon.Count("DELETE"), 0u);
  EXPECT_EQ(driver.neon.Count("PATCH"), 0u);
  EXPECT_NE(driver.neon.Named("agent/one"), nullptr);
}

TEST(CreateFlow, PlanThatAllowsNoLimitsGetsABareCompute) {
  EngineDriver driver;
  driver.neon.Expect("POST /branches", Fault::Answer(412, R"({"code":"","message":"plan"})"));
  int64_t id = driver.ReadySession("one");
  EXPECT_TRUE(driver.Row(id).bare_compute);
  Strings bodies;
  for (size_t n = 0; n < driver.neon.calls.size(); ++n) {
    if (driver.neon.calls[n] == "POST /branches") bodies.push_back(driver.neon.bodies[n]);
  }
  ASSERT_EQ(bodies.size(), 2u);
  EXPECT_NE(bodies[0].find("autoscaling_limit_min_cu"), std::string::npos);
  EXPECT_NE(bodies[1].find(R"("endpoints":[{"type":"read_write"}])"), std::string::npos);
}

TEST(CreateFlow, PlanThatRefusesABareComputeTooIsAFailure) {
  EngineDriver driver;
  driver.neon.Expect("POST /branches", Fault::Answer(412, R"({"code":"","message":"plan"})"));
  driver.neon.Expect("POST /branches", Fault::Answer(412, R"({"code":"","message":"plan"})"));
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_EQ(driver.neon.Count("POST /branches"), 2u);
  EXPECT_NE(driver.Row(id).error.find("plan"), std::string::npos);
}

TEST(CreateFlow, UnfitParentIsToldAndWaitedFor) {
  EngineDriver driver;
  driver.neon.Dev().expires_at = "2026-07-01T00:00:00Z";
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntil([&] { return !driver.Row(id).error.empty(); }));
  EXPECT_NE(driver.Row(id).error.find("has an expiry"), std::string::npos);
  EXPECT_EQ(driver.Row(id).state, SessionState::kCreating);
  driver.neon.Dev().expires_at.clear();
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kReady));
}

TEST(CreateFlow, FailedOperationOfABranchThatIsThereIsNoFailure) {
  EngineDriver driver;
  driver.neon.next_operation_status = "failed";
  driver.ReadySession("one");
}

TEST(CreateFlow, FailedOperationOfABranchThatIsGoneIsAFailure) {
  EngineDriver driver;
  driver.neon.next_operation_status = "failed";
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Named("agent/one") != nullptr; }));
  driver.neon.branches.erase("br-1");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  EXPECT_NE(driver.Row(id).error.find("could not make the branch"), std::string::npos);
}

TEST(CreateFlow, BranchThatIsGoneBeforeItsBaseIsTakenFailsTheSession) {
  EngineDriver driver;
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Named("agent/one") != nullptr; }));
  driver.neon.branches.erase("br-1");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed)) << driver.Row(id).error;
  EXPECT_NE(driver.Row(id).error.find("no longer exists"), std::string::npos);
}

size_t Descriptions(const EngineDriver &driver) {
  return static_cast<size_t>(std::count_if(
      driver.branches.started.begin(), driver.branches.started.end(),
      [](const BranchTask &task) { return task.kind == BranchTaskKind::kFingerprint; }));
}

TEST(CreateFlow, SessionsThatBeginTogetherDescribeTheirSchemaOnce) {
  EngineDriver driver;
  driver.branches.versions_are_told = true;
  int64_t first = driver.store.CreateSession("one", driver.InAnHour());
  int64_t second = driver.store.CreateSession("two", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntilState(first, SessionState::kReady));
  ASSERT_TRUE(driver.RunUntilState(second, SessionState::kReady));
  EXPECT_EQ(Descriptions(driver), 1u);
  EXPECT_EQ(driver.Row(second).base_fingerprint, driver.Row(first).base_fingerprint);
}

TEST(CreateFlow, SessionDescribesItsSchemaItselfWhenAnotherOneIsNotDoneWithIt) {
  EngineDriver driver;
  driver.branches.versions_are_told = true;
  driver.branches.hold_descriptions = true;
  int64_t first = driver.store.CreateSession("one", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntil([&] { return Descriptions(driver) == 1; }));
  driver.branches.hold_descriptions = false;
  int64_t second = driver.store.CreateSession("two", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntilState(second, SessionState::kReady));
  EXPECT_EQ(driver.Row(first).state, SessionState::kCreating);
}

TEST(CreateFlow, NameHeldByAMergedBranchIsFreedForTheNextSession) {
  EngineDriver driver;
  int64_t first = driver.MigratedSession("one", "m1");
  driver.store.Merge(first);
  ASSERT_TRUE(driver.RunUntilFinished(first));
  ASSERT_NE(driver.neon.Named("agent/one"), nullptr);  // pinned: the parent hangs under it
  int64_t second = driver.ReadySession("one");
  EXPECT_NE(driver.Row(second).branch_id, driver.Row(first).branch_id);
  EXPECT_EQ(driver.neon.branches.at(driver.Row(first).branch_id).name, "agent/one-kept-br-1");
  EXPECT_EQ(driver.store.kept.at(driver.Row(first).branch_id).name, "agent/one-kept-br-1");
}

// Neon makes the branch, and its compute does not start.
void LetComputeFail(EngineDriver &driver) {
  driver.neon.next_operation_status = "failed";
  driver.neon.next_operation_action = "start_compute";
  driver.neon.asleep.insert("br-1");
}

TEST(CreateFlow, ComputeThatDidNotStartIsStartedAgain) {
  EngineDriver driver;
  LetComputeFail(driver);
  driver.ReadySession("one");
  EXPECT_EQ(driver.neon.Count("POST /endpoints/ep-br-1/start"), 1u);
}

TEST(CreateFlow, ComputeThatDoesNotStartIsStartedLessAndLessOftenAndSaysSo) {
  EngineDriver driver;
  LetComputeFail(driver);
  driver.neon.failing_starts = 1'000;
  const int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  const Instant end = driver.clock.Now() + milliseconds(1'800'000);
  driver.RunUntil([&] { return driver.clock.Now() >= end; });
  EXPECT_EQ(driver.Row(id).state, SessionState::kCreating);
  EXPECT_NE(driver.Row(id).error.find("could not start the branch's compute"), std::string::npos)
      << driver.Row(id).error;
  EXPECT_LE(driver.neon.Count("POST /endpoints/ep-br-1/start"), 20u);
  driver.neon.failing_starts = 0;
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kReady));
}

TEST(CreateFlow, StartOfAComputeThatACrashCutsOffIsDoneAgain) {
  for (auto when : {EngineDriver::Crash::kBeforeCommit, EngineDriver::Crash::kAfterCommit}) {
    for (int commit = 1; commit <= 12; ++commit) {
      SCOPED_TRACE(commit);
      EngineDriver driver;
      LetComputeFail(driver);
      driver.CrashAt(when, commit);
      const int64_t id = driver.ReadySession("one");
      driver.RunUntilIdle();
      for (const StepRow &step : driver.store.StepsOf(id))
        EXPECT_NE(step.status, "intended") << step.target;
    }
  }
}

}  // namespace
}  // namespace agent_branch
