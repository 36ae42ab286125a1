#include "worker/core/script/text_bounds.hpp"

#include <gtest/gtest.h>

#include <string>

namespace agent_branch {
namespace {

std::string Repeated(const std::string &text, size_t count) {
  std::string repeated;
  for (size_t n = 0; n < count; ++n)
    repeated += text;
  return repeated;
}

TEST(TextBounds, WhatPeopleWriteIsWithinThem) {
  const std::string banner = "/*" + Repeated("*", 5'000) + "*/\n";
  for (const std::string &sql :
       {Repeated("SELECT 1;\n", kMostStatements),
        "SELECT " + Repeated("(", 900) + "1" + Repeated(")", 900),
        Repeated("--" + Repeated("-+", 500) + "\n", 900), Repeated("-- /*/*/*/*\n", 50'000),
        Repeated(banner, 100), "INSERT INTO a VALUES " + Repeated("(1,'x'),", 99'000) + "(2,'y')",
        "SELECT '" + Repeated("/*", 400'000) + "'", "SELECT $$" + Repeated("/*(", 300'000) + "$$"})
    EXPECT_TRUE(CheckTextBounds(sql).ok()) << sql.substr(0, 60);
}

TEST(TextBounds, WhatALexerReadsAgainAndAgainIsRefused) {
  for (const std::string run : {"/*", "+", "+-", "/**/", "*/", "<"}) {
    const Status status = CheckTextBounds("SELECT 1 " + Repeated(run, 500'000 / run.size()));
    EXPECT_EQ(status.sqlstate(), "54000") << run;
    EXPECT_FALSE(status.hint().empty());
  }
}

TEST(TextBounds, TooManyOrTooDeepIsRefusedWithItsLine) {
  EXPECT_EQ(CheckTextBounds(Repeated("SELECT 1;\n", kMostStatements + 1)).detail(),
            "The limit is 10000. It is reached in line 10001.");
  EXPECT_EQ(CheckTextBounds(Repeated("a,", kMostTokens / 2) + "b").message(),
            "migration has too many words and signs");
  EXPECT_EQ(CheckTextBounds("\nSELECT " + Repeated("(", kDeepestNesting + 1)).detail(),
            "The limit is 1000. It is reached in line 2.");
  EXPECT_EQ(CheckTextBounds(Repeated("/* ", kDeepestNesting + 1)).message(),
            "comments nest too deeply");
}

}  // namespace
}  // namespace agent_branch
