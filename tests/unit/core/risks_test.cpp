#include "worker/core/script/risks.hpp"

#include <gtest/gtest.h>

#include "worker/core/base/json.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

StatementRisk Risk(RiskKind kind, const std::string &relation, const std::string &column = "") {
  StatementRisk risk;
  risk.kind = kind;
  risk.object_type = "table";
  risk.object = relation.empty() ? "f" : relation;
  risk.relation = relation;
  risk.column = column;
  risk.why = "so it is";
  return risk;
}

Script With(const std::vector<StatementRisk> &risks) {
  Script script;
  script.parsed = true;
  script.statements.emplace_back();
  script.statements.emplace_back();
  script.statements[1].line = 4;
  script.statements[1].risks = risks;
  return script;
}

// The kinds that are left of one risk in a relation of this size.
size_t Left(RiskKind kind, const std::string &size) {
  const Risks weighed = WeighRisks(With({Risk(kind, "t")}), size, {});
  return ParseJson(weighed.json)->Size();
}

TEST(Risks, OnlyRelationsAreAskedFor) {
  EXPECT_EQ(RiskQuestions(With({Risk(RiskKind::kDrop, "")})), "");
  EXPECT_EQ(
      RiskQuestions(With({Risk(RiskKind::kDrop, ""), Risk(RiskKind::kNotNull, "s.\"T\"", "c")})),
      R"([{"n":1,"relation":"s.\"T\"","column":"c"}])");
}

TEST(Risks, WhatTheBranchDoesNotHaveIsNoRisk) {
  EXPECT_EQ(Left(RiskKind::kDrop, "[]"), 0u);
  EXPECT_EQ(Left(RiskKind::kDrop, R"([{"n":0,"rows":0,"bytes":0}])"), 1u);
}

TEST(Risks, RowsThatAreNotThereAreNoRisk) {
  for (RiskKind kind : {RiskKind::kTruncate, RiskKind::kUnfiltered, RiskKind::kNotNull}) {
    EXPECT_EQ(Left(kind, R"([{"n":0,"rows":0,"bytes":8192}])"), 0u);
    EXPECT_EQ(Left(kind, R"([{"n":0,"rows":1,"bytes":8192}])"), 1u);
    EXPECT_EQ(Left(kind, R"([{"n":0,"rows":null,"bytes":8192}])"), 1u);
  }
  EXPECT_EQ(Left(RiskKind::kNotNull, R"([{"n":0,"rows":1,"bytes":8192,"not_null":true}])"), 0u);
}

TEST(Risks, LocksAndRewritesOfSmallTablesAreNoRisk) {
  for (RiskKind kind : {RiskKind::kLock, RiskKind::kRewrite, RiskKind::kNotValid}) {
    EXPECT_EQ(Left(kind, R"([{"n":0,"rows":9999,"bytes":8388607}])"), 0u);
    EXPECT_EQ(Left(kind, R"([{"n":0,"rows":10000,"bytes":1}])"), 1u);
    EXPECT_EQ(Left(kind, R"([{"n":0,"rows":1,"bytes":8388608}])"), 1u);
    EXPECT_EQ(Left(kind, R"([{"n":0,"rows":null,"bytes":null}])"), 1u);
  }
}

TEST(Risks, BranchThatDidNotTellMakesNothingHarmless) {
  for (const char *answer : {"", "not json", "{}", "[1, {\"n\": \"x\"}]"}) {
    const bool silent = std::string(answer).empty();
    EXPECT_EQ(Left(RiskKind::kTruncate, answer), silent ? 1u : 0u) << answer;
  }
}

TEST(Risks, RefusalNamesTheStatements) {
  std::vector<StatementRisk> many(7, Risk(RiskKind::kDrop, ""));
  many.push_back(Risk(RiskKind::kTruncate, "t"));
  const Risks weighed = WeighRisks(With(many), R"([{"n":7,"rows":3,"bytes":1}])", {"drop"});
  EXPECT_EQ(weighed.refusal.sqlstate(), "AB002");
  const std::string line = "Statement 2 in line 4: drop of table f: so it is.\n";
  EXPECT_EQ(weighed.refusal.detail(), line + line + line + line + line + "And 2 more.");
  EXPECT_TRUE(WeighRisks(With(many), "[]", {"rename"}).refusal.ok());
  EXPECT_TRUE(WeighRisks(With(many), "[]", {}).refusal.ok());
}

std::string Done(const std::string &tables, const std::string &objects = "",
                 const std::string &made = "") {
  return R"({"milliseconds": 1500, "done": {"tables": [)" + tables + R"(], "objects": [)" +
         objects + R"(], "made": [)" + made + "]}}";
}

std::string Measured(const std::string &record, const Strings &refused, const Strings &fills = {},
                     const std::string &earlier = "") {
  Script script = With({});
  script.statements[0].fills = fills;
  const Risks risks = WeighRecord(script, record, earlier, refused);
  return risks.refusal.ok() ? risks.json == "[]" ? "none" : "told" : risks.refusal.sqlstate();
}

