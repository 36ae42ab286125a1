#include "worker/core/merge/rebase_flow.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

bool IsSettled(EngineDriver &driver, int64_t id) {
  return driver.RunUntil([&] { return driver.Row(id).settled && driver.store.requests.empty(); });
}

TEST(Rebase, MigrationsRunAgainOnABranchOfTheParentAsItIsNow) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  const std::string before = driver.Row(id).branch_id;
  driver.neon.Dev().data = {"table public.orders"};
  driver.store.Rebase(id);
  ASSERT_TRUE(IsSettled(driver, id)) << driver.Row(id).error;
  const SessionRow &row = driver.Row(id);
  EXPECT_EQ(row.state, SessionState::kReady);
  EXPECT_NE(row.branch_id, before);
  EXPECT_EQ(driver.neon.branches.at(row.branch_id).name, row.branch_name);
  EXPECT_EQ(driver.neon.branches.at(row.branch_id).data, (Strings{"table public.orders", "m1"}));
  // The branch before is of no use any more.
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.branches.count(before) == 0; }));
  EXPECT_TRUE(driver.store.rebases.empty());
  driver.store.Merge(id, "restore");
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.neon.Dev().data, (Strings{"table public.orders", "m1"}));
}

TEST(Rebase, ConflictIsLeftByIt) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Dev().data = {"table public.orders"};
  driver.store.Merge(id, "auto");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  driver.store.Rebase(id);
  ASSERT_TRUE(IsSettled(driver, id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kReady) << driver.Row(id).error;
  driver.store.Merge(id, "auto");
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
}

TEST(Rebase, RowsOfNoMigrationAreNotLeftBehindUnasked) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  const std::string before = driver.Row(id).branch_id;
  driver.BranchOf(id)->rows["public.notes"] = 2;
  driver.store.Rebase(id);
  ASSERT_TRUE(IsSettled(driver, id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kConflict);
  EXPECT_NE(driver.Row(id).error.find("table public.notes"), std::string::npos);
  EXPECT_EQ(driver.Row(id).branch_id, before);
}

TEST(Rebase, SchemaOfNoMigrationIsNamedAndItsBranchKept) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  const std::string before = driver.Row(id).branch_id;
  driver.BranchOf(id)->data.push_back("table public.by_hand");
  driver.store.Rebase(id);
  ASSERT_TRUE(IsSettled(driver, id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kConflict);
  EXPECT_NE(driver.Row(id).error.find("table public.by_hand"), std::string::npos)
      << driver.Row(id).error;
  EXPECT_EQ(driver.neon.branches.count(before), 1U);
  EXPECT_EQ(driver.store.kept.at(before).kind, "rebased");
}

TEST(Rebase, MigrationThatDoesNotRunThereIsAFailedOne) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.branches.fail_on.insert("br-2");
  driver.store.Rebase(id);
  ASSERT_TRUE(IsSettled(driver, id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kFailed) << driver.Row(id).error;
  EXPECT_TRUE(driver.store.rebases.empty());
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
}

TEST(Rebase, CrashAtAnyCommitRunsEachMigrationOnce) {
  for (const auto when : {EngineDriver::Crash::kBeforeCommit, EngineDriver::Crash::kAfterCommit}) {
    for (int commit = 1; commit <= 16; ++commit) {
      EngineDriver driver;
      int64_t id = driver.MigratedSession("one", "m1");
      const std::string before = driver.Row(id).branch_id;
      driver.CrashAt(when, driver.store.commits + commit);
      driver.store.Rebase(id);
      ASSERT_TRUE(IsSettled(driver, id)) << commit << driver.Row(id).error;
      EXPECT_EQ(driver.Row(id).state, SessionState::kReady) << commit << driver.Row(id).error;
      EXPECT_EQ(driver.BranchOf(id)->data, Strings{"m1"}) << commit;
      ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.branches.count(before) == 0; }))
          << commit;
      EXPECT_EQ(driver.neon.branches.size(), 3U) << commit;  // and the parent, and its parent
    }
  }
}

TEST(Candidate, IsRestoredFromWhenTheMigrationsAreNotOnePiece) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "INDEX i t");
  driver.neon.Dev().rows["public.orders"] = 3;  // so that a restore would lose them
  driver.store.Merge(id, "auto");
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
  EXPECT_EQ(driver.store.MergeOf(id).chosen, "candidate");
  EXPECT_EQ(driver.store.MergeOf(id).candidates, 1);
  EXPECT_EQ(driver.neon.Dev().data, Strings{"INDEX i t"});
  EXPECT_EQ(driver.neon.Dev().rows.at("public.orders"), 3);
}

TEST(Candidate, IsMadeAgainWhenSomebodyWroteMeanwhile) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id, "candidate");
  ASSERT_TRUE(driver.RunUntil([&] {
    return driver.store.MergeOf(id).candidates == 1 &&
           driver.Row(id).state == SessionState::kMigrating;
  }));
  driver.neon.Dev().rows["public.orders"] = 1;
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.store.MergeOf(id).candidates, 2);
  EXPECT_EQ(driver.neon.Dev().rows.at("public.orders"), 1);
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

TEST(Candidate, DriftIsAConflictUnlessRebaseIsAskedFor) {
  for (const char *on_drift : {"fail", "rebase"}) {
    EngineDriver driver;
    int64_t id = driver.MigratedSession("one", "m1");
    driver.neon.Dev().data = {"table public.orders"};
    driver.store.Merge(id, "candidate", on_drift);
    if (std::string(on_drift) == "fail") {
      ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
      EXPECT_EQ(driver.store.MergeOf(id).candidates, 0);
    } else {
      ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
      EXPECT_EQ(driver.neon.Dev().data, (Strings{"table public.orders", "m1"}));
    }
  }
}

TEST(Candidate, ProtectedParentIsNotReplaced) {
  EngineDriver driver;
  driver.neon.Dev().is_protected = true;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id, "candidate");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict));
  EXPECT_NE(driver.Row(id).error.find("protected"), std::string::npos) << driver.Row(id).error;
}

TEST(Candidate, DiscardWhileItIsMadeLeavesTheParentAlone) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id, "candidate");
  ASSERT_TRUE(driver.RunUntil([&] { return driver.store.MergeOf(id).candidates == 1; }));
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.store.MergeOf(id).status, "cancelled");
  EXPECT_EQ(driver.neon.Dev().data, Strings{});
  ASSERT_TRUE(driver.RunUntil([&] { return driver.neon.branches.size() == 2; }));
}

TEST(Candidate, CrashAtAnyCommitMergesOnce) {
  for (const auto when : {EngineDriver::Crash::kBeforeCommit, EngineDriver::Crash::kAfterCommit}) {
    for (int commit = 1; commit <= 24; ++commit) {
      EngineDriver driver;
      int64_t id = driver.MigratedSession("one", "m1");
      driver.CrashAt(when, driver.store.commits + commit);
      driver.store.Merge(id, "candidate");
      ASSERT_TRUE(driver.RunUntilFinished(id)) << commit << driver.Row(id).error;
      EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"}) << commit;
      EXPECT_EQ(driver.store.MergeOf(id).status, "merged") << commit;
    }
  }
}

}  // namespace
}  // namespace agent_branch
