#include "worker/core/script/transactions.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/fake_scripts.hpp"
#include "worker/core/script/segments.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

Script Paired(const std::string &sql) {
  Script script = FakeScripts().Read(sql);
  for (ScriptStatement &statement : script.statements) {
    if (statement.tag == "BEGIN") statement.boundary = Boundary::kBegin;
    if (statement.tag == "END") statement.boundary = Boundary::kCommit;
    if (statement.boundary == Boundary::kBegin)
      statement.setting = TransactionSetting(sql.substr(statement.offset, statement.length));
  }
  PairTransactions(&script);
  return script;
}

// The texts that are sent; the refusal where there is one.
Strings Sent(const std::string &sql) {
  const Script script = Paired(sql);
  if (!script.refusal.ok())
    return {script.refusal.sqlstate() + " " + std::to_string(script.refused)};
  Strings texts;
  for (const Segment &segment : SplitIntoSegments(script))
    texts.push_back(sql.substr(segment.offset, segment.length));
  return texts;
}

TEST(Transactions, PairsBoundWhatIsSent) {
  EXPECT_EQ(Sent("BEGIN; a; b; END"), Strings{"a; b"});
  EXPECT_EQ(Sent("a; BEGIN; b; END; c"), (Strings{"a", "b", "c"}));
  EXPECT_EQ(Sent("BEGIN; a; END; BEGIN; b; END"), (Strings{"a", "b"}));
  EXPECT_EQ(Sent("a; END; VACUUM; BEGIN; b"), (Strings{"a", "VACUUM", "b"}));
  EXPECT_EQ(Sent("END; a; BEGIN"), Strings{"a"});
  EXPECT_EQ(Sent("BEGIN; END"), Strings{""});
}

TEST(Transactions, LoneAndCrossedOnesAreRefused) {
  EXPECT_EQ(Sent("BEGIN; a"), Strings{"2D000 1"});
  EXPECT_EQ(Sent("a; END"), Strings{"2D000 2"});
  EXPECT_EQ(Sent("BEGIN; BEGIN; a; END"), Strings{"2D000 2"});
  EXPECT_EQ(Sent("BEGIN; a; END; END"), Strings{"2D000 4"});
  EXPECT_EQ(Sent("END; a; BEGIN; b; END"), Strings{"2D000 5"});
}

TEST(Transactions, NothingElseEndsOneThatTheTextBegins) {
  EXPECT_EQ(Sent("BEGIN; VALUE; a; END"), Strings{"VALUE; a"});
  EXPECT_EQ(Sent("BEGIN; a; VACUUM; END"), Strings{"25001 3"});
  EXPECT_EQ(Sent("BEGIN; a; INDEX i t; END"), Strings{"25001 3"});
}

TEST(Transactions, StatementsAreDoneWithTheirBoundaries) {
  const std::vector<Segment> segments =
      SplitIntoSegments(Paired("BEGIN; a; END; BEGIN; b; c; END"));
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].first, 1u);
  EXPECT_EQ(segments[0].first + segments[0].count, 4u);
  EXPECT_EQ(segments[1].first, 4u);
  EXPECT_EQ(segments[1].first + segments[1].count, 7u);
}

TEST(Transactions, ModesAreSetInTheirTransactionOnly) {
  const auto segments =
      SplitIntoSegments(Paired("SET a; BEGIN ISOLATION LEVEL SERIALIZABLE; a; END; b"));
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[1].settings,
            (Strings{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET a"}));
  EXPECT_EQ(segments[2].settings, Strings{"SET a"});
  EXPECT_EQ(TransactionSetting("START TRANSACTION READ ONLY"), "SET TRANSACTION READ ONLY");
  EXPECT_EQ(TransactionSetting("begin work"), "");
  EXPECT_EQ(TransactionSetting("BEGIN"), "");
}

}  // namespace
}  // namespace agent_branch
