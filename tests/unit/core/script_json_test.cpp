#include "worker/core/script/script_json.hpp"

#include <gtest/gtest.h>

#include "worker/core/script/segments.hpp"

namespace agent_branch {
namespace {

constexpr char kSql[] = "SET a = 1; CREATE INDEX CONCURRENTLY i ON t (a); DROP TABLE \xC3\xBC";

ScriptStatement Placed(size_t offset, size_t length, const char *tag) {
  ScriptStatement statement;
  statement.offset = offset;
  statement.length = length;
  statement.column = static_cast<int>(offset) + 1;
  statement.tag = tag;
  return statement;
}

Script Sample() {
  Script script;
  script.parsed = true;
  script.length = sizeof kSql - 1;
  script.statements.resize(3);
  script.statements[0] = Placed(0, 9, "SET");
  script.statements[0].setting = "SET a = 1";
  script.statements[1] = Placed(11, 36, "CREATE INDEX");
  script.statements[1].non_transactional = NonTransactional::kCreateIndex;
  script.statements[1].alone_reason = "so it is";
  script.statements[1].alone_object = "i";
  script.statements[1].alone_relation = "t";
  script.statements[2] = Placed(49, 13, "DROP TABLE");
  StatementRisk risk;
  risk.object_type = "table";
  risk.object = risk.relation = "\"\xC3\xBC\"";
  risk.why = "its rows go with it";
  risk.moved = risk.cascades = true;
  risk.lookup = "x";
  script.statements[2].risks = {risk};
  script.statements[2].fills = {"t"};
  return script;
}

std::string Changed(const std::string &from, const std::string &to) {
  std::string json = KeptScript(Sample(), kSql, "15");
  const size_t at = json.find(from);
  if (at == std::string::npos) return "no such text: " + from;
  return json.replace(at, from.size(), to);
}

TEST(ScriptJson, WhatIsKeptIsReadAsItWas) {
  const std::string json = KeptScript(Sample(), kSql, "15");
  const Result<Script> read = ReadKeptScript(json, kSql);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(KeptScript(read.value(), kSql, "15"), json);
  EXPECT_EQ(read->statements[0].setting, "SET a = 1");
  EXPECT_EQ(read->statements[1].non_transactional, NonTransactional::kCreateIndex);
  EXPECT_EQ(read->statements[1].alone_relation, "t");
  EXPECT_TRUE(read->statements[2].risks[0].moved);
  EXPECT_EQ(read->statements[2].risks[0].object, "\"\xC3\xBC\"");
  EXPECT_EQ(SplitIntoSegments(read.value()).size(), SplitIntoSegments(Sample()).size());
}

TEST(ScriptJson, RefusalsAndErrorsOfTheParserAreKept) {
  Script script = Sample();
  script.parsed = false;
  script.unread = Status::Error("42601", "syntax error", "d", "h");
  script.refusal = Status::Error("2D000", "no");
  script.refused = 2;
  const Result<Script> read = ReadKeptScript(KeptScript(script, kSql, "15"), kSql);
  ASSERT_TRUE(read.ok());
  EXPECT_FALSE(read->parsed);
  EXPECT_EQ(read->unread.hint(), "h");
  EXPECT_EQ(read->refusal.sqlstate(), "2D000");
  EXPECT_EQ(read->refused, 2u);
}

TEST(ScriptJson, BoundariesGiveTheirModesOutOfTheText) {
  const std::string sql = "BEGIN READ ONLY";
  Script script;
  script.length = sql.size();
  script.statements.resize(1);
  script.statements[0].length = sql.size();
  script.statements[0].boundary = Boundary::kBegin;
  script.statements[0].setting = "SET TRANSACTION READ ONLY";
  const Result<Script> read = ReadKeptScript(KeptScript(script, sql, "15"), sql);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->statements[0].boundary, Boundary::kBegin);
  EXPECT_EQ(read->statements[0].setting, "SET TRANSACTION READ ONLY");
}

TEST(ScriptJson, WhatIsNoReadingOfTheTextIsRefused) {
  for (const std::string &json :
       {std::string(), std::string("null"), std::string("[]"), std::string("{"),
        std::string(R"({"form":1,"length":0,"statements":[]})"),
        Changed("\"form\":1", "\"form\":2"), Changed("\"offset\":11", "\"offset\":8"),
        Changed("\"offset\":11", "\"offset\":-1"), Changed("\"offset\":11", "\"offset\":1e3"),
        Changed("\"length\":36", "\"length\":60"),
        Changed("\"length\":36", "\"length\":9223372036854775807"),
        Changed("\"line\":1", "\"line\":0"), Changed("create_index", "none"),
        Changed("\"kind\":\"drop\"", "\"kind\":\"x\""), Changed("\"refused\":0", "\"refused\":4"),
        Changed("{\"offset\":11", "7,{\"offset\":11")}) {
    const Result<Script> read = ReadKeptScript(json, kSql);
    EXPECT_FALSE(read.ok()) << json;
    EXPECT_EQ(read.status().sqlstate(), "22023");
  }
  EXPECT_FALSE(ReadKeptScript(KeptScript(Sample(), kSql, "15"), "SELECT 1").ok());
}

TEST(ScriptJson, TextThatIsNotUtf8IsNotKept) {
  EXPECT_EQ(KeptScript(Sample(), "SELECT '\xE4'", "15"), "");
}

// What is damaged anywhere is read or refused, and nothing else.
TEST(ScriptJson, NoDamageIsMoreThanARefusal) {
  const std::string json = KeptScript(Sample(), kSql, "15");
  for (size_t at = 0; at < json.size(); ++at) {
    for (char c : {'0', '9', '"', '{', ']', '\0', '\xFF', '-'}) {
      std::string damaged = json;
      damaged[at] = c;
      const Result<Script> read = ReadKeptScript(damaged, kSql);
      if (!read.ok()) continue;
      for (const ScriptStatement &statement : read->statements)
        ASSERT_LE(statement.offset + statement.length, sizeof kSql - 1);
      SplitIntoSegments(read.value());
    }
    EXPECT_FALSE(ReadKeptScript(json.substr(0, at), kSql).ok());
  }
}

}  // namespace
}  // namespace agent_branch