TEST(Risks, WhatWasDoneIsJudgedWhateverTheTextIs) {
  const Strings refused = {"drop",     "truncate", "unfiltered", "rewrite",
                           "not_null", "rename",   "lock"};
  const std::string users = R"({"table": "public.users", "bytes": 8192, )";
  for (const char *done :
       {R"("all": true, "deleted": 50})", R"("all": true, "updated": 50})", R"("truncated": true})",
        R"("dropped": true})", R"("detached": true})", R"("rewritten": true, "bytes": 9000000})",
        R"("columns": ["mail"]})", R"("not_null": ["mail"]})", R"("renamed": ["public.people"]})",
        R"("lock": "SHARE"})"}) {
    const bool large = std::string(done).find("bytes") != std::string::npos;
    const std::string begin = large ? R"({"table": "public.users", )" : users;
    EXPECT_EQ(Measured(Done(begin + done), refused), "AB002") << done;
  }
  for (const char *done :
       {R"("deleted": 49})", R"("rewritten": true})", R"("inserted": 500})", R"("all": false})"})
    EXPECT_EQ(Measured(Done(users + done), refused), "none") << done;
  EXPECT_EQ(Measured(Done(users + R"("all": true})"), {"drop"}), "told");
  const char *view = R"({"kind": "view", "name": "public.v"})";
  EXPECT_EQ(Measured(Done("", view), {"drop"}), "AB002");
  EXPECT_EQ(Measured(Done("", R"({"kind": "view", "name": "v", "renamed": true})"), {"drop"}),
            "told");
}

TEST(Risks, WhatEarlierTransactionsOfTheMigrationMadeIsItsOwn) {
  const std::string record = Done(R"({"table": "public.draft", "dropped": true})");
  EXPECT_EQ(Measured(record, {"drop"}, {}, Done("", "", R"("public.draft")")), "none");
  EXPECT_EQ(Measured(record, {"drop"}, {}, Done("", "", R"("public.other")")), "AB002");
  EXPECT_EQ(Measured(record, {"drop"}, {}, R"({"counted": false}, {"done": 1})"), "AB002");
}

TEST(Risks, RowsThatTheTextChangesRightlyAreNone) {
  const std::string all = Done(R"({"table": "app.users", "all": true, "updated": 2})");
  EXPECT_EQ(Measured(all, {"unfiltered"}, {"users"}), "none");
  EXPECT_EQ(Measured(all, {"unfiltered"}, {"app.users"}), "none");
  EXPECT_EQ(Measured(all, {"unfiltered"}, {"sers"}), "AB002");
  EXPECT_EQ(Measured(all, {"unfiltered"}, {"public.users"}), "AB002");
}

TEST(Risks, NoRecordIsNoInnocence) {
  for (const char *record :
       {"", "{}", "[]", "{\"done\": 1}", "{\"done\": {\"tables\": 1, \"objects\": []}}"}) {
    EXPECT_EQ(WeighRecord(With({}), record, "", {"drop"}).refusal.sqlstate(), "AB002") << record;
    EXPECT_TRUE(WeighRecord(With({}), record, "", {}).refusal.ok());
  }
}

TEST(Risks, MeasuredKindsAreToldThatTheTextDidNotTell) {
  EXPECT_EQ(JoinRisks(R"([{"kind":"drop"}])", R"([{"kind":"drop"},{"kind":"rename"}])"),
            R"([{"kind":"drop"},{"kind":"rename"}])");
  EXPECT_EQ(JoinRisks("", R"([{"kind":"drop"}])"), R"([{"kind":"drop"}])");
  EXPECT_EQ(JoinRisks("[]", "none"), "[]");
}

TEST(Risks, WhatCannotBeReadIsRefusedAsAnErrorThatCanBeMended) {
  Script script = With({});
  script.parsed = false;
  script.unread = Status::Error("42601", "syntax error at or near \"x\"");
  const Risks weighed = WeighRisks(script, "", {"drop"});
  EXPECT_EQ(weighed.refusal.sqlstate(), "42601");
  EXPECT_TRUE(weighed.repairable);
  EXPECT_TRUE(WeighRisks(script, "", {}).refusal.ok());
}

TEST(Risks, WhatTheTextMovedIsARiskThoughTheBranchDoesNotKnowIt) {
  StatementRisk moved = Risk(RiskKind::kDrop, "t");
  moved.moved = true;
  Script script = With({moved});
  EXPECT_EQ(WeighRisks(script, "[]", {"drop"}).refusal.sqlstate(), "AB002");
  StatementRisk cascade = Risk(RiskKind::kTruncate, "t");
  cascade.cascades = true;
  script = With({cascade});
  EXPECT_EQ(WeighRisks(script, R"([{"n":0,"rows":0}])", {"truncate"}).refusal.sqlstate(), "AB002");
}

TEST(Risks, WhatIsNotKnownIsRefusedWithAnyOther) {
  Script script = With({Risk(RiskKind::kUnknown, "")});
  EXPECT_EQ(WeighRisks(script, "", {"rename"}).refusal.sqlstate(), "AB002");
  EXPECT_TRUE(WeighRisks(script, "", {}).refusal.ok());
}

TEST(Risks, NamesOfTheKindsAreThoseOfTheOption) {
  EXPECT_EQ(RiskKindName(RiskKind::kDrop), "drop");
  EXPECT_EQ(RiskKindName(RiskKind::kUnfiltered), "unfiltered");
  EXPECT_EQ(RiskKindName(RiskKind::kNotValid), "not_valid");
  EXPECT_TRUE(IsRiskKind("rename"));
  EXPECT_FALSE(IsRiskKind("renames"));
}

}  // namespace
}  // namespace agent_branch
