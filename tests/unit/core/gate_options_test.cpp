#include "worker/core/state/gate_options.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

TEST(GateOptions, QueriesAndTimesAreHandedOn) {
  Result<ProjectOptions> options = CheckProjectOptions(
      R"({"gates":{"no orphans":"SELECT 1;","b":{"sql":"SELECT 2","on":"parent","timeout":"5 s"}}})");
  ASSERT_TRUE(options.ok()) << options.status().message();
  ASSERT_EQ(options->gates.size(), 2U);
  EXPECT_EQ(options->gates[0].name, "no orphans");
  EXPECT_EQ(options->gates[0].sql, "SELECT 1;");
  EXPECT_EQ(options->gates[1].sql, "SELECT 2");
  ASSERT_EQ(options->durations.size(), 1U);
  EXPECT_EQ(options->durations[0].key, "timeout of gate b");
  EXPECT_EQ(options->durations[0].text, "5 s");
  options = CheckProjectOptions(R"({"gates":["SELECT 1"]})");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->gates[0].name, "gate 1");
}

TEST(GateOptions, WhatIsNoGateIsRefused) {
  const std::string long_name(101, 'x');
  const std::string long_query(64 * 1024 + 1, 'x');
  struct {
    std::string gates;
    const char *sqlstate;
  } const table[] = {
      {"{}", ""},
      {"[]", ""},
      {"7", "42804"},
      {"\"SELECT true\"", "42804"},
      {"[1]", "42804"},
      {R"({"a":1})", "42804"},
      {R"({"a":{}})", "22023"},
      {R"({"a":{"sql":1}})", "42804"},
      {R"({"a":{"sql":""}})", "22023"},
      {R"({"a":" ; "})", "22023"},
      {R"({"a":"SELECT \u0000"})", "22023"},
      {R"({"":"SELECT 1"})", "22023"},
      {R"({"a\n":"SELECT 1"})", "22023"},
      {"{\"" + long_name + "\":\"SELECT 1\"}", "22023"},
      {"{\"a\":\"" + long_query + "\"}", "22023"},
      {R"({"a":{"sql":"SELECT 1","on":"production"}})", "22023"},
      {R"({"a":{"sql":"SELECT 1","Timeout":"1 s"}})", "22023"},
      {R"({"a":{"sql":"SELECT 1","timeout":1}})", "42804"},
      {R"({"a":{"max_tables":3,"max_rows_rewritten":0,"max_rows_deleted":1000}})", ""},
      {R"({"a":{"max_tables":"3"}})", "42804"},
      {R"({"a":{"max_tables":-1}})", "22023"},
      {R"({"a":{"max_rows_deleted":1.5}})", "42804"},
      {R"({"a":{"max_rows":1}})", "22023"},
      {R"({"a":{"strongest_lock":"ShareLock","longest_lock":"500 ms"}})", ""},
      {R"({"a":{"strongest_lock":"SHARE"}})", "22023"},
      {R"({"a":{"longest_lock":500}})", "42804"},
  };
  for (const auto &row : table) {
    const std::string json = "{\"gates\":" + row.gates + "}";
    EXPECT_EQ(CheckProjectOptions(json).status().sqlstate(), row.sqlstate) << json.substr(0, 100);
  }
  std::string many = "[\"SELECT 1\"";
  for (int n = 0; n < 100; ++n)
    many += ",\"SELECT 1\"";
  EXPECT_EQ(CheckProjectOptions("{\"gates\":" + many + "]}").status().sqlstate(), "22023");
}

TEST(GateOptions, QueryEndsBeforeItsSemicolons) {
  EXPECT_EQ(GateQuery("SELECT 1 ; \n;"), "SELECT 1");
  EXPECT_EQ(GateQuery("SELECT ';'"), "SELECT ';'");
  EXPECT_EQ(GateQuery(" ;; "), "");
  EXPECT_EQ(GateProbe("SELECT 1 -- one"), "SELECT FROM (SELECT 1 -- one\n) AS gate");
}

TEST(GateOptions, AreReadAsTheStoreHasThem) {
  std::vector<GateRow> gates = ReadGates(
      R"([{"name":"a","sql":"SELECT 1"},{"name":"b","sql":"SELECT 2","on":"parent","timeout":50}])");
  ASSERT_EQ(gates.size(), 2U);
  EXPECT_EQ(gates[0].timeout, milliseconds(30'000));
  EXPECT_FALSE(gates[0].on_parent);
  EXPECT_EQ(gates[1].timeout, milliseconds(50));
  EXPECT_TRUE(gates[1].on_parent);
  gates = ReadGates(
      R"([{"name":"a","max_tables":0,"longest_lock":500,"strongest_lock":"ShareLock"},{"name":"b"}])");
  ASSERT_EQ(gates.size(), 1U);
  EXPECT_EQ(gates[0].max_tables, 0);
  EXPECT_EQ(gates[0].max_rows_deleted, std::nullopt);
  EXPECT_EQ(gates[0].longest_lock, milliseconds(500));
  EXPECT_EQ(gates[0].strongest_lock, "ShareLock");
  EXPECT_TRUE(ReadGates("").empty());
  EXPECT_TRUE(ReadGates("{}").empty());
}

}  // namespace
}  // namespace agent_branch
