#include "worker/core/fixer/text_edits.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

// [removed → put in] for each edit.
std::string Edits(const std::string &original, const std::string &fix) {
  const TokenText one(original);
  const TokenText other(fix);
  std::string text;
  const std::vector<TextEdit> edits = CompareTokens(one, other).value();
  for (const TextEdit &edit : edits)
    text +=
        "[" + one.Raw(edit.begin, edit.end) + " → " + other.Raw(edit.fix_begin, edit.fix_end) + "]";
  return text;
}

TEST(TextEdits, WordsStayInAnyCaseAndConstantsDoNot) {
  EXPECT_EQ(Edits("select A from t", "SELECT a FROM t"), "");
  EXPECT_EQ(Edits("SELECT 'A'", "SELECT 'a'"), "['A' → 'a']");
  EXPECT_EQ(Edits("SELECT \"a\"", "SELECT a"), "[\"a\" → a]");
}

TEST(TextEdits, WhatIsPutInStandsInOnePiece) {
  EXPECT_EQ(Edits("ALTER TABLE t ALTER c TYPE numeric",
                  "ALTER TABLE t ALTER c TYPE numeric USING c::numeric"),
            "[ → USING c::numeric]");
  EXPECT_EQ(Edits("CREATE TABLE `t` (`a` INT(11))", "CREATE TABLE t (a int(11))"),
            "[`t` → t][`a` → a]");
}

TEST(TextEdits, APlaceInTheEditedTextIsOneOfTheOriginal) {
  const TokenText original("CREATE TABLE `t` (a int,)");
  const EditedText edited = ApplyEdits(original, {{2, 3, "t"}});
  EXPECT_EQ(edited.sql, "CREATE TABLE  t  (a int,)");
  EXPECT_EQ(edited.OriginalToken(original, edited.sql.find(" t ") + 1), 2U);
  EXPECT_EQ(edited.OriginalToken(original, edited.sql.find(')')), 7U);
  EXPECT_EQ(edited.OriginalToken(original, edited.sql.size()), 8U);
}

TEST(TextEdits, TextsThatHaveNothingInCommonAreNotCompared) {
  std::string one;
  std::string other;
  for (int n = 0; n < 3'000; ++n)
    one += "a ", other += "b ";
  EXPECT_FALSE(CompareTokens(TokenText(one), TokenText(other)).has_value());
}

}  // namespace
}  // namespace agent_branch
