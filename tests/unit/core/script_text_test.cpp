#include "worker/core/script/script_text.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

std::string Refused(const std::string &sql) {
  const TextRefusal refused = FindRefusedText(sql);
  if (refused.status.ok()) return "";
  return refused.status.sqlstate() + " " + refused.status.detail();
}

TEST(ScriptText, BlanksAndCommentsAreSkipped) {
  EXPECT_EQ(SkipBlanks(" \t\n -- a\n /* b /* c */ */ x", 0), 26u);
  EXPECT_EQ(SkipBlanks("-- without an end", 0), 17u);
  EXPECT_EQ(SkipBlanks("/* without an end", 0), 17u);
  EXPECT_EQ(SkipBlanks("x", 0), 0u);
}

TEST(ScriptText, PlacesAreCountedInCharacters) {
  PlaceFinder places("äö\nü x");
  EXPECT_EQ(places.At(2).column, 2);
  EXPECT_EQ(places.At(5).line, 2);
  EXPECT_EQ(places.At(8).column, 3);
}

TEST(ScriptText, TransactionControlIsFoundWhereStatementsBegin) {
  for (const char *word : {"BEGIN", "commit", "End", "ROLLBACK", "abort", "SAVEPOINT a",
                           "RELEASE a", "START TRANSACTION", "PREPARE TRANSACTION 'a'"}) {
    EXPECT_EQ(Refused("NEW STATEMENT;\n " + std::string(word) + "; x"), "2D000 It is in line 2.")
        << word;
  }
  EXPECT_EQ(Refused("NEW BEGIN; PREPARE a AS SELECT 1; START x; SELECT commit"), "");
}

TEST(ScriptText, CopyFromAndToTheClientIsFound) {
  EXPECT_EQ(Refused("NEW x;\ncopy a (b) FROM stdin;\n1\n\\.\n"), "0A000 It is in line 2.");
  EXPECT_EQ(Refused("COPY (SELECT 1) TO STDOUT"), "0A000 It is in line 1.");
  EXPECT_EQ(Refused("COPY a FROM '/tmp/stdin'"), "");
}

TEST(ScriptText, MetaCommandsAreFoundOutsideOfStringsOnly) {
  EXPECT_EQ(Refused("SELECT 1;\n\\connect other"), "0A000 It is in line 2.");
  EXPECT_EQ(Refused("  \\i file"), "0A000 It is in line 1.");
  EXPECT_EQ(Refused("SELECT 1 \\gexec"), "0A000 It is in line 1.");
  EXPECT_EQ(Refused("SELECT '\n\\connect', \"\n\\c\", $a$\n\\c$a$, E'\\'\n\\c' -- \\c"), "");
}

TEST(ScriptText, StringsHideWhatStandsInThem) {
  EXPECT_EQ(Refused("SELECT '; COMMIT', \"; COMMIT\", $$; COMMIT $$, $x$ $$; COMMIT $x$"), "");
  EXPECT_EQ(Refused("SELECT $1; COMMIT"), "2D000 It is in line 1.");
  EXPECT_EQ(Refused("SELECT a$b$; COMMIT"), "2D000 It is in line 1.");
  EXPECT_EQ(Refused("SELECT 'it''s'; COMMIT"), "2D000 It is in line 1.");
  EXPECT_EQ(Refused("SELECT 'a\\'; COMMIT"), "2D000 It is in line 1.");
}

TEST(ScriptText, BodyOfAFunctionInSqlIsNoTransaction) {
  EXPECT_EQ(Refused("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC NEW x; SELECT CASE WHEN a THEN 1 "
                    "END; END; SELECT 1"),
            "");
  EXPECT_EQ(Refused("CREATE FUNCTION f() BEGIN ATOMIC NEW x; END; COMMIT"),
            "2D000 It is in line 1.");
}

TEST(ScriptText, UnendedTextIsRead) {
  for (const char *text : {"'", "\"", "$a$", "$", "E'\\", "/*", "--", "\\", "$a", "COPY"})
    FindRefusedText(text);
  EXPECT_EQ(Refused("SELECT '\nCOMMIT;"), "");
}

}  // namespace
}  // namespace agent_branch
