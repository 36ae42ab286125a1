#include "worker/branch/gate_query.hpp"

#include "worker/branch/look_query.hpp"
#include "worker/core/state/gate_options.hpp"

namespace agent_branch {

std::string GateScript(const std::string &sql) {
  return "SET LOCAL agent_branch_gate.query = " + Literal(std::string(GateQuery(sql))) +
         "; DO $agent_branch$ DECLARE found pg_catalog.jsonb; BEGIN "
         "EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.substr(pg_catalog.to_jsonb(gate)"
         "::pg_catalog.text, 1, 1000)) FROM (SELECT * FROM (' "
         "|| pg_catalog.current_setting('agent_branch_gate.query') "
         "|| E'\\n) AS gate LIMIT 6) AS gate' INTO found; "
         "PERFORM pg_catalog.set_config('agent_branch_gate.rows', "
         "coalesce(found, '[]')::pg_catalog.text, true); END $agent_branch$; "
         "SELECT pg_catalog.current_setting('agent_branch_gate.rows')";
}

}  // namespace agent_branch
