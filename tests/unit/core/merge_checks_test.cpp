#include <gtest/gtest.h>

#include "worker/core/merge/gate_script.hpp"
#include "worker/core/merge/other_order.hpp"
#include "worker/core/merge/replay_judgement.hpp"
#include "worker/core/merge/restore_check.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

TEST(RestoreCheck, WhatWasFoundStandsInTheRow) {
  const Strings found{"table public.orders: 3 rows written"};
  EXPECT_EQ(CheckedJson({}, ""), R"({"same":true,"written_meanwhile":[]})");
  EXPECT_EQ(FoundDifferences(CheckedJson(found, "")), found);
  EXPECT_TRUE(FoundDifferences(CheckedJson({}, "no compute")).empty());
  EXPECT_NE(CheckedJson({}, "no compute").find("no compute"), std::string::npos);
  EXPECT_TRUE(FoundDifferences("").empty());
}

TEST(RestoreCheck, UndoIsOnOfferWhereItIsPossible) {
  EXPECT_NE(WrittenMeanwhile({"x"}, true).hint().find("agent_merge_undo()"), std::string::npos);
  EXPECT_EQ(WrittenMeanwhile({"x"}, false).hint().find("agent_merge_undo()"), std::string::npos);
}

TEST(OtherOrder, ChangesAreExplainedByAChainOfMergesOnly) {
  const DoneReplay first{1, 1, "a", "base", "one"};
  const DoneReplay second{2, 2, "b", "one", "two"};
  EXPECT_TRUE(ExplainChange({first, second}, "base", "two"));
  EXPECT_FALSE(ExplainChange({first}, "base", "two"));   // something came after it
  EXPECT_FALSE(ExplainChange({second}, "base", "two"));  // and before it
  EXPECT_FALSE(ExplainChange({{1, 1, "a", "base", ""}}, "base", "one"));
  EXPECT_FALSE(ExplainChange({}, "base", "base"));
}

TEST(GateScript, ErrorIsReadAsTheGatesAnswer) {
  GateRow gate;
  gate.name = "orders";
  gate.sql = "SELECT 1 WHERE false";
  ServerError error;
  error.sqlstate = "AB007";
  error.detail = R"(["{\"id\": 7}"])";
  GateAnswer answer = ReadGateError(gate, error);
  EXPECT_FALSE(answer.holds);
  EXPECT_EQ(answer.rows, Strings{R"({"id": 7})"});
  EXPECT_TRUE(answer.error.ok());
  error.sqlstate = "57014";
  error.message = "canceling statement due to statement timeout";
  answer = ReadGateError(gate, error);
  EXPECT_FALSE(answer.holds);
  EXPECT_EQ(answer.error.sqlstate(), "57014");
}

TEST(GateScript, QueryIsAValueAndTimeComesBack) {
  GateRow gate;
  gate.sql = "SELECT 'it''s' ; ";
  gate.timeout = milliseconds(100);
  const BranchScript script = GateInTransaction(gate, milliseconds(600'000));
  EXPECT_EQ(script.sql.rfind("SET LOCAL statement_timeout = 100; ", 0), 0u);
  EXPECT_NE(script.sql.find("E'SELECT ''it''''s'''"), std::string::npos) << script.sql;
  EXPECT_NE(script.sql.find("SET LOCAL statement_timeout = 600000; "), std::string::npos);
}

TEST(AddRecord, TransactionsOfOthersBetweenItsOwnAreNone) {
  ChangedRows rows;
  ASSERT_TRUE(AddRecord(R"({"counted":true,"transaction_id":"700","next_xid":"704",)"
                        R"("windows":"700,701 702,704"})",
                        &rows)
                  .ok());
  EXPECT_EQ(rows.transactions, R"(["700", "701"], ["702", "704"])");
  rows = {};
  ASSERT_TRUE(AddRecord(R"({"counted":true,"transaction_id":"700","next_xid":"704"})", &rows).ok());
  EXPECT_EQ(rows.transactions, R"(["700", "704"])");
  rows = {};
  ASSERT_TRUE(
      AddRecord(R"({"counted":true,"transaction_id":"700","windows":"x,y 1"})", &rows).ok());
  EXPECT_EQ(rows.transactions, R"(["700", "700"])");
}

}  // namespace
}  // namespace agent_branch
