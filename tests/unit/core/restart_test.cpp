// A whole life, from its request to the merge, with the worker gone at each of its commits.
#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;
using Crash = EngineDriver::Crash;

struct Life {
  Crash crash = Crash::kNever;
  bool requests_arrive = true;
  bool lose_credentials = false;
  bool omit_uris = false;
  bool flat = false;
  bool isolated = false;
};

// One session with two migrations, merged; returns the number of commits that it took.
int Live(const Life &life, int crash_at) {
  EngineDriver driver;
  driver.requests_arrive = life.requests_arrive;
  driver.neon.omit_uris = life.omit_uris;
  driver.neon.flat = life.flat;
  if (life.isolated) {
    driver.store.projects.at(1).isolation = RoleIsolation::kWherePossible;
    driver.Restart();
    driver.restarts = 0;
  }
  driver.CrashAt(life.crash, crash_at);
  int64_t id = driver.store.CreateSession("one", driver.InAnHour());
  driver.store.Migrate(id, "m1");
  driver.store.Migrate(id, "m2");
  driver.store.Merge(id);
  bool lost = !life.lose_credentials;
  bool finished = driver.RunUntil([&] {
    if (!lost && driver.restarts > 0) {
      driver.store.LoseCredentials();
      driver.Restart();
      lost = true;
    }
    return driver.Row(id).finished;
  });
  EXPECT_TRUE(finished) << StateName(driver.Row(id).state) << ": " << driver.Row(id).error;
  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged) << driver.Row(id).error;
  EXPECT_EQ(driver.store.MergeOf(id).status, "merged");
  EXPECT_EQ(driver.store.merges.size(), 1u);
  EXPECT_EQ(driver.neon.Dev().data, (Strings{"m1", "m2"}));
  EXPECT_TRUE(driver.neon.Dev().roles.empty()) << driver.neon.Dev().roles.begin()->first;
  if (life.isolated) {
    EXPECT_EQ(driver.Row(id).shared_role, "");
  }
  size_t backups = 0;
  for (const auto &[branch_id, branch] : driver.neon.branches) {
    bool backup = branch.name.rfind("dev-before-", 0) == 0;
    backups += backup ? 1 : 0;
    bool known =
        branch_id == "br-main" || branch_id == "br-dev" || driver.store.kept.count(branch_id) > 0;
    EXPECT_TRUE(known) << branch.name << " is not known";
  }
  EXPECT_EQ(backups, life.flat ? 0u : 1u);
  for (const auto &[step_id, step] : driver.store.steps)
    EXPECT_NE(step.status, "intended") << StepKindName(step.kind);
  for (const auto &[migration_id, migration] : driver.store.migrations)
    EXPECT_EQ(migration.status, MigrationStatus::kApplied);
  EXPECT_TRUE(driver.store.requests.empty());
  return driver.store.commits;
}

void LiveWithCrashes(const Life &life) {
  int commits = Live({Crash::kNever, true, false, life.omit_uris, life.flat, life.isolated}, 0);
  ASSERT_GT(commits, 10);
  for (int at = 1; at <= commits; ++at) {
    SCOPED_TRACE("crash at commit " + std::to_string(at));
    Live(life, at);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(Restart, LifeSurvivesACrashAfterEachCommitWhoseRequestsArrive) {
  LiveWithCrashes({Crash::kAfterCommit, true, false, false, false});
}

TEST(Restart, LifeSurvivesACrashAfterEachCommitWhoseRequestsAreLost) {
  LiveWithCrashes({Crash::kAfterCommit, false, false, false, false});
}

TEST(Restart, LifeSurvivesACrashBeforeEachCommitWhoseRequestsArrive) {
  LiveWithCrashes({Crash::kBeforeCommit, true, false, false, false});
}

TEST(Restart, LifeSurvivesACrashBeforeEachCommitWhoseRequestsAreLost) {
  LiveWithCrashes({Crash::kBeforeCommit, false, false, false, false});
}

TEST(Restart, LifeSurvivesTheLossOfItsCredentialsAtEachCommit) {
  LiveWithCrashes({Crash::kAfterCommit, true, true, false, false});
  LiveWithCrashes({Crash::kBeforeCommit, true, true, true, false});
}

TEST(Restart, LifeSurvivesCrashesWhereRestoresLeaveTheParentInItsPlace) {
  LiveWithCrashes({Crash::kAfterCommit, true, false, false, true});
  LiveWithCrashes({Crash::kBeforeCommit, false, false, true, true});
}

TEST(Restart, LifeWithARoleOfItsOwnSurvivesACrashAtEachCommit) {
  LiveWithCrashes({Crash::kAfterCommit, true, false, false, true, true});
  LiveWithCrashes({Crash::kBeforeCommit, true, false, true, true, true});
  LiveWithCrashes({Crash::kAfterCommit, true, true, false, true, true});
}

// The same at each turn of the loop instead: answers and events are lost, nothing else is.
TEST(Restart, LifeSurvivesARestartAtEachTurn) {
  for (int at = 1; at < 60; ++at) {
    SCOPED_TRACE("restart at turn " + std::to_string(at));
    EngineDriver driver;
    int64_t id = driver.store.CreateSession("one", driver.InAnHour());
    driver.store.Migrate(id, "m1");
    driver.store.Merge(id);
    int turn = 0;
    ASSERT_TRUE(driver.RunUntil([&] {
      if (++turn == at) driver.Restart();
      return driver.Row(id).finished;
    }));
    EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
    EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
    EXPECT_EQ(driver.neon.branches.size(), 4u);
  }
}

// A discarded life, too, leaves nothing behind.
TEST(Restart, DiscardSurvivesACrashAtEachCommit) {
  for (Crash crash : {Crash::kBeforeCommit, Crash::kAfterCommit}) {
    for (int at = 1; at < 25; ++at) {
      SCOPED_TRACE("crash at commit " + std::to_string(at));
      EngineDriver driver;
      driver.CrashAt(crash, at);
      int64_t id = driver.store.CreateSession("one", driver.InAnHour());
      int64_t migration = driver.store.Migrate(id, "m1");
      ASSERT_TRUE(driver.RunUntil([&] {
        return driver.store.migrations.at(migration).status == MigrationStatus::kApplied;
      }));
      driver.store.Discard(id);
      ASSERT_TRUE(driver.RunUntilFinished(id));
      driver.RunUntilIdle();
      EXPECT_EQ(driver.Row(id).state, SessionState::kDiscarded);
      EXPECT_EQ(driver.neon.branches.size(), 2u);
    }
  }
}

}  // namespace
}  // namespace agent_branch
