#include <gtest/gtest.h>

#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

std::string StateOf(const char *json) {
  return CheckProjectOptions(json).status().sqlstate();
}

TEST(OptionChecks, EveryOptionIsTaken) {
  Result<ProjectOptions> options =
      CheckProjectOptions(R"({"max_parallel":8,"min_cu":0.5,"max_cu":2,"max_pinned":0,"ttl":"1 h",)"
                          R"("undo_window":"0","statement_timeout":"5 min","lock_timeout":"1 s",)"
                          R"("merge_strategy":"restore","on_drift":"fail","api_key_file":"team-a",)"
                          R"("refuse_risks":["drop","not_null"]})");
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->api_key_file, "team-a");
  ASSERT_EQ(options->durations.size(), 4u);
  EXPECT_EQ(options->durations[0].key, "ttl");
  EXPECT_EQ(options->durations[0].text, "1 h");
  EXPECT_EQ(options->durations[0].range, DurationRange::kTtl);
  EXPECT_EQ(options->durations[1].range, DurationRange::kZeroOrMore);
  EXPECT_EQ(options->durations[2].range, DurationRange::kStatementTimeout);
  EXPECT_TRUE(CheckProjectOptions("{}").ok());
}

TEST(OptionChecks, WhatAProjectMayLimitAndAllowIsTaken) {
  Result<ProjectOptions> options = CheckProjectOptions(
      R"({"max_live_sessions":0,"max_queued_sessions":20000,"max_branches_a_day":100,)"
      R"("max_migration_bytes":1000000,"max_fixer_tokens_a_day":5,"parent_access":"full","on_unrecorded":"fail",)"
      R"("managed_schemas":["neon_auth"],"gates":[],"isolate_role":false,"replay_budget":"10 s"})");
  ASSERT_TRUE(options.ok()) << options.status().message();
  ASSERT_EQ(options->durations.size(), 1u);
  EXPECT_EQ(options->durations[0].key, "replay_budget");
  EXPECT_EQ(options->durations[0].range, DurationRange::kZeroOrMore);
}

