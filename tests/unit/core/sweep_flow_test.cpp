#include "worker/core/upkeep/sweep_flow.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

std::string ClassOf(const EngineDriver &driver, const std::string &branch_id) {
  for (const SweepBranchRow &row : driver.store.sweep_branches) {
    if (row.branch_id == branch_id) return row.class_name + ", " + row.action;
  }
  return "not seen";
}

void LetExpire(EngineDriver &driver) {
  driver.clock.Advance(milliseconds(3'601'000));
}

TEST(SweepFlow, SweepSaysWhatEachBranchIsAndEndsWhatIsDue) {
  EngineDriver driver;
  int64_t due = driver.ReadySession("one");
  driver.clock.Advance(milliseconds(1'800'000));
  int64_t live = driver.ReadySession("two");
  driver.clock.Advance(milliseconds(1'801'000));
  int64_t sweep = driver.store.Reap();
  ASSERT_TRUE(driver.RunUntil([&] { return driver.store.sweeps.at(sweep).finished; }));
  EXPECT_EQ(ClassOf(driver, "br-1"), "expired, delete");
  EXPECT_EQ(ClassOf(driver, "br-2"), "live, none");
  EXPECT_EQ(ClassOf(driver, "br-dev"), "parent, none");
  EXPECT_EQ(ClassOf(driver, "br-main"), "foreign, none");
  EXPECT_EQ(driver.Row(due).state, SessionState::kExpired);
  EXPECT_TRUE(driver.Row(due).finished);
  EXPECT_EQ(driver.Row(live).state, SessionState::kReady);
}

TEST(SweepFlow, ExpiryThatSomebodyClearedAtNeonIsSetAgain) {
  for (bool dry_run : {true, false}) {
    EngineDriver driver;
    int64_t id = driver.ReadySession("one");
    std::string expires_at = driver.BranchOf(id)->expires_at;
    driver.BranchOf(id)->expires_at.clear();
    driver.store.Reap(dry_run);
    driver.RunUntilIdle();
    EXPECT_EQ(driver.BranchOf(id)->expires_at, dry_run ? "" : expires_at);
    EXPECT_TRUE(driver.Row(id).settled);
  }
}

void AddBranch(EngineDriver &driver, const std::string &id, const std::string &installation) {
  FakeBranch branch;
  branch.id = id;
  branch.name = "agent/" + id;
  branch.parent_id = "br-dev";
  branch.annotation = {{"agent-branch-installation", installation},
                       {"agent-branch-session", "of nobody"}};
  driver.neon.branches[id] = branch;
}

TEST(SweepFlow, OrphansAreDeletedAndOthersBranchesAreNot) {
  EngineDriver driver;
  AddBranch(driver, "br-orphan", "installation-1");
  AddBranch(driver, "br-other", "installation-2");
  AddBranch(driver, "br-kept", "installation-1");
  driver.neon.branches.at("br-kept").is_protected = true;
  driver.store.Reap(true);
  driver.RunUntilIdle();
  EXPECT_EQ(ClassOf(driver, "br-orphan"), "orphan, would delete");
  EXPECT_EQ(driver.neon.branches.count("br-orphan"), 1u);
  driver.store.sweep_branches.clear();
  driver.store.Reap();
  driver.RunUntilIdle();
  EXPECT_EQ(ClassOf(driver, "br-orphan"), "orphan, delete");
  EXPECT_EQ(ClassOf(driver, "br-other"), "foreign, none");
  EXPECT_EQ(ClassOf(driver, "br-kept"), "orphan, blocked: protected");
  EXPECT_EQ(driver.neon.branches.count("br-orphan"), 0u);
  EXPECT_EQ(driver.neon.branches.count("br-other"), 1u);
  EXPECT_EQ(driver.neon.branches.count("br-kept"), 1u);
}

TEST(SweepFlow, WhatIsBeyondTheLimitIsLeftForTheNextSweep) {
  EngineDriver driver;
  driver.settings.reap_limit = 2;
  driver.ReadySession("one");  // br-1
  LetExpire(driver);
  for (const char *id : {"br-2", "br-3"})
    AddBranch(driver, id, "installation-1");
  driver.store.Reap();
  driver.RunUntilIdle();
  EXPECT_EQ(ClassOf(driver, "br-1"), "expired, delete");
  EXPECT_EQ(ClassOf(driver, "br-2"), "orphan, delete");
  EXPECT_EQ(ClassOf(driver, "br-3"), "orphan, next sweep");
  EXPECT_EQ(driver.neon.branches.size(), 3u);
  driver.store.sweep_branches.clear();
  driver.store.Reap();
  driver.RunUntilIdle();
  EXPECT_EQ(ClassOf(driver, "br-3"), "orphan, delete");
  EXPECT_EQ(driver.neon.branches.size(), 2u);  // main and dev
}

TEST(SweepFlow, BranchWithChildrenIsBlockedByThem) {
  EngineDriver driver;
  AddBranch(driver, "br-2", "installation-1");
  AddBranch(driver, "br-3", "installation-2");
  driver.neon.branches.at("br-3").parent_id = "br-2";
  driver.store.Reap();
  driver.RunUntilIdle();
  EXPECT_EQ(ClassOf(driver, "br-2"), "orphan, blocked by children");
  EXPECT_EQ(driver.neon.branches.count("br-2"), 1u);
}

