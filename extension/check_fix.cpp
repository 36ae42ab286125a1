// agent_branch.check_fix().
#include "extension/arguments.hpp"
#include "postgres/sql_trees.hpp"
#include "worker/core/fixer/fix_check.hpp"
#include "worker/core/fixer/fix_facts.hpp"

namespace agent_branch {
namespace {

Datum CheckTheFix(FunctionCallInfo fcinfo) {
  const std::string json = RequiredText(fcinfo, 0, "question");
  Result<FixQuestion> question = DecodeFixQuestion(json);
  if (!question.ok()) RaiseStatus(question.status());
  PostgresSqlTrees trees;
  const std::string verdict = EncodeIntent(CheckFix(question.value(), &trees));
  return CallPg([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(verdict.c_str())); });
}

// What FixFactsExpression() asks the branch.
Datum FixFactsQuery(FunctionCallInfo fcinfo) {
  const std::string sql = "SELECT " + FixFactsExpression({RequiredText(fcinfo, 0, "original"),
                                                          RequiredText(fcinfo, 1, "fix")});
  return CallPg([&] { return CStringGetTextDatum(sql.c_str()); });
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_branch_check_fix, agent_branch::CheckTheFix)
AGENT_BRANCH_FUNCTION(agent_branch_fix_facts_query, agent_branch::FixFactsQuery)
