// agent_branch.read_script().
#include "extension/arguments.hpp"
#include "postgres/script_reader.hpp"
#include "worker/core/script/source_text.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

Datum ReadScript(FunctionCallInfo fcinfo) {
  const std::string sql = RequiredText(fcinfo, 0, "sql");
  if (Status status = CheckMigration(sql, std::nullopt); !status.ok()) RaiseStatus(status);
  const std::string json = ScriptJson(PostgresScriptReader().Read(PassOverMarks(sql)));
  return CallPg([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.c_str())); });
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_branch_read_script, agent_branch::ReadScript)
