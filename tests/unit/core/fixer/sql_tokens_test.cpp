#include "worker/core/fixer/sql_tokens.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

std::string Texts(std::string_view sql) {
  std::string texts;
  for (const SqlToken &token : Tokenize(sql))
    texts += "[" + token.text + "]";
  return texts;
}

std::string Normal(std::string_view sql) {
  std::string text = NormalizedText(Tokenize(sql));
  for (char &c : text)
    if (c == '\n') c = ' ';
  return text;
}

TEST(SqlTokens, WordsAreFoldedAndQuotedNamesAreNot) {
  EXPECT_EQ(Texts("SELECT \"User Id\", Name FROM T"), "[select][User Id][,][name][from][t]");
}

TEST(SqlTokens, NothingInsideOfQuotesOrCommentsIsAToken) {
  EXPECT_EQ(Texts("a -- DROP TABLE x\n b /* c /* nested */ DROP */ d"), "[a][b][d]");
  EXPECT_EQ(Texts("'it''s; DROP' x"), "[it's; DROP][x]");
  EXPECT_EQ(Texts(R"(E'a\'; DROP' x)"), R"([a\'; DROP][x])");
  EXPECT_EQ(Texts(R"('a\' DROP)"), R"([a\][drop])");
  EXPECT_EQ(Texts("$f$ DROP $g$ $f$ x"), "[ DROP $g$ ][x]");
  EXPECT_EQ(Texts("$$ DROP $$x"), "[ DROP ][x]");
}

TEST(SqlTokens, WhatIsNotClosedReachesToTheEnd) {
  EXPECT_EQ(Texts("a 'b; DROP"), "[a][b; DROP]");
  EXPECT_EQ(Texts("a /* DROP"), "[a]");
  EXPECT_EQ(Texts("a $x$ DROP"), "[a][ DROP]");
  EXPECT_EQ(Texts("$"), "[$]");
}

TEST(SqlTokens, PlacesAreThoseOfTheText) {
  std::vector<SqlToken> tokens = Tokenize("  abc \"d\"\"e\"");
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(tokens[0].offset, 2U);
  EXPECT_EQ(tokens[0].length, 3U);
  EXPECT_EQ(tokens[1].text, "d\"e");
  EXPECT_EQ(tokens[1].offset, 6U);
  EXPECT_EQ(tokens[1].length, 6U);
}

TEST(SqlTokens, OneStatementWrittenInTwoWaysIsNormalizedToOne) {
  EXPECT_EQ(Normal("CREATE TABLE IF NOT EXISTS public.T (a int)"),
            Normal("create table t(a int);"));
  EXPECT_EQ(Normal("SELECT a::numeric(10, 2)::text[] FROM t"), Normal("SELECT a FROM \"t\""));
  EXPECT_EQ(Normal("WHERE a = '1'"), Normal("WHERE a = 1"));
  EXPECT_EQ(Normal("x::timestamp with time zone"), "nx nwith ntime nzone");
}

TEST(SqlTokens, AConstantIsNeverTakenForAName) {
  EXPECT_NE(Normal("SELECT 'a'"), Normal("SELECT a"));
}

TEST(SqlTokens, KeywordsAndTypesAreKnown) {
  EXPECT_TRUE(IsKeyword("select"));
  EXPECT_TRUE(IsKeyword("add"));
  EXPECT_TRUE(IsKeyword("view"));
  EXPECT_FALSE(IsKeyword("orders"));
  EXPECT_TRUE(IsTypeWord("bigint"));
  EXPECT_TRUE(IsTypeWord("zone"));
  EXPECT_FALSE(IsTypeWord("total"));
}

}  // namespace
}  // namespace agent_branch
