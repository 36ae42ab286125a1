#include "worker/core/fixer/fix_question.hpp"

#include <gtest/gtest.h>

#include "worker/core/fixer/allowed_edits.hpp"
#include "worker/core/fixer/fix_facts.hpp"

namespace agent_branch {
namespace {

ServerError Error(const std::string &sqlstate, const std::string &message) {
  ServerError error;
  error.sqlstate = sqlstate;
  error.message = message;
  return error;
}

TEST(FixQuestion, WhatIsWrittenDownIsReadAgain) {
  FixQuestion question;
  question.original = "SELECT \"ä\"\n";
  question.fix = "SELECT 'ä'";
  question.statement = 3;
  question.facts = R"({"complete": true})";
  question.errors.push_back(Error("42703", "column \"ä\" does not exist"));
  question.errors.back().line = 1;
  question.errors.back().column = 8;
  const FixQuestion read = DecodeFixQuestion(EncodeFixQuestion(question)).value();
  EXPECT_EQ(read.original, question.original);
  EXPECT_EQ(read.fix, question.fix);
  EXPECT_EQ(read.facts, question.facts);
  EXPECT_EQ(read.statement, 3);
  ASSERT_EQ(read.errors.size(), 1U);
  EXPECT_EQ(read.errors[0].message, question.errors[0].message);
  EXPECT_EQ(read.errors[0].column, 8);
}

TEST(FixQuestion, AVerdictIsReadAgainAndNoneIsARefusal) {
  Intent intent;
  intent.preserved = true;
  intent.added = {{"create schema", "crm", "x"}};
  const Intent read = DecodeIntent(EncodeIntent(intent)).value();
  EXPECT_TRUE(read.preserved);
  ASSERT_EQ(read.added.size(), 1U);
  EXPECT_EQ(read.added[0].object, "crm");
  EXPECT_FALSE(DecodeIntent("{}").value().preserved);
  EXPECT_FALSE(DecodeFixQuestion("{}").ok());
  EXPECT_FALSE(DecodeFixQuestion("nothing").ok());
}

TEST(AllowedEdits, ARoleIsNone) {
  EXPECT_TRUE(AllowedEditsFor({Error("42704", "role \"alise\" does not exist")}).names.empty());
  EXPECT_EQ(AllowedEditsFor({Error("42704", "type \"moods\" does not exist")}).names.size(), 1U);
}

TEST(AllowedEdits, ANameIsReadWithWhatQualifiesIt) {
  const AllowedEdits column = AllowedEditsFor({Error("42703", "column o.totl does not exist")});
  ASSERT_EQ(column.names.size(), 1U);
  EXPECT_EQ(column.names[0].name, "totl");
  EXPECT_EQ(column.names[0].qualifier, "o");
  const AllowedEdits both =
      AllowedEditsFor({Error("42883", "operator does not exist: character varying = integer")});
  ASSERT_EQ(both.operators.size(), 1U);
  EXPECT_EQ(both.operators[0].left, "character varying");
  EXPECT_EQ(both.operators[0].right, "integer");
}

TEST(FixFacts, WhatIsCutShortIsNotKnown) {
  EXPECT_FALSE(ReadFixFacts("").known);
  EXPECT_FALSE(ReadFixFacts(R"({"complete": true, "relations": [)").known);
  EXPECT_FALSE(ReadFixFacts(R"({"complete": false})").known);
  const FixFacts facts = ReadFixFacts(
      R"({"complete": true, "relations": [{"schema": "public", "name": "t", "kind": "r",
          "columns": {"a": "a integer"}}], "types": null, "enums": {"mood": ["ok"]}})");
  EXPECT_TRUE(facts.known);
  EXPECT_EQ(facts.Find("public.t").size(), 1U);
  EXPECT_EQ(facts.Find("sales.t").size(), 0U);
  EXPECT_EQ(facts.enums.at("mood").front(), "ok");
}

}  // namespace
}  // namespace agent_branch
