// agent_branch_tree.
#include "worker/core/state/branch_tree.hpp"

#include "extension/arguments.hpp"
#include "extension/lookup.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

// A parent, then what hangs under it: sessions that have a branch or are getting one, and branches
// that are kept. A role without level monitor or admin sees sessions of its own.
constexpr char kNodes[] = R"(
WITH seen AS (
  SELECT p.id, p.project, p.parent, bool_or(a.level IN ('monitor', 'admin')) AS whole
  FROM agent_branch.project AS p JOIN agent_branch.role_access AS a
    ON a.role = $1 AND (a.project_id IS NULL OR a.project_id = p.id)
  WHERE p.removed_at IS NULL AND ($2 IS NULL OR $2 IN (p.project, p.name))
  GROUP BY p.id, p.project, p.parent)
SELECT project, branch, note FROM (
  SELECT p.project, p.parent AS branch, '' AS note, 0 AS rank, 0::bigint AS number FROM seen AS p
  UNION ALL
  SELECT p.project, s.branch_name, s.state || coalesce(', until ' ||
    to_char(s.branch_expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), ''), 1, s.id
  FROM seen AS p JOIN agent_branch.session AS s ON s.project_id = p.id AND s.finished_at IS NULL
  WHERE p.whole OR pg_has_role($1, s.owner, 'USAGE')
  UNION ALL
  SELECT p.project, k.name, k.kind, 2, k.id
  FROM seen AS p JOIN agent_branch.kept_branch AS k ON k.project_id = p.id
    AND k.deleted_at IS NULL
  WHERE p.whole) AS node
ORDER BY project, rank, number)";

std::vector<BranchNode> ReadNodes(Oid caller, const std::optional<std::string> &project) {
  const Rows rows =
      RunQuery(kNodes, {Param::Of(OIDOID, ObjectIdGetDatum(caller)), project}, Snapshot::kFresh);
  std::vector<BranchNode> nodes;
  for (const Row &row : rows)
    nodes.push_back({row.Text(0), row.Text(1), row.Text(2)});
  return nodes;
}

Datum BranchTree(FunctionCallInfo fcinfo) {
  const auto project = OptionalText(fcinfo, 0);
  const std::string format = RequiredText(fcinfo, 1, "format");
  const Oid caller = GetUserId();
  std::vector<BranchNode> nodes;
  {
    OwnerSession as_owner;
    nodes = ReadNodes(caller, project);
  }
  if (nodes.empty() && project)
    Raise("42704", "project " + Quoted(*project) + " is not registered", {},
          "agent_projects shows the registered ones.");
  const Result<std::string> drawn = DrawBranchTree(nodes, format);
  if (!drawn.ok()) RaiseStatus(drawn.status());
  return TextResult(drawn.value());
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_branch_tree, agent_branch::BranchTree)
