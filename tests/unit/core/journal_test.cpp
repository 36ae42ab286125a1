#include "worker/core/state/journal.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

SessionRow Session(int64_t id, SessionState state, const std::string &error = {}) {
  SessionRow row;
  row.id = id;
  row.state = state;
  row.error = error;
  return row;
}

// The states and errors of the sessions in the batch, in its order.
std::string Saved(const Journal &journal) {
  std::string text;
  for (const Mutation &mutation : journal.batch().mutations) {
    const auto *row = std::get_if<SessionRow>(&mutation);
    if (row == nullptr) continue;
    text += std::to_string(row->id) + " " + std::string(StateName(row->state)) + row->error + "; ";
  }
  return text;
}

TEST(Journal, NothingRunsBeforeTheBatchIsCommitted) {
  Journal journal(7);
  Project project;
  project.row.id = 3;
  std::string ran;
  StepRow step =
      journal.Intend(project, 5, StepKind::kRestore, "br-dev", [&] { ran += "restore "; });
  journal.AfterCommit([&] { ran += "after "; });
  EXPECT_EQ(ran, "");
  EXPECT_FALSE(journal.empty());
  EXPECT_EQ(step.id, 8);
  EXPECT_EQ(step.project_id, 3);
  EXPECT_EQ(step.session_id, 5);
  EXPECT_EQ(step.status, "intended");
  journal.Committed();
  EXPECT_EQ(ran, "restore after ");
  EXPECT_TRUE(journal.empty());
  journal.Committed();
  EXPECT_EQ(ran, "restore after ");
}

TEST(Journal, WhatAnActionWritesBelongsToTheNextBatch) {
  Journal journal(0);
  int later = 0;
  journal.AfterCommit([&] {
    journal.Save(Session(1, SessionState::kReady));
    journal.AfterCommit([&] { ++later; });
  });
  EXPECT_FALSE(journal.empty());  // an action alone has to be committed too
  journal.Committed();
  EXPECT_EQ(later, 0);
  EXPECT_EQ(Saved(journal), "1 ready; ");
  EXPECT_EQ(journal.touched(), std::set<int64_t>{1});
  journal.Committed();
  EXPECT_EQ(later, 1);
  EXPECT_TRUE(journal.touched().empty());
}

TEST(Journal, EachStateIsKeptAndItsLastVersionOnly) {
  Journal journal(0);
  journal.Save(Session(1, SessionState::kCreating));
  journal.Save(Session(2, SessionState::kReady, " first"));
  journal.Save(Session(1, SessionState::kCreating, " trouble"));
  journal.Save(Session(2, SessionState::kReady, " second"));
  journal.Save(Session(1, SessionState::kReady));
  journal.Save(Session(1, SessionState::kMigrating));
  journal.Save(Session(1, SessionState::kReady, " again"));
  EXPECT_EQ(Saved(journal),
            "1 creating trouble; 2 ready second; 1 ready; 1 migrating; 1 ready again; ");
}

TEST(Journal, RowsComeInTheOrderTheyWereAdded) {
  Journal journal(0);
  Project project;
  journal.Save(Session(1, SessionState::kReady));
  StepRow step = journal.Intend(project, 1, StepKind::kDeleteBranch, "br-1", [] {});
  journal.Record(step, true, "gone");
  journal.Add(DropRequest{9});
  const auto &mutations = journal.batch().mutations;
  ASSERT_EQ(mutations.size(), 4u);
  EXPECT_TRUE(std::holds_alternative<SessionRow>(mutations[0]));
  EXPECT_EQ(std::get<StepRow>(mutations[1]).status, "intended");
  EXPECT_EQ(std::get<StepRow>(mutations[2]).status, "done");
  EXPECT_EQ(std::get<StepRow>(mutations[2]).outcome, "gone");
  EXPECT_EQ(std::get<DropRequest>(mutations[3]).id, 9);
}

TEST(Journal, RefusedStepHadNoEffect) {
  Journal journal(0);
  journal.Record(StepRow{}, false, "422");
  EXPECT_EQ(std::get<StepRow>(journal.batch().mutations[0]).status, "refused");
}

TEST(Journal, WhoWaitsForMigrationsAndCredentialsIsWokenToo) {
  Journal journal(0);
  MigrationRow migration;
  migration.session_id = 4;
  journal.Add(migration);
  journal.Add(CredentialRow{1, 5, false, Secret("uri"), "br-1"});
  EXPECT_EQ(journal.touched(), (std::set<int64_t>{4, 5}));
}

}  // namespace
}  // namespace agent_branch
