#include "worker/core/merge/replay_judgement.hpp"

#include <gtest/gtest.h>

#include "worker/core/merge/recorded_work.hpp"
#include "worker/core/merge/replay_guard.hpp"

namespace agent_branch {
namespace {

ChangedRows Rows(const std::map<std::string, RowCounts> &tables) {
  ChangedRows rows;
  rows.tables = tables;
  return rows;
}

TEST(ReplayJudgement, RecordsAreSummed) {
  ChangedRows sum;
  ASSERT_TRUE(AddRecord(R"([{"transaction_id": "701", "next_xid": "705", "counted": true,
      "rows": {"public.t": {"inserted": 2, "updated": 0, "deleted": 1}},
      "rewritten": ["public.u"], "milliseconds": 12},
      {"counted": true, "rows": {}}])",
                        &sum)
                  .ok());
  ASSERT_TRUE(AddRecord(R"({"transaction_id": "800", "next_xid": "801", "counted": true,
      "rows": {"public.t": {"inserted": 1}}, "milliseconds": 3})",
                        &sum)
                  .ok());
  EXPECT_TRUE(sum.counted);
  EXPECT_EQ(sum.tables.at("public.t"), (RowCounts{3, 0, 1}));
  EXPECT_EQ(sum.milliseconds, 15);
  EXPECT_EQ(sum.transactions, R"(["701", "705"], ["800", "801"])");
  EXPECT_EQ(sum.rewritten.count("public.u"), 1U);
}

TEST(ReplayJudgement, WhatIsNoRecordIsNotCounted) {
  ChangedRows none;
  EXPECT_TRUE(AddRecord("", &none).ok());
  EXPECT_FALSE(none.counted);
  ChangedRows alone;
  EXPECT_TRUE(AddRecord(R"([{"counted": false}])", &alone).ok());
  EXPECT_FALSE(alone.counted);
  for (const char *text :
       {"7", "[7]", "{}", R"({"counted": "yes"})", R"({"counted": true, "rows": 7})",
        R"({"counted": true, "rows": {"t": 7}})", "{"}) {
    ChangedRows sum;
    EXPECT_FALSE(AddRecord(text, &sum).ok()) << text;
  }
}

TEST(ReplayJudgement, RowsChangeInTheSameWay) {
  struct Case {
    std::map<std::string, RowCounts> branch;
    std::map<std::string, RowCounts> parent;
    const char *says;
  };
  const ObjectMap objects{{"table public.t", ""}, {"table public.new", ""}};
  for (const Case &one : {
           Case{{{"public.t", {1, 0, 0}}}, {{"public.t", {1, 0, 0}}}, ""},
           Case{{}, {}, ""},
           // Others wrote: the same statements meet other rows.
           Case{{{"public.t", {0, 10, 0}}}, {{"public.t", {0, 12, 0}}}, ""},
           Case{{{"public.t", {0, 0, 5}}}, {{"public.t", {0, 0, 3}}}, ""},
           Case{{{"public.t", {0, 0, 3}}}, {{"public.t", {0, 0, 5}}}, "public.t: 3 deleted"},
           Case{{{"public.t", {1, 0, 0}}}, {}, "1 inserted on the branch, none on the parent"},
           Case{{}, {{"public.t", {0, 0, 4}}}, "none on the branch, 4 deleted"},
           Case{{{"public.t", {1, 0, 0}}}, {{"public.t", {1, 2, 0}}}, "public.t"},
           // Renamed, or dropped by a later migration.
           Case{{{"public.old", {5, 0, 0}}}, {{"public.new", {5, 0, 0}}}, ""},
           Case{{{"public.old", {5, 0, 0}}}, {}, ""},
           Case{{{"public.old", {5, 0, 0}}}, {{"public.new", {0, 5, 0}}}, "public.new"},
       }) {
    const std::string why = CompareRows(Rows(one.branch), Rows(one.parent), objects);
    if (*one.says == '\0') {
      EXPECT_EQ(why, "");
    } else {
      EXPECT_NE(why.find(one.says), std::string::npos) << why;
    }
  }
  ChangedRows uncounted;
  uncounted.counted = false;
  EXPECT_NE(CompareRows(uncounted, Rows({}), objects), "");
  EXPECT_NE(CompareRows(Rows({}), uncounted, objects), "");
}

