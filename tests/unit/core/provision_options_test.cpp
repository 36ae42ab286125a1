#include "worker/core/state/provision_options.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

TEST(ProvisionOptions, DefaultsAreTheNamesThatARegistrationHas) {
  Result<ProvisionOptions> options = CheckProvisionOptions("{}");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->parent, "development");
  EXPECT_EQ(options->database, "neondb");
  EXPECT_EQ(options->role, "neondb_owner");
  EXPECT_EQ(options->wish, R"({"production":"production"})");
  EXPECT_EQ(options->project_options, "{}");
}

TEST(ProvisionOptions, WhatIsForNeonIsParted) {
  Result<ProvisionOptions> options = CheckProvisionOptions(
      R"({"max_cu":2,"region":"aws-eu-central-1","pg_version":17,"parent":"dev",)"
      R"("organization":"org-1","production":"main","database":"app","role":"owner","fixer":"off"})");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->parent, "dev");
  EXPECT_EQ(options->database, "app");
  EXPECT_EQ(options->role, "owner");
  EXPECT_EQ(options->wish, R"({"production":"main","region":"aws-eu-central-1",)"
                           R"("organization":"org-1","pg_version":17})");
  EXPECT_NE(options->project_options.find("\"max_cu\":2"), std::string::npos);
  EXPECT_NE(options->project_options.find("\"fixer\":\"off\""), std::string::npos);
  EXPECT_EQ(options->project_options.find("region"), std::string::npos);
}

TEST(ProvisionOptions, WhatIsWrongIsRefusedWithAHint) {
  const std::pair<const char *, const char *> cases[] = {
      {"[]", "42804"},
      {"null", "42804"},
      {R"({"parent":1})", "42804"},
      {R"({"parent":""})", "22023"},
      {R"({"parent":"production"})", "22023"},
      {R"({"production":"development"})", "22023"},
      {R"({"pg_version":"17"})", "42804"},
      {R"({"pg_version":13})", "22023"},
      {R"({"pg_version":19})", "22023"},
      {R"({"region":"a\u0007"})", "42602"},
  };
  for (const auto &[json, code] : cases) {
    Result<ProvisionOptions> options = CheckProvisionOptions(json);
    ASSERT_FALSE(options.ok()) << json;
    EXPECT_EQ(options.status().sqlstate(), code) << json;
    EXPECT_FALSE(options.status().hint().empty()) << json;
  }
}

}  // namespace
}  // namespace agent_branch
