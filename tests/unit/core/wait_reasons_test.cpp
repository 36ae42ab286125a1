#include "worker/core/session/wait_reasons.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

bool Tells(EngineDriver &driver, int64_t id, const std::string &waits_for) {
  return driver.RunUntil([&] {
    auto told = driver.store.waits.find(id);
    return told != driver.store.waits.end() && told->second == waits_for;
  });
}

TEST(WaitBoard, WhatIsOverWithinASecondIsNotTold) {
  EngineDriver driver;
  driver.ReadySession("one");
  driver.RunUntilIdle();
  EXPECT_TRUE(driver.store.waits.empty());
}

TEST(WaitBoard, QueuedSessionsAreToldForWhat) {
  EngineDriver driver;
  driver.store.projects.at(1).max_parallel = 1;
  driver.Restart();
  int64_t first = driver.ReadySession("one");
  int64_t second = driver.store.CreateSession("two", driver.InAnHour());
  ASSERT_TRUE(Tells(driver, second, "one of the project's 1 places"));
  driver.store.Discard(first);
  ASSERT_TRUE(driver.RunUntilState(second, SessionState::kReady));
  EXPECT_TRUE(Tells(driver, second, ""));
}

TEST(WaitBoard, SessionsWaitForActiveComputesAndForRoomAtNeon) {
  EngineDriver driver;
  driver.settings.active_computes = 2;
  driver.ReadySession("one");
  int64_t second = driver.store.CreateSession("two", driver.InAnHour());
  ASSERT_TRUE(Tells(driver, second, "one of the project's 2 active computes"));
  driver.neon.branch_limit = 3;
  driver.settings.active_computes = 20;
  driver.engine->Reconfigure();
  EXPECT_TRUE(Tells(driver, second, "room for another branch at Neon"));
}

TEST(WaitBoard, CallThatIsKeptBackTellsWhatKeepsIt) {
  EngineDriver driver;
  driver.neon.operation_time = milliseconds(60'000);
  int64_t first = driver.store.CreateSession("one", driver.InAnHour());
  EXPECT_TRUE(Tells(driver, first, "operation some_action at Neon"));
  // Neon takes two changes at once by now, and has one.
  driver.store.CreateSession("two", driver.InAnHour());
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.Count("POST /branches") == 2; }));
  int64_t third = driver.store.CreateSession("three", driver.InAnHour());
  driver.neon.Expect("POST /branches", Fault::Answer(423, "{}"));
  EXPECT_TRUE(Tells(driver, third, "another change of the project at Neon"));
}

TEST(WaitBoard, KeyThatIsRefusedIsWhatEverySessionWaitsFor) {
  EngineDriver driver;
  for (int n = 0; n < 50; ++n)
    driver.neon.Expect("GET /branches", Fault::Answer(401, "{}"));
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  EXPECT_TRUE(Tells(driver, id, "the API key and its host to work again"));
}

TEST(WaitBoard, MergesWaitForOneAnother) {
  EngineDriver driver;
  int64_t first = driver.MigratedSession("one", "m1");
  int64_t second = driver.MigratedSession("two", "m2");
  driver.neon.operation_time = milliseconds(60'000);
  driver.store.Merge(first);
  driver.store.Merge(second);
  EXPECT_TRUE(Tells(driver, second, "the merge of another session"));
}

TEST(WaitBoard, NoTimerRunsOnceEverythingIsTold) {
  EngineDriver driver;
  driver.settings.active_computes = 2;
  driver.ReadySession("one");
  int64_t second = driver.store.CreateSession("two", driver.InAnHour());
  ASSERT_TRUE(Tells(driver, second, "one of the project's 2 active computes"));
  driver.RunUntilIdle();
  EXPECT_FALSE(driver.engine->NextDeadline().has_value());
}

}  // namespace
}  // namespace agent_branch
