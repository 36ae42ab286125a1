#include "worker/core/neon/project_api.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

TEST(ProjectApi, ProjectIsCreatedWithItsFirstBranchMarked) {
  ProjectSpecification project;
  project.name = "a shop";
  project.branch = "production";
  project.database = "neondb";
  project.role = "neondb_owner";
  project.postgres_version = 17;
  project.max_cu = 2;
  project.annotation = {{"agent-branch-project", "mark"}};
  NeonRequest request = CreateProjectRequest(project);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/projects");
  EXPECT_EQ(request.body,
            R"({"project":{"name":"a shop","pg_version":17,"default_endpoint_settings":)"
            R"({"autoscaling_limit_min_cu":0.25,"autoscaling_limit_max_cu":2.0},)"
            R"("branch":{"name":"production","database_name":"neondb","role_name":"neondb_owner",)"
            R"("annotations":{"agent-branch-project":"mark"}}}})");
  project.bare_compute = true;
  EXPECT_EQ(CreateProjectRequest(project).body.find("autoscaling"), std::string::npos);
  project.region = "aws-eu-central-1";
  project.organization = "org-1";
  EXPECT_NE(
      CreateProjectRequest(project).body.find(R"("region_id":"aws-eu-central-1","org_id":"org-1")"),
      std::string::npos);
}

TEST(ProjectApi, ProjectsAreSearchedPageByPage) {
  EXPECT_EQ(ListProjectsRequest("a shop", {}, {}, 100).path, "/projects?limit=100&search=a%20shop");
  EXPECT_EQ(ListProjectsRequest("x", "org-1", "c/d", 100).path,
            "/projects?limit=100&search=x&org_id=org-1&cursor=c%2Fd");
}

TEST(ProjectApi, ProjectsHaveAnIdAndAName) {
  Result<NeonProject> made = ParseProject(R"({"project":{"id":"wild-sea-1","name":"shop"}})");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->id, "wild-sea-1");
  EXPECT_EQ(made->name, "shop");
  Result<NeonProjectPage> page = ParseProjectPage(
      R"({"projects":[{"id":"a","name":"x"},{"id":"b"}],"pagination":{"cursor":"b"}})");
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->projects.size(), 2u);
  EXPECT_EQ(page->projects[1].id, "b");
  EXPECT_EQ(page->next, "b");
}

TEST(ProjectApi, WhatIsNoIdIsNoProject) {
  for (const char *body : {R"({"project":{"name":"shop"}})", R"({"project":{"id":".."}})",
                           R"({"project":{"id":"a b"}})", R"({"project":{"id":"a\u0000"}})",
                           R"({"project":[]})", "{}", "[]", "nothing"})
    EXPECT_FALSE(ParseProject(body).ok()) << body;
  EXPECT_FALSE(ParseProjectPage(R"({"projects":[{"name":"x"}]})").ok());
  EXPECT_FALSE(ParseProjectPage("{}").ok());
}

}  // namespace
}  // namespace agent_branch
