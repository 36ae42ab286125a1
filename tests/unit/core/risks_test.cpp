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

TEST(Risks, NamesOfTheKindsAreThoseOfTheOption) {
  EXPECT_EQ(RiskKindName(RiskKind::kDrop), "drop");
  EXPECT_EQ(RiskKindName(RiskKind::kUnfiltered), "unfiltered");
  EXPECT_EQ(RiskKindName(RiskKind::kNotValid), "not_valid");
  EXPECT_TRUE(IsRiskKind("rename"));
  EXPECT_FALSE(IsRiskKind("renames"));
}

}  // namespace
}  // namespace agent_branch