TEST(SweepFlow, ExpiredBranchIsReadOnceMoreBeforeItIsDeleted) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  LetExpire(driver);
  driver.neon.branches.at("br-1").annotation["agent-branch-session"] = "of somebody else";
  driver.store.Reap();
  ASSERT_TRUE(driver.RunUntilFinished(id));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(id).state, SessionState::kExpired);
  EXPECT_EQ(driver.neon.Count("GET /branches/br-1"), 2u);  // and by the retire pass, once more
}

TEST(SweepFlow, DryRunEndsNothing) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  LetExpire(driver);
  int64_t sweep = driver.store.Reap(true);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.store.sweeps.at(sweep).finished; }));
  EXPECT_EQ(ClassOf(driver, "br-1"), "expired, would delete");
  EXPECT_EQ(driver.Row(id).state, SessionState::kReady);
  EXPECT_EQ(driver.neon.Count("DELETE"), 0u);
}

TEST(SweepFlow, ListThatIsRefusedEndsNothingAndSaysSo) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  LetExpire(driver);
  driver.neon.Expect("GET /branches?limit=100", Fault::Answer(400, R"({"message":"no"})"));
  int64_t sweep = driver.store.Reap();
  ASSERT_TRUE(driver.RunUntil([&] { return driver.store.sweeps.at(sweep).finished; }));
  EXPECT_EQ(driver.Row(id).state, SessionState::kReady);
  EXPECT_EQ(driver.store.sweeps.at(sweep).error,
            "project p1: the Neon API refused the request: no");
}

TEST(SweepFlow, SessionWhoseBranchIsGoneIsAGhostAndExpiresInTime) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.neon.branches.erase("br-1");
  driver.store.Reap();
  driver.RunUntilIdle();
  EXPECT_EQ(ClassOf(driver, "br-1"), "ghost, none");
  EXPECT_EQ(driver.Row(id).state, SessionState::kReady);
  LetExpire(driver);
  driver.store.Reap();
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kExpired);
}

TEST(SweepFlow, SessionsWithoutABranchExpireToo) {
  EngineDriver driver;
  driver.settings.active_computes = 1;
  driver.ReadySession("one");
  int64_t queued = driver.store.CreateSession("two", driver.clock.UnixTime() + 60);
  driver.RunUntilIdle();
  LetExpire(driver);
  driver.store.Reap();
  ASSERT_TRUE(driver.RunUntilFinished(queued));
  EXPECT_EQ(driver.Row(queued).state, SessionState::kExpired);
}

TEST(SweepFlow, ScheduleSweepsWithoutBeingAsked) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  driver.settings.reap_interval = 7'200;
  driver.engine->Reconfigure();
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kExpired);
  EXPECT_EQ(driver.store.sweeps.size(), 1u);
  EXPECT_GE(driver.clock.UnixTime(), FakeClock::kStart + 7'200);
}

TEST(SweepFlow, SweepFoundUnfinishedIsDoneAgain) {
  EngineDriver driver;
  driver.ReadySession("one");
  int64_t sweep = driver.store.Reap();
  driver.Turn();
  driver.Restart();
  ASSERT_TRUE(driver.RunUntil([&] { return driver.store.sweeps.at(sweep).finished; }));
  EXPECT_EQ(ClassOf(driver, "br-1"), "live, none");
}

TEST(SweepFlow, OneInLastingTroubleEndsSaysSoAndComesAgainByItself) {
  EngineDriver driver;
  driver.settings.reap_interval = 6 * 3'600;
  driver.Restart();
  driver.keys.failing[""] = Status::Error("58030", "could not read the key's file");
  const auto failed = [&] {
    const auto &sweeps = driver.store.sweeps;
    return std::any_of(sweeps.begin(), sweeps.end(), [](const auto &one) {
      return one.second.finished && !one.second.error.empty();
    });
  };
  ASSERT_TRUE(driver.RunUntil(failed));
  EXPECT_EQ(driver.store.upkeep.at(1).error, "could not read the key's file");
  EXPECT_GT(driver.store.upkeep.at(1).error_since, 0);
  driver.keys.failing.clear();
  const Instant mended = driver.clock.Now();
  ASSERT_TRUE(driver.RunUntil([&] { return driver.store.upkeep.at(1).error.empty(); }));
  EXPECT_LE(driver.clock.Now() - mended, milliseconds(60'000));
  for (const auto &[id, sweep] : driver.store.sweeps)
    EXPECT_TRUE(sweep.finished) << id;
}

// What it waits for stays in trouble: a run that is asked for then is not kept waiting by it.
TEST(SweepFlow, RunEndsThoughASweepOfTheProjectsOwnIsInTrouble) {
  EngineDriver driver;
  driver.settings.reap_interval = 3'600;
  driver.Restart();
  driver.keys.failing[""] = Status::Error("58030", "could not read the key's file");
  driver.clock.Advance(milliseconds(3'601'000));
  driver.RunUntil([&] { return !driver.store.sweeps.empty(); });
  const int64_t run = driver.store.Reap();
  const Instant asked = driver.clock.Now();
  ASSERT_TRUE(driver.RunUntil([&] { return driver.store.sweeps.at(run).finished; }));
  EXPECT_LE(driver.clock.Now() - asked, milliseconds(180'000));
  EXPECT_EQ(driver.store.sweeps.at(run).error, "project p1: could not read the key's file");
}

}  // namespace
}  // namespace agent_branch