TEST(ReplayJudgement, ParentHasToBeWhatItWasWithTheBranchsChanges) {
  const ObjectMap base{{"table a", "1"}, {"table b", "1"}, {"table c", "1"}};
  const ObjectMap branch{{"table a", "2"}, {"table c", "1"}, {"table d", "1"}};
  const ObjectMap parent{{"table a", "1"}, {"table b", "1"}, {"table c", "3"}, {"table e", "1"}};
  const ObjectMap expected = ExpectedAfterReplay(base, branch, parent);
  EXPECT_EQ(expected,
            (ObjectMap{{"table a", "2"}, {"table c", "3"}, {"table d", "1"}, {"table e", "1"}}));
  EXPECT_TRUE(FindUnexpected(expected, expected, 10).empty());
  ObjectMap other = expected;
  other["table a"] = "9";
  other.erase("table d");
  other["table f"] = "1";
  EXPECT_EQ(FindUnexpected(expected, other, 10),
            (std::vector<std::string>{"table a", "table d", "table f"}));
  EXPECT_EQ(FindUnexpected(expected, other, 2).size(), 2U);
}

TEST(ReplayJudgement, ManagedSchemasAndPasswordsAreNobodysChange) {
  const ObjectMap objects{{"schema neon_auth", "1"},
                          {"table neon_auth.users", "1"},
                          {"column id of table neon_auth.users", "1"},
                          {"grants on schema neon_auth to app", "1"},
                          {"password of role app", "1"},
                          {"table public.neon_auth", "1"},
                          {"schema neon_authors", "1"}};
  EXPECT_EQ(WithoutManaged(objects, {"neon_auth"}),
            (ObjectMap{{"table public.neon_auth", "1"}, {"schema neon_authors", "1"}}));
  EXPECT_EQ(WithoutManaged(objects, {}).size(), objects.size() - 1);
}

TEST(ReplayGuard, TablesThatLoseRowsAreFound) {
  const ObjectMap base{{"table public.kept", ""},     {"table public.dropped", ""},
                       {"table public.anew", ""},     {"column x of table public.kept", ""},
                       {"table public.narrower", ""}, {"column y of table public.narrower", ""}};
  const ObjectMap branch{{"table public.kept", ""},
                         {"table public.anew", ""},
                         {"column x of table public.kept", ""},
                         {"table public.narrower", ""}};
  const std::map<std::string, int64_t> on_branch{
      {"public.kept", 1}, {"public.anew", 9}, {"public.narrower", 4}};
  const std::map<std::string, int64_t> on_parent{{"public.kept", 1},
                                                 {"public.dropped", 2},
                                                 {"public.anew", 3},
                                                 {"public.narrower", 4},
                                                 {"public.of_others", 5}};
  EXPECT_EQ(TablesTakenAway(base, branch, on_branch, on_parent),
            (std::vector<std::string>{"public.anew", "public.dropped", "public.narrower"}));
  EXPECT_EQ(GuardScript({}, "700"), "");
  const std::string guard = GuardScript({"public.\"it's\""}, "700");
  EXPECT_NE(guard.find("- 700"), std::string::npos) << guard;
  EXPECT_NE(guard.find("it''s"), std::string::npos) << guard;
  EXPECT_EQ(GuardScript({"public.t"}, "").find("xmin"), std::string::npos);
}

TEST(RecordedWork, RowsOutsideOfMigrationsAreTold) {
  const char *fork = R"({"statistics_since": "5", "changes": {"public.t": {"inserted": 100}}})";
  const ChangedRows recorded = Rows({{"public.t", {7, 0, 0}}});
  struct Case {
    const char *answer;
    std::vector<std::string> tables;
  };
  for (const Case &one : {
           Case{R"({"foreign_count": 0, "written": {}})", {}},
           Case{R"({"foreign_count": 1, "written": {"public.t": 3}})",
                {"table public.t: 3 rows written"}},
           Case{R"({"foreign_count": 1, "written": {"public.t": 1001}})",
                {"table public.t: more than 1000 rows written"}},
           Case{R"({"foreign_count": null, "written": {"public.t": -1}})",
                {"table public.t: truncated or rewritten"}},
           Case{R"({"foreign_count": 1, "written": {}, "statistics_since": "5",
                    "changes": {"public.t": {"inserted": 107, "deleted": 2}}})",
                {"table public.t: 2 rows deleted"}},
           Case{R"({"foreign_count": 1, "written": {}, "statistics_since": "5",
                    "changes": {"public.t": {"inserted": 107}}})",
                {}},
           // After a crash of the server they count from another beginning.
           Case{R"({"foreign_count": 1, "written": {}, "statistics_since": "6",
                    "changes": {"public.t": {"inserted": 300}}})",
                {}},
       }) {
    Result<UnrecordedRows> rows = JudgeUnrecorded(one.answer, fork, recorded);
    ASSERT_TRUE(rows.ok()) << one.answer;
    EXPECT_EQ(rows->tables, one.tables) << one.answer;
  }
  EXPECT_FALSE(JudgeUnrecorded("{", fork, recorded).ok());
  Result<UnrecordedRows> busy = JudgeUnrecorded(
      R"({"foreign_count": 1, "recent_clients": 2, "written": {}})", fork, recorded);
  ASSERT_TRUE(busy.ok());
  EXPECT_FALSE(busy->settled);
}

}  // namespace
}  // namespace agent_branch
