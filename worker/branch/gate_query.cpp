#include "worker/branch/gate_query.hpp"

#include "worker/branch/look_query.hpp"
#include "worker/core/state/gate_options.hpp"

namespace agent_branch {

std::string GateScript(const std::string &sql) {
  // A column of the query that had the name of the row would be taken for it.
  return "SET LOCAL agent_branch_gate.query = " + Literal(std::string(GateQuery(sql))) +
         "; DO $agent_branch$ DECLARE answer pg_catalog.jsonb; BEGIN "
         "EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.substr(pg_catalog.to_jsonb("
         "agent_branch_row)::pg_catalog.text, 1, 1000)) FROM (SELECT * FROM (' "
         "|| pg_catalog.current_setting('agent_branch_gate.query') "
         "|| E'\n) AS agent_branch_row LIMIT 6) AS agent_branch_row' INTO answer; "
         "PERFORM pg_catalog.set_config('agent_branch_gate.rows', "
         "coalesce(answer, '[]')::pg_catalog.text, true); END $agent_branch$; "
         "SELECT pg_catalog.current_setting('agent_branch_gate.rows')";
}

}  // namespace agent_branch
