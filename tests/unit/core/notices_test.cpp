#include "worker/core/session/notices.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

Script ThreeStatements() {
  Script script;
  script.parsed = true;
  for (int n = 0; n < 3; ++n) {
    ScriptStatement statement;
    statement.line = n + 1;
    statement.mentions = {n == 0 ? "app.orders" : n == 1 ? "items" : "orders_old"};
    script.statements.push_back(statement);
  }
  return script;
}

Segment Whole() {
  Segment segment;
  segment.count = 3;
  return segment;
}

BranchEvent Said(const std::string &sqlstate, const std::string &message) {
  BranchEvent event;
  event.notices.push_back({"NOTICE", sqlstate, message, "", ""});
  return event;
}

TEST(Notices, StatementIsTheOnlyOneThatNamesWhatTheNoticeNames) {
  const BranchEvent event = Said("42P07", "relation \"orders\" already exists, skipping");
  EXPECT_EQ(NoticesJson(ThreeStatements(), Whole(), event, R"({"orders": "table t"})"),
            R"([{"severity":"NOTICE","sqlstate":"42P07",)"
            R"("message":"relation \"orders\" already exists, skipping","statement":1,"line":1,)"
            R"("nothing":true,"there":"table t"}])");
  Script twice = ThreeStatements();
  twice.statements[1].mentions = {"orders"};
  EXPECT_EQ(NoticesJson(twice, Whole(), event).find("\"statement\""), std::string::npos);
  EXPECT_EQ(NoticesJson(ThreeStatements(), Whole(), BranchEvent()), "");
}

// libpq may hand a notice out one result early, so that it lies between two statements.
TEST(Notices, StatementIsLookedForBetweenThoseThatWereBeingAnswered) {
  Script script = ThreeStatements();
  for (ScriptStatement &statement : script.statements)
    statement.mentions = {"orders"};
  script.statements[2].tag = "DO";
  const auto statement_of = [&](int first, int last, bool in_do_block) {
    BranchEvent event = Said("01000", "relation \"orders\" is odd");
    event.notices[0].first = first;
    event.notices[0].last = last;
    event.notices[0].in_do_block = in_do_block;
    const std::string json = NoticesJson(script, Whole(), event);
    const size_t at = json.find("\"statement\":");
    return at == std::string::npos ? '0' : json[at + 12];
  };
  EXPECT_EQ(statement_of(2, 2, false), '2');
  EXPECT_EQ(statement_of(1, 2, false), '0');
  EXPECT_EQ(statement_of(2, 3, true), '3');
  EXPECT_EQ(statement_of(2, 3, false), '2');
  EXPECT_EQ(statement_of(0, 0, true), '3');
  EXPECT_EQ(statement_of(3, 4, true), '3') << "as if nothing were known of the place";
  script.statements[0].mentions.clear();
  EXPECT_EQ(statement_of(1, 2, false), '2');
}

TEST(Notices, OnlyWhatSkippedOrLackedARightDidNothing) {
  const BranchEvent skipped = Said("00000", "table \"x\" does not exist, skipping");
  EXPECT_NE(NoticesJson(Script(), Segment(), skipped).find("nothing"), std::string::npos);
  EXPECT_NE(NoticesJson(Script(), Segment(), Said("01007", "no privileges")).find("nothing"),
            std::string::npos);
  EXPECT_EQ(NoticesJson(Script(), Segment(), Said("01000", "beware")).find("nothing"),
            std::string::npos);
}

TEST(Notices, WhatIsThereIsAskedOfRelationsOnly) {
  EXPECT_EQ(ThereFacts(Said("42710", "type \"mood\" already exists, skipping")), "");
  EXPECT_EQ(ThereFacts(Said("42P07", "relation \"a\" already exists")), "");
  const std::string facts =
      ThereFacts(Said("42701", "column \"c\" of relation \"it's\" already exists, skipping"));
  EXPECT_NE(facts.find("IN (E'it''s')"), std::string::npos) << facts;
}

TEST(Notices, GoWithTheRecordOnce) {
  const std::string record = WithNotices(R"({"counted": true})", 2, R"([{"message":"a"}])");
  EXPECT_EQ(record, R"({"attempt":2,"notices":[{"message":"a"}],"counted":true})");
  EXPECT_EQ(WithNotices(record, 3, "[]"), R"({"attempt":3,"notices":[],"counted":true})");
  EXPECT_EQ(WithNotices("{}", 1, ""), "{}");
  EXPECT_EQ(WithNotices("no JSON", 1, "[]"), "no JSON");
}

TEST(Notices, InvalidIndexOfTheWantedNameIsRefused) {
  const BranchEvent event = Said("42P07", "relation \"i\" already exists, skipping");
  EXPECT_EQ(RefuseInvalidIndex(event, R"({"invalid": ["i"]})").sqlstate(), "55000");
  EXPECT_TRUE(RefuseInvalidIndex(event, R"({"invalid": ["j"]})").ok());
  EXPECT_TRUE(RefuseInvalidIndex(event, "").ok());
  EXPECT_TRUE(RefuseInvalidIndex(Said("00000", "i"), R"({"invalid": ["i"]})").ok());
}

}  // namespace
}  // namespace agent_branch
