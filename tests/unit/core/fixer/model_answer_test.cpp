#include "worker/core/fixer/model_answer.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

ModelOutcome OutcomeOf(std::string_view text) {
  return ExtractAnswer(text).outcome;
}

TEST(ModelAnswer, TheObjectThatWasAskedFor) {
  ModelAnswer answer = ExtractAnswer(R"( {"sql": "SELECT 1", "explanation": "a\u0007b"} )");
  EXPECT_EQ(answer.outcome, ModelOutcome::kAnswered);
  EXPECT_EQ(answer.sql, "SELECT 1");
  EXPECT_EQ(answer.explanation, "a b");
}

TEST(ModelAnswer, OneMarkdownBlockIsTakenOutOfItsFence) {
  EXPECT_EQ(ExtractAnswer("Here:\n```sql\nSELECT 1;\n```\nDone.").sql, "SELECT 1;\n");
  EXPECT_EQ(ExtractAnswer("```json\n{\"sql\": \"SELECT 2\"}\n```").sql, "SELECT 2");
  EXPECT_EQ(ExtractAnswer(R"({"sql": "```sql\nSELECT 3\n```"})").sql, "SELECT 3\n");
}

TEST(ModelAnswer, SeveralAnswersAreNone) {
  EXPECT_EQ(OutcomeOf("```sql\nSELECT 1\n```\nor\n```sql\nDROP TABLE t\n```"),
            ModelOutcome::kSeveral);
  EXPECT_EQ(OutcomeOf(R"({"sql": "SELECT 1", "sql": "DROP TABLE t"})"), ModelOutcome::kSeveral);
}

TEST(ModelAnswer, WhatIsOfAnotherFormIsMalformed) {
  for (const char *text :
       {"", "  ", "Just drop it.", "{\"sql\": \"SELECT 1\"", "{\"sql\": 1}", "{\"query\": \"x\"}",
        "{}", "```sql\nSELECT 1", "{\"sql\": \"SELECT 1\"} and more", "[]",
        R"({"sql": "text ```\nSELECT 1\n```"})"}) {
    EXPECT_EQ(OutcomeOf(text), ModelOutcome::kMalformed) << text;
  }
}

TEST(ModelAnswer, AnEmptyTextMeansThatThereIsNoFix) {
  ModelAnswer answer = ExtractAnswer(R"({"sql": " \n", "explanation": "It cannot be done."})");
  EXPECT_EQ(answer.outcome, ModelOutcome::kDeclined);
  EXPECT_EQ(answer.explanation, "It cannot be done.");
}

TEST(ModelAnswer, ALongerTextThanAMigrationMayBeIsNone) {
  std::string sql(1024 * 1024 + 1, 'x');
  EXPECT_EQ(OutcomeOf("{\"sql\": \"" + sql + "\"}"), ModelOutcome::kTooLong);
  EXPECT_EQ(OutcomeOf("```\n" + sql + "\n```"), ModelOutcome::kTooLong);
}

TEST(ModelAnswer, AZeroByteIsNotSent) {
  EXPECT_EQ(OutcomeOf(R"({"sql": "SELECT 1\u0000; DROP TABLE t"})"), ModelOutcome::kMalformed);
}

TEST(ModelAnswer, DeepNestingDoesNoHarm) {
  EXPECT_EQ(OutcomeOf("{\"sql\": " + std::string(500'000, '[')), ModelOutcome::kMalformed);
}

}  // namespace
}  // namespace agent_branch
