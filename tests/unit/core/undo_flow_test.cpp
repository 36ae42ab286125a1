#include "worker/core/merge/undo_flow.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

constexpr char kRestore[] = "POST /branches/br-dev/restore";

// A session that was merged, of a project whose merges can be undone for a day.
int64_t MergedSession(EngineDriver &driver, const std::string &strategy) {
  driver.store.projects.at(1).undo_window = 86'400;
  driver.Restart();
  const int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id, strategy);
  EXPECT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged) << driver.Row(id).error;
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
  return id;
}

const UndoRow &Undo(EngineDriver &driver, int64_t session_id, bool force = false) {
  const int64_t undo = driver.store.Undo(session_id, force);
  EXPECT_TRUE(driver.RunUntil([&] {
    const auto found = driver.store.undos.find(undo);
    return found != driver.store.undos.end() && found->second.status != "queued" &&
           found->second.status != "running" && driver.Row(session_id).settled;
  })) << driver.Row(session_id).error;
  return driver.store.undos.at(undo);
}

TEST(UndoFlow, ParentIsWhatItWasBeforeTheMerge) {
  for (const char *strategy : {"replay", "restore"}) {
    for (const bool flat : {true, false}) {
      EngineDriver driver;
      driver.neon.flat = flat;
      const int64_t id = MergedSession(driver, strategy);
      const UndoPointRow &point = driver.store.undo_points.begin()->second;
      EXPECT_EQ(point.why_not, "");
      EXPECT_NEAR(point.until, driver.clock.UnixTime() + 86'400, 10) << strategy;
      const UndoRow &undo = Undo(driver, id);
      EXPECT_EQ(undo.status, "undone") << undo.reason;
      EXPECT_EQ(undo.requested_by, "somebody");
      EXPECT_EQ(driver.neon.Dev().data, Strings{}) << strategy;
      EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
      EXPECT_EQ(driver.Row(id).error, "");
      // The state before the undo is kept under a name of its own.
      EXPECT_EQ(driver.neon.Named(undo.preserved_name)->data, Strings{"m1"});
      EXPECT_EQ(driver.store.kept.at(undo.preserved_branch_id).kind, "backup");
    }
  }
}

TEST(UndoFlow, BackupOfAReplayExpiresADayAfterTheWindowAndHasNoCompute) {
  EngineDriver driver;
  MergedSession(driver, "replay");
  const UndoPointRow &point = driver.store.undo_points.begin()->second;
  const FakeBranch *backup = driver.neon.Named(point.backup_name);
  ASSERT_NE(backup, nullptr);
  EXPECT_EQ(backup->parent_id, "br-dev");
  EXPECT_EQ(backup->data, Strings{});
  EXPECT_NE(backup->expires_at, "");
  EXPECT_EQ(driver.neon.Count("POST /branches"), 2U + driver.neon.Count(kRestore));
  EXPECT_EQ(driver.store.kept.at(backup->id).kind, "backup");
}

TEST(UndoFlow, WithoutAWindowAReplayMakesNoBackup) {
  EngineDriver driver;
  const int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_TRUE(driver.store.undo_points.empty());
  EXPECT_EQ(driver.neon.Count("POST /branches"), 1U);
}

TEST(UndoFlow, LaterWritesRefuseItUnlessForced) {
  for (const char *strategy : {"replay", "restore"}) {
    EngineDriver driver;
    const int64_t id = MergedSession(driver, strategy);
    driver.neon.Dev().rows["public.orders"] = 3;
    const size_t restores = driver.neon.Count(kRestore);
    const UndoRow refused = Undo(driver, id);
    EXPECT_EQ(refused.status, "refused") << strategy;
    EXPECT_EQ(refused.lost, Strings{"table public.orders: 3 rows written"});
    EXPECT_NE(driver.Row(id).error.find("table public.orders: 3 rows written"), std::string::npos);
    EXPECT_EQ(driver.neon.Count(kRestore), restores);
    EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
    const UndoRow forced = Undo(driver, id, true);
    EXPECT_EQ(forced.status, "undone") << forced.reason;
    EXPECT_EQ(forced.lost, refused.lost);
    EXPECT_EQ(driver.neon.Dev().data, Strings{});
  }
}

TEST(UndoFlow, RestoredSinceRefusesItUnlessForced) {
  EngineDriver driver;
  const int64_t id = MergedSession(driver, "restore");
  driver.clock.AdvanceTo(driver.clock.Now() + milliseconds(5'000));
  const int64_t later = driver.MigratedSession("two", "m2");
  driver.store.Merge(later, "restore");
  ASSERT_TRUE(driver.RunUntilFinished(later));
  const UndoRow refused = Undo(driver, id);
  EXPECT_EQ(refused.status, "refused");
  ASSERT_EQ(refused.lost.size(), 1U);
  EXPECT_NE(refused.lost[0].find("restored at"), std::string::npos) << refused.lost[0];
  const UndoRow undone = Undo(driver, later);
  EXPECT_EQ(undone.status, "undone") << undone.reason;
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

TEST(UndoFlow, AfterTheWindowItIsRefused) {
  EngineDriver driver;
  const int64_t id = MergedSession(driver, "replay");
  driver.clock.AdvanceTo(driver.clock.Now() + milliseconds(86'401'000));
  const UndoRow refused = Undo(driver, id);
  EXPECT_EQ(refused.status, "refused");
  EXPECT_NE(refused.reason.find("undo_window is over"), std::string::npos) << refused.reason;
}

TEST(UndoFlow, ParentThatIsProtectedOrBackupThatIsGoneRefusesIt) {
  for (const bool gone : {true, false}) {
    EngineDriver driver;
    const int64_t id = MergedSession(driver, "replay");
    if (gone) {
      driver.neon.branches.erase(driver.store.undo_points.begin()->second.backup_branch_id);
    } else {
      driver.neon.Dev().is_protected = true;
    }
    const UndoRow refused = Undo(driver, id);
    EXPECT_EQ(refused.status, "refused");
    EXPECT_NE(refused.reason.find(gone ? "backup is gone" : "is protected"), std::string::npos)
        << refused.reason;
    EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
  }
}

TEST(UndoFlow, LostAnswerIsProvenByThePreservedName) {
  for (const Fault::Kind kind : {Fault::Kind::kLoseAnswer, Fault::Kind::kLoseRequest}) {
    EngineDriver driver;
    const int64_t id = MergedSession(driver, "replay");
    driver.neon.Expect(kRestore, Fault::Lose(kind));
    const UndoRow undo = Undo(driver, id);
    EXPECT_EQ(undo.status, "undone") << undo.reason;
    EXPECT_EQ(driver.neon.Count(kRestore), kind == Fault::Kind::kLoseAnswer ? 1U : 2U);
    EXPECT_EQ(driver.neon.Dev().data, Strings{});
  }
}

TEST(UndoFlow, RestoreThatFailsLeavesTheMerge) {
  EngineDriver driver;
  driver.neon.flat = true;
  const int64_t id = MergedSession(driver, "replay");
  driver.neon.restores_fail = true;
  const UndoRow undo = Undo(driver, id);
  EXPECT_EQ(undo.status, "failed");
  EXPECT_NE(undo.reason.find("could not restore"), std::string::npos) << undo.reason;
  EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"});
}

TEST(UndoFlow, BackupThatCannotBeMadeIsSaidAndTheMergeDone) {
  EngineDriver driver;
  driver.store.projects.at(1).undo_window = 86'400;
  driver.Restart();
  const int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.branch_limit = driver.neon.branches.size();
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.Row(id).state, SessionState::kMerged);
  const UndoPointRow &point = driver.store.undo_points.begin()->second;
  EXPECT_NE(point.why_not.find("no backup could be made"), std::string::npos) << point.why_not;
}

TEST(UndoFlow, LostAnswerToTheBackupIsLookedUp) {
  for (const Fault::Kind kind : {Fault::Kind::kLoseAnswer, Fault::Kind::kLoseRequest}) {
    EngineDriver driver;
    driver.store.projects.at(1).undo_window = 86'400;
    driver.Restart();
    const int64_t id = driver.MigratedSession("one", "m1");
    driver.neon.Expect("POST /branches", Fault::Lose(kind));
    driver.store.Merge(id, "replay");
    ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
    EXPECT_EQ(driver.store.undo_points.begin()->second.why_not, "");
    const UndoRow undo = Undo(driver, id);
    EXPECT_EQ(undo.status, "undone") << undo.reason;
  }
}

TEST(UndoFlow, BackupOfAMergeThatIsRefusedGoes) {
  EngineDriver driver;
  driver.store.projects.at(1).undo_window = 86'400;
  driver.Restart();
  const int64_t id = driver.MigratedSession("one", "m1");
  driver.branches.fail_on.insert("br-dev");
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict)) << driver.Row(id).error;
  driver.RunUntilIdle();
  for (const auto &[branch_id, kept] : driver.store.kept)
    EXPECT_TRUE(kept.deleted) << kept.name;
  EXPECT_EQ(driver.neon.branches.size(), 3U);
}

TEST(UndoFlow, OthersThatBeganBeforeAreFenced) {
  EngineDriver driver;
  const int64_t id = MergedSession(driver, "replay");
  const int64_t other = driver.ReadySession("other");
  ASSERT_EQ(Undo(driver, id).status, "undone");
  EXPECT_EQ(driver.Row(other).parent_reset_at.rfind("before undo ", 0), 0U);
  const int64_t later = driver.ReadySession("later");
  EXPECT_EQ(driver.Row(later).parent_reset_at, driver.neon.Dev().last_reset_at);
}

TEST(UndoFlow, TakesItsTurnAmongMerges) {
  EngineDriver driver;
  const int64_t id = MergedSession(driver, "replay");
  const int64_t other = driver.MigratedSession("other", "m2");
  driver.branches.hold_migrations = true;
  driver.store.Merge(other, "replay");
  ASSERT_TRUE(driver.RunUntilState(other, SessionState::kMerging));
  const int64_t undo = driver.store.Undo(id, true);
  const size_t restores = driver.neon.Count(kRestore);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.store.undos.at(undo).status, "queued");
  EXPECT_EQ(driver.neon.Count(kRestore), restores);
}

// Wherever the worker dies, it comes to the same end, and one restore is done.
TEST(UndoFlow, CrashAtAnyCommitEndsTheSame) {
  for (const char *strategy : {"replay", "restore"}) {
    for (const auto when :
         {EngineDriver::Crash::kBeforeCommit, EngineDriver::Crash::kAfterCommit}) {
      for (int commit = 1; commit < 40; ++commit) {
        EngineDriver driver;
        const int64_t id = MergedSession(driver, strategy);
        const size_t restores = driver.neon.Count(kRestore);
        driver.CrashAfterMore(when, commit);
        const UndoRow undo = Undo(driver, id);
        EXPECT_EQ(undo.status, "undone") << strategy << " " << commit << ": " << undo.reason;
        EXPECT_EQ(driver.neon.Dev().data, Strings{}) << strategy << " " << commit;
        EXPECT_LE(driver.neon.Count(kRestore), restores + 2) << strategy << " " << commit;
        if (driver.restarts < 2) break;
      }
    }
  }
}

}  // namespace
}  // namespace agent_branch
