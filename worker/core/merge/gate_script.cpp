#include "worker/core/merge/gate_script.hpp"

#include <algorithm>
#include <limits>

#include "worker/core/script/sql_literal.hpp"
#include "worker/core/state/gate_options.hpp"

namespace agent_branch {
namespace {

// The block of its own is a subtransaction, which the error ends that it always comes to: what the
// query may have done is gone, and the transaction can write again.
constexpr char kAsk[] =
    "DO $agent_branch$ DECLARE answer pg_catalog.jsonb; holds pg_catalog.bool := true; BEGIN "
    "BEGIN PERFORM pg_catalog.set_config('transaction_read_only', 'on', true); "
    "EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.substr(pg_catalog.to_jsonb("
    "agent_branch_row)::pg_catalog.text, 1, 1000)) FROM (SELECT * FROM (' "
    "|| pg_catalog.current_setting('agent_branch_gate.query') "
    "|| E'\n) AS agent_branch_row LIMIT 6) AS agent_branch_row' INTO answer; "
    "RAISE EXCEPTION USING ERRCODE = 'AB000'; "
    "EXCEPTION WHEN SQLSTATE 'AB000' THEN NULL; END; "
    "IF answer IS NOT NULL THEN holds := pg_catalog.jsonb_array_length(answer) = 1 "
    "AND pg_catalog.length(answer ->> 0) < 1000; "
    "IF holds THEN SELECT pg_catalog.count(*) = 1 AND coalesce(pg_catalog.bool_and(value = "
    "'true'), "
    "false) INTO holds FROM pg_catalog.jsonb_each((answer ->> 0)::pg_catalog.jsonb); END IF; "
    "END IF; IF NOT holds THEN RAISE EXCEPTION USING ERRCODE = 'AB007', "
    "MESSAGE = 'a gate does not hold', DETAIL = answer::pg_catalog.text; END IF; "
    "END $agent_branch$";

std::string SetTimeout(milliseconds timeout) {
  const long long most = std::numeric_limits<int>::max();
  return "SET LOCAL statement_timeout = " +
         std::to_string(std::clamp<long long>(timeout.count(), 1, most)) + "; ";
}

}  // namespace

BranchScript GateInTransaction(const GateRow &gate, milliseconds statement_timeout) {
  return {SetTimeout(gate.timeout) + "SET LOCAL agent_branch_gate.query = " +
              SqlLiteral(std::string(GateQuery(gate.sql))) + "; " + kAsk + "; " +
              SetTimeout(statement_timeout),
          4};
}

GateAnswer ReadGateError(const GateRow &gate, const ServerError &error) {
  GateAnswer answer;
  answer.name = gate.name;
  answer.sql = gate.sql;
  answer.on_parent = true;
  if (error.sqlstate == "AB007" && ReadGateAnswer(error.detail, &answer).ok()) {
    answer.holds = false;
    return answer;
  }
  answer.error = Status::Error(error.sqlstate, error.message, error.detail, error.hint);
  return answer;
}

}  // namespace agent_branch