TEST(OptionChecks, HintsForTheFixerAreBounded) {
  const auto given = [](size_t bytes) {
    return CheckProjectOptions(R"({"fixer_hints":")" + std::string(bytes, 'x') + R"("})");
  };
  EXPECT_TRUE(given(8'192).ok());
  EXPECT_EQ(given(8'193).status().sqlstate(), "22023");
}

TEST(OptionChecks, WrongTypesValuesAndKeysAreToldApart) {
  struct {
    const char *json;
    const char *sqlstate;
  } const table[] = {
      {"[]", "42804"},
      {"7", "42804"},
      {"{", "22023"},
      {"", "22023"},
      {R"({"max_parallel":"8"})", "42804"},
      {R"({"max_parallel":1.5})", "42804"},
      {R"({"max_parallel":0})", "22023"},
      {R"({"max_parallel":1001})", "22023"},
      {R"({"max_parallel":1e30})", "42804"},
      {R"({"max_pinned":-1})", "22023"},
      {R"({"min_cu":0.1})", "22023"},
      {R"({"max_cu":57})", "22023"},
      {R"({"max_cu":null})", "42804"},
      {R"({"min_cu":2})", "22023"},  // above the default of max_cu
      {R"({"min_cu":4,"max_cu":2})", "22023"},
      {R"({"ttl":3600})", "42804"},
      {R"({"merge_strategy":"replay"})", ""},
      {R"({"merge_strategy":"magic"})", "22023"},
      {R"({"on_drift":"rebase"})", ""},
      {R"({"on_drift":"ignore"})", "22023"},
      {R"({"fixer":{}})", "42804"},
      {R"({"fixer":"x"})", "22023"},
      {R"({"fixer_function":"f(); SELECT 1"})", "22023"},
      {R"({"fixer_hints":"Keys are bigint."})", ""},
      {R"({"fixer_hints":["Keys are bigint."]})", "42804"},
      {R"({"fixer_function":"a.b.c"})", "22023"},
      {R"({"fixer_function":"A"})", "22023"},
      {R"({"refuse_risks":"drop"})", "42804"},
      {R"({"refuse_risks":[1]})", "42804"},
      {R"({"refuse_risks":["Drop"]})", "22023"},
      {R"({"on_unrecorded":"drop"})", ""},
      {R"({"on_unrecorded":"keep"})", "22023"},
      {R"({"parent_access":"all"})", "22023"},
      {R"({"parent_access":true})", "42804"},
      {R"({"gates":["SELECT true"]})", ""},
      {R"({"gates":"SELECT true"})", "42804"},
      {R"({"gates":[1]})", "42804"},
      {R"({"isolate_role":"no"})", "42804"},
      {R"({"managed_schemas":"neon_auth"})", "42804"},
      {R"({"managed_schemas":[""]})", "22023"},
      {R"({"managed_schemas":[7]})", "42804"},
      {R"({"max_live_sessions":-1})", "22023"},
      {R"({"max_queued_sessions":"1"})", "42804"},
      {R"({"max_branches_a_day":1.5})", "42804"},
      {R"({"max_migration_bytes":1000000000001})", "22023"},
      {R"({"replay_budget":10})", "42804"},
      {R"({"Ttl":"1 h"})", "22023"},
      {R"({"":1})", "22023"},
  };
  for (const auto &row : table)
    EXPECT_EQ(StateOf(row.json), row.sqlstate) << row.json;
}

TEST(OptionChecks, KeyFileStaysInItsDirectory) {
  for (const char *name :
       {"", ".", "..", "../key", "a/b", "/etc/key", ".hidden", "a\\\\b", "a\\u0000b"}) {
    std::string json = "{\"api_key_file\":\"" + std::string(name) + "\"}";
    EXPECT_EQ(StateOf(json.c_str()), "22023") << name;
  }
  EXPECT_TRUE(CheckProjectOptions(R"({"api_key_file":"team a.key"})").ok());
}

TEST(OptionChecks, SessionHasComputeSizesAndATrace) {
  EXPECT_TRUE(CheckSessionOptions("{}", "{}").ok());
  EXPECT_TRUE(CheckSessionOptions(R"({"min_cu":1,"max_cu":4})", "{}").ok());
  EXPECT_TRUE(CheckSessionOptions(R"({"min_cu":2})", R"({"max_cu":2})").ok());
  EXPECT_EQ(CheckSessionOptions(R"({"min_cu":2})", "{}").sqlstate(), "22023");
  EXPECT_EQ(CheckSessionOptions(R"({"ttl":"1 h"})", "{}").sqlstate(), "22023");
  EXPECT_EQ(CheckSessionOptions("[]", "{}").sqlstate(), "42804");
}

// Examples and rules of https://www.w3.org/TR/trace-context/#traceparent-header.
TEST(OptionChecks, TraceparentIsOneOfTheW3cs) {
  const auto state_of = [](const std::string &value) {
    return CheckSessionOptions("{\"traceparent\":" + value + "}", "{}").sqlstate();
  };
  EXPECT_EQ(state_of(R"("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")"), "");
  for (const char *wrong : {"\"\"", "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\"",
                            "\"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01\"",
                            "\"00-00000000000000000000000000000000-00f067aa0ba902b7-01\"",
                            "\"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01\"",
                            "\"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\""})
    EXPECT_EQ(state_of(wrong), "22023") << wrong;
  EXPECT_EQ(state_of("1"), "42804");
}

TEST(OptionChecks, MergeIsChosenByTheCallThenTheProjectThenTheDefault) {
  Result<MergeChoice> choice = ChooseMerge({}, "{}");
  ASSERT_TRUE(choice.ok());
  EXPECT_EQ(choice->strategy, "auto");
  EXPECT_EQ(choice->on_drift, "fail");
  const char *project = R"({"merge_strategy":"restore"})";
  EXPECT_EQ(ChooseMerge({}, project)->strategy, "restore");
  EXPECT_EQ(ChooseMerge({"auto", "fail", {}}, project)->strategy, "auto");
  EXPECT_EQ(ChooseMerge({"replay", {}, {}}, "{}")->strategy, "replay");
  EXPECT_EQ(ChooseMerge({"candidate", {}, {}}, "{}")->strategy, "candidate");
  EXPECT_EQ(ChooseMerge({"x", {}, {}}, "{}").status().sqlstate(), "22023");
  EXPECT_EQ(ChooseMerge({{}, {}, "fail"}, "{}")->on_unrecorded, "fail");
  EXPECT_EQ(ChooseMerge({{}, {}, "drop"}, "{}")->on_unrecorded, "drop");
  EXPECT_EQ(ChooseMerge({{}, {}, "x"}, "{}").status().sqlstate(), "22023");
}

TEST(OptionChecks, TextOptionIsNoneWhenItIsNoText) {
  EXPECT_EQ(TextOption(R"({"a":"b"})", "a"), "b");
  EXPECT_FALSE(TextOption(R"({"a":1})", "a"));
  EXPECT_FALSE(TextOption(R"({"a":"b"})", "c"));
  EXPECT_FALSE(TextOption("nope", "a"));
}

}  // namespace
}  // namespace agent_branch
