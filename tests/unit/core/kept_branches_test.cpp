#include "worker/core/upkeep/kept_branches.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"
#include "worker/core/base/timestamp.hpp"

namespace agent_branch {
namespace {

// Two branches of finished sessions are kept: "br-a" and its child "br-b".
void Keep(EngineDriver &driver, int64_t keep_until = 0) {
  for (const char *id : {"br-a", "br-b"}) {
    FakeBranch branch;
    branch.id = id;
    branch.name = id;
    branch.parent_id = branch.id == "br-a" ? "br-main" : "br-a";
    branch.annotation = {{"agent-branch-installation", "installation-1"}};
    driver.neon.branches[id] = branch;
    KeptBranchRow kept;
    kept.project_id = 1;
    kept.session_id = 99;
    kept.branch_id = id;
    kept.name = id;
    kept.kind = "pinned";
    kept.keep_until = keep_until;
    driver.store.kept[id] = kept;
  }
  driver.Restart();
}

TEST(RetireFlow, ChildrenAreDeletedBeforeTheirParents) {
  EngineDriver driver;
  Keep(driver);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.CallsWithoutPolls(),
            (std::vector<std::string>{"GET /branches?limit=100&sort_by=created_at&sort_order=asc",
                                      "GET /branches/br-b", "DELETE /branches/br-b",
                                      "GET /branches/br-a", "DELETE /branches/br-a"}));
  EXPECT_TRUE(driver.store.kept.at("br-a").deleted);
  EXPECT_TRUE(driver.store.kept.at("br-b").deleted);
}

TEST(RetireFlow, BranchInItsUndoWindowIsKept) {
  EngineDriver driver;
  Keep(driver, driver.clock.UnixTime() + 3'600);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.Count("DELETE"), 0u);
  EXPECT_FALSE(driver.store.kept.at("br-b").deleted);
}

TEST(RetireFlow, BackupInItsUndoWindowExpiresByItselfADayLater) {
  EngineDriver driver;
  int64_t keep_until = driver.clock.UnixTime() + 3'600;
  Keep(driver, keep_until);
  for (auto &[id, kept] : driver.store.kept)
    kept.kind = "backup";
  driver.neon.Expect("PATCH", Fault::Lose(Fault::Kind::kLoseAnswer));
  driver.Restart();
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.branches.at("br-b").expires_at, FormatTimestamp(keep_until + 86'400));
  EXPECT_EQ(driver.neon.branches.at("br-a").expires_at, "");  // it has a child
  EXPECT_EQ(driver.neon.Count("PATCH"), 1u);
  for (const auto &[id, step] : driver.store.steps)
    EXPECT_NE(step.status, "intended");
}

TEST(RetireFlow, BranchWithAForeignChildIsNotTried) {
  EngineDriver driver;
  FakeBranch child;
  child.id = "br-foreign";
  child.name = "somebody's";
  child.parent_id = "br-b";
  driver.neon.branches[child.id] = child;
  Keep(driver);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.Count("DELETE"), 0u);
  EXPECT_EQ(driver.neon.branches.size(), 5u);
}

TEST(RetireFlow, BranchThatIsGoneIsForgotten) {
  EngineDriver driver;
  Keep(driver);
  driver.neon.branches.erase("br-b");
  driver.RunUntilIdle();
  EXPECT_TRUE(driver.store.kept.at("br-b").deleted);
  EXPECT_EQ(driver.neon.Count("DELETE /branches/br-b"), 0u);
}

TEST(RetireFlow, LostAnswersAndFailedListsAreLookedAtAgain) {
  for (auto kind : {Fault::Kind::kLoseAnswer, Fault::Kind::kLoseRequest}) {
    EngineDriver driver;
    Keep(driver);
    driver.neon.Expect("GET /branches", Fault::Answer(400, "{}"));
    driver.neon.Expect("DELETE", Fault::Lose(kind));
    driver.RunUntilIdle();
    EXPECT_EQ(driver.neon.branches.size(), 2u);
    EXPECT_TRUE(driver.store.kept.at("br-a").deleted);
    for (const auto &[id, step] : driver.store.steps)
      EXPECT_NE(step.status, "intended");
  }
}

TEST(RetireFlow, WhatSomebodyMadeHisOwnIsLeftAndForgotten) {
  EngineDriver driver;
  Keep(driver);
  driver.neon.branches.at("br-b").annotation.clear();
  driver.store.kept.at("br-a").kind = "backup";
  driver.neon.branches.at("br-a").name = "renamed";
  driver.Restart();
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.Count("DELETE"), 0u);
  EXPECT_TRUE(driver.store.kept.at("br-b").deleted);
  driver.neon.branches.erase("br-b");
  int64_t id = driver.ReadySession("one");
  driver.store.Discard(id);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.branches.count("br-a"), 1u);
  EXPECT_TRUE(driver.store.kept.at("br-a").deleted);
}

TEST(RetireFlow, ProtectedBranchWaitsForSomethingToEnd) {
  EngineDriver driver;
  Keep(driver);
  driver.neon.branches.at("br-b").is_protected = true;
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.Count("DELETE"), 0u);
  driver.neon.branches.at("br-b").is_protected = false;
  int64_t id = driver.ReadySession("one");
  driver.store.Discard(id);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.neon.branches.size(), 2u);
}

}  // namespace
}  // namespace agent_branch
