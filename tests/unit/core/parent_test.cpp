#include "worker/core/neon/parent.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

ProjectRow Project() {
  ProjectRow project;
  project.neon_id = "p1";
  project.parent = "dev";
  return project;
}

NeonBranch Fit() {
  NeonBranch branch;
  branch.id = "br-dev";
  branch.name = "dev";
  branch.parent_id = "br-main";
  return branch;
}

TEST(Parent, ChildOfTheRootIsFit) {
  Result<NeonBranch> parent = CheckParent(Project(), {Fit()});
  ASSERT_TRUE(parent.ok());
  EXPECT_EQ(parent->id, "br-dev");
}

TEST(Parent, WhatCannotBeRestoredIsToldWithWhatToDoAndCanBeForked) {
  struct {
    const char *says;
    void (*make)(NeonBranch *);
  } const table[] = {
      {"is the project's default branch", [](NeonBranch *branch) { branch->is_default = true; }},
      {"is a root branch", [](NeonBranch *branch) { branch->parent_id.clear(); }},
      {"is protected", [](NeonBranch *branch) { branch->is_protected = true; }},
  };
  for (const auto &row : table) {
    NeonBranch branch = Fit();
    row.make(&branch);
    EXPECT_TRUE(CheckParent(Project(), branch).ok()) << row.says;
    Status status = CheckRestorable(Project(), branch).status();
    EXPECT_EQ(status.sqlstate(), "55000");
    EXPECT_EQ(status.message(), std::string("parent branch \"dev\" ") + row.says);
    EXPECT_NE(status.hint(), "");
  }
}

TEST(Parent, WhatExpiresOrIsNotThereIsUnfit) {
  NeonBranch branch = Fit();
  branch.expires_at = "2026-06-01T00:00:00Z";
  for (const Status &status :
       {CheckParent(Project(), branch).status(), CheckRestorable(Project(), branch).status()}) {
    EXPECT_EQ(status.message(), "parent branch \"dev\" has an expiry");
    EXPECT_NE(status.hint(), "");
  }
  EXPECT_EQ(CheckParent(Project(), std::nullopt).status().message(),
            "parent branch \"dev\" does not exist");
}

}  // namespace
}  // namespace agent_branch
