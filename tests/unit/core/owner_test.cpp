#include "worker/core/state/owner_of.hpp"

#include <gtest/gtest.h>

#include <set>

#include "worker/core/state/journal.hpp"

namespace agent_branch {
namespace {

Status Error(const char *sqlstate) {
  return Status::Error(sqlstate, "no");
}

TEST(Owner, IsTheSessionOrElseTheProject) {
  SessionRow session;
  session.id = 7;
  session.project_id = 3;
  EXPECT_EQ(OwnerOf(session), Owner::Session(7));
  StepRow step;
  step.project_id = 3;
  EXPECT_EQ(OwnerOf(step), Owner::Project(3));
  step.session_id = 7;
  EXPECT_EQ(OwnerOf(step), Owner::Session(7));
  KeptBranchRow kept;
  kept.project_id = 3;
  EXPECT_EQ(OwnerOf(kept), Owner::Project(3));
  EXPECT_EQ(OwnerOf(AttemptRow{1, 2, "SELECT 1", "memory", 7}), Owner::Session(7));
  EXPECT_EQ(OwnerOf(DropRequest{9}), Owner());
}

TEST(Owner, ErrorsOfTheDataAreToldFromThoseOfTheServer) {
  for (const char *of_data : {"22008", "22003", "23505", "54000", "P0001"})
    EXPECT_TRUE(IsOfItsData(Error(of_data), 0)) << of_data;
  for (const char *of_server : {"53100", "55P03", "57P01", "40001", "58030", "25006", "42703"})
    EXPECT_FALSE(IsOfItsData(Error(of_server), 100)) << of_server;
  EXPECT_FALSE(IsOfItsData(Error("XX000"), 2));
  EXPECT_TRUE(IsOfItsData(Error("XX000"), 3));
}

TEST(Owner, WhatCountsOnAPartThatWasLeftOutIsNotDone) {
  Journal journal(0);
  Project project;
  project.row.id = 3;
  std::string ran;
  journal.Intend(project, 5, StepKind::kRestore, "br", [&] { ran += "five "; });
  journal.Intend(project, 6, StepKind::kRestore, "br", [&] { ran += "six "; });
  journal.Intend(project, 0, StepKind::kDeleteBranch, "br", [&] { ran += "project "; });
  journal.AfterCommit([&] { ran += "all "; });
  journal.Committed({Owner::Session(5)});
  EXPECT_EQ(ran, "six project all ");
  EXPECT_TRUE(journal.empty());
}

}  // namespace
}  // namespace agent_branch
