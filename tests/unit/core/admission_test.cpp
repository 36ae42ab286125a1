#include "worker/core/session/admission.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

TEST(Admission, ProjectHasAsManyPlacesAsItsMaxParallelInTheOrderOfRequests) {
  EngineDriver driver;
  driver.store.projects.at(1).max_parallel = 2;
  driver.Restart();
  std::vector<int64_t> ids;
  for (const char *name : {"a", "b", "c", "d"})
    ids.push_back(driver.store.CreateSession(name, driver.InAnHour()));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(ids[1]).state, SessionState::kReady);
  EXPECT_EQ(driver.Row(ids[2]).state, SessionState::kQueued);
  driver.store.Discard(ids[0]);
  ASSERT_TRUE(driver.RunUntilState(ids[2], SessionState::kReady));
  EXPECT_EQ(driver.Row(ids[3]).state, SessionState::kQueued);
}

TEST(Admission, ParentsComputeCountsToTheActiveOnes) {
  EngineDriver driver;
  driver.settings.active_computes = 2;
  int64_t first = driver.ReadySession("one");
  int64_t second = driver.store.CreateSession("two", driver.InAnHour());
  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(second).state, SessionState::kQueued);
  driver.store.Discard(first);
  EXPECT_TRUE(driver.RunUntilState(second, SessionState::kReady));
}

TEST(Admission, ComputeOfAKeptBranchIsSuspendedWhenItsPlaceIsNeeded) {
  for (auto kind : {Fault::Kind::kAnswer, Fault::Kind::kLoseAnswer}) {
    EngineDriver driver;
    driver.settings.active_computes = 2;
    int64_t merged = driver.MigratedSession("one", "m1");
    std::string endpoint = driver.Row(merged).endpoint_id;
    driver.store.Merge(merged);
    ASSERT_TRUE(driver.RunUntilFinished(merged));
    driver.RunUntilIdle();
    ASSERT_EQ(driver.store.kept.at(driver.Row(merged).branch_id).endpoint_id, endpoint);
    EXPECT_EQ(driver.neon.Count("POST /endpoints/"), 0u);  // nobody needs it
    driver.Restart();
    if (kind != Fault::Kind::kAnswer) driver.neon.Expect("POST /endpoints/", Fault::Lose(kind));
    driver.ReadySession("two");
    EXPECT_EQ(driver.neon.Count("POST /endpoints/" + endpoint + "/suspend"),
              kind == Fault::Kind::kAnswer ? 1u : 2u);
    EXPECT_EQ(driver.store.kept.at(driver.Row(merged).branch_id).endpoint_id, "");
    for (const auto &[id, step] : driver.store.steps)
      EXPECT_NE(step.status, "intended");
  }
}

TEST(Admission, SuspensionThatACrashCutOffEndsThoughNobodyNeedsThePlaceAnyMore) {
  EngineDriver driver;
  driver.settings.active_computes = 2;
  int64_t merged = driver.MigratedSession("one", "m1");
  driver.store.Merge(merged);
  ASSERT_TRUE(driver.RunUntilFinished(merged));
  driver.RunUntilIdle();
  // As a crash leaves it that comes before the answer, once whoever waited has been discarded.
  StepRow step;
  step.id = 1'000;
  step.project_id = 1;
  step.kind = StepKind::kSuspendCompute;
  step.target = driver.Row(merged).endpoint_id;
  driver.store.steps[step.id] = step;
  driver.Restart();
  driver.RunUntilIdle();
  EXPECT_NE(driver.store.steps.at(step.id).status, "intended");
  EXPECT_EQ(driver.store.kept.at(driver.Row(merged).branch_id).endpoint_id, "");
}

TEST(Admission, SuspensionThatIsRefusedIsNotRepeatedUnlessItsComputeIsThere) {
  struct Case {
    int status;
    const char *endpoints;  // of the branch, asked for after a 404
    size_t suspensions;
  };
  for (const Case &one :
       {Case{422, nullptr, 1}, Case{404, R"({"endpoints":[]})", 1}, Case{404, nullptr, 2}}) {
    EngineDriver driver;
    driver.settings.active_computes = 2;
    int64_t merged = driver.MigratedSession("one", "m1");
    driver.store.Merge(merged);
    ASSERT_TRUE(driver.RunUntilFinished(merged));
    driver.neon.Expect("POST /endpoints/", Fault::Answer(one.status, R"({"message":"no"})"));
    if (one.endpoints != nullptr) {
      driver.neon.Expect("GET /branches/" + driver.Row(merged).branch_id + "/endpoints",
                         Fault::Answer(200, one.endpoints));
    }
    driver.ReadySession("two");
    EXPECT_EQ(driver.neon.Count("POST /endpoints/"), one.suspensions) << one.status;
  }
}

TEST(Admission, WithoutRoomAtNeonASessionIsQueuedAndTriedAgain) {
  EngineDriver driver;
  driver.neon.branch_limit = 2;
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Count("POST /branches") == 3; }));
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kQueued));
  EXPECT_NE(driver.Row(id).error.find("limit"), std::string::npos);
  driver.neon.branch_limit = 3;
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kReady));
  EXPECT_EQ(driver.Row(id).error, "");
  EXPECT_EQ(driver.store.StatesOf(id),
            (Strings{"queued", "creating", "queued", "creating", "queued", "creating", "queued",
                     "creating", "ready"}));
}

TEST(Admission, WithoutRoomTheReaperLooksForWhatCanGoAndTheSessionGoesOnAtOnce) {
  EngineDriver driver;
  int64_t expired = driver.ReadySession("old");
  driver.clock.Advance(milliseconds(3'601'000));
  driver.neon.branch_limit = 3;
  int64_t id = driver.store.CreateSession("new", driver.InAnHour());
  Instant began = driver.clock.Now();
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kReady));
  EXPECT_EQ(driver.Row(expired).state, SessionState::kExpired);
  EXPECT_EQ(driver.neon.Count("POST /branches"), 3u);  // two of the new one
  EXPECT_LT(driver.clock.Now() - began, milliseconds(5'000));
}

TEST(Admission, OneSessionAtATimeTriesWhetherThereIsRoom) {
  EngineDriver driver;
  driver.neon.branch_limit = 2;
  driver.store.CreateSession("one", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Count("POST /branches") == 1; }));
  for (const char *name : {"two", "three"})
    driver.store.CreateSession(name, driver.InAnHour());
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Count("POST /branches") == 3; }));
  int queued = 0;
  for (const auto &[id, row] : driver.store.sessions)
    queued += row.state == SessionState::kQueued ? 1 : 0;
  EXPECT_GE(queued, 2);
  driver.neon.branch_limit = 10;
  for (const auto &[id, row] : driver.store.sessions)
    ASSERT_TRUE(driver.RunUntilState(id, SessionState::kReady));
}

TEST(Admission, MergeWithoutRoomForItsBackupLetsTheReaperLookToo) {
  EngineDriver driver;
  int64_t expired = driver.ReadySession("old");
  driver.clock.Advance(milliseconds(3'601'000));
  int64_t id = driver.MigratedSession("new", "m1");
  driver.neon.branch_limit = 4;
  driver.store.Merge(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
  EXPECT_EQ(driver.Row(expired).state, SessionState::kExpired);
}

}  // namespace
}  // namespace agent_branch
