// agent_project_register and agent_reap.
#include "extension/arguments.hpp"
#include "extension/lookup.hpp"
#include "extension/requests.hpp"
#include "extension/settings.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

struct ProjectArguments {
  std::string project;
  std::string parent;
  std::string database;
  std::string role;
  std::string options;
};

void CheckText(const char *argument, const std::string &value) {
  if (Status status = CheckProjectText(argument, value); !status.ok()) RaiseStatus(status);
}

void CheckOptions(const std::string &options) {
  const Result<ProjectOptions> checked = CheckProjectOptions(options);
  if (!checked.ok()) RaiseStatus(checked.status());
  for (const DurationOption &option : checked->durations) {
    const std::string what = "option " + Quoted(option.key);
    Status status = CheckDuration(what, DurationOf(what, option.text), option.range);
    if (!status.ok()) RaiseStatus(status);
  }
  if (checked->api_key_file && !HasApiKeyDirectory())
    Raise("22023", "option \"api_key_file\" cannot be used",
          "The setting agent_branch.api_key_directory is empty.",
          "Leave the option out, or ask an administrator to set the directory of key files.");
}

ProjectArguments ReadArguments(FunctionCallInfo fcinfo) {
  ProjectArguments arguments;
  arguments.project = RequiredText(fcinfo, 0, "project");
  arguments.parent = RequiredText(fcinfo, 1, "parent");
  arguments.database = RequiredText(fcinfo, 2, "database");
  arguments.role = RequiredText(fcinfo, 3, "role");
  arguments.options = RequiredJson(fcinfo, 4, "options");
  CheckText("project", arguments.project);
  CheckText("parent", arguments.parent);
  CheckText("database", arguments.database);
  CheckText("role", arguments.role);
  CheckOptions(arguments.options);
  return arguments;
}

Datum Register(FunctionCallInfo fcinfo) {
  RequireWritable("agent_project_register");
  const ProjectArguments arguments = ReadArguments(fcinfo);
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    // The worker reads projects and never locks them, so that waiting for a row here waits for
    // another registration only.
    const Rows rows = as_owner.spi.Query(
        "INSERT INTO agent_branch.project AS p (project, parent, database, role, options, "
        "registered_by) VALUES ($1, $2, $3, $4, $5::jsonb, $6) "
        "ON CONFLICT (project) DO UPDATE SET parent = EXCLUDED.parent, "
        "database = EXCLUDED.database, role = EXCLUDED.role, options = EXCLUDED.options, "
        "registered_by = EXCLUDED.registered_by, registered_at = EXCLUDED.registered_at "
        "RETURNING p.id",
        {arguments.project, arguments.parent, arguments.database, arguments.role, arguments.options,
         Param::Of(REGROLEOID, ObjectIdGetDatum(caller))});
    WriteRequest(caller, {"register", rows[0].Int(0)});
  }
  PG_RETURN_VOID();
}

Datum Reap(FunctionCallInfo fcinfo) {
  RequireWritable("agent_reap");
  const bool dry_run = RequiredBool(fcinfo, 0, "dry_run");
  const Oid caller = GetUserId();
  int64_t sweep = 0;
  {
    OwnerSession as_owner;
    const Rows rows = as_owner.spi.Query(
        "INSERT INTO agent_branch.sweep (dry_run) VALUES ($1) RETURNING id", {dry_run});
    sweep = rows[0].Int(0);
    WriteRequest(caller, {"reap", std::nullopt, std::nullopt, sweep});
  }
  return Int64GetDatum(sweep);
}

Datum TakeOver(FunctionCallInfo) {
  RequireWritable("agent_branch_take_over");
  const Oid caller = GetUserId();
  int64_t sessions = 0;
  {
    OwnerSession as_owner;
    SpiSession &spi = as_owner.spi;
    spi.Execute(
        "INSERT INTO agent_branch.former_installation (id) "
        "SELECT o.installation_id FROM (SELECT installation_id FROM agent_branch.session UNION "
        "SELECT installation_id FROM agent_branch.kept_branch) AS o "
        "WHERE o.installation_id <> (SELECT id FROM agent_branch.installation) "
        "ON CONFLICT DO NOTHING");
    spi.Execute(
        "UPDATE agent_branch.kept_branch SET installation_id = i.id "
        "FROM agent_branch.installation AS i WHERE deleted_at IS NULL AND installation_id <> i.id");
    // No worker of this installation has these sessions, so none waits for their locks.
    sessions = spi.Execute(
        "UPDATE agent_branch.session SET installation_id = i.id, error = NULL, error_hint = NULL "
        "FROM agent_branch.installation AS i WHERE finished_at IS NULL AND installation_id <> "
        "i.id");
    WriteRequest(caller, {"take over"});
  }
  return Int64GetDatum(sessions);
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_project_register, agent_branch::Register)
AGENT_BRANCH_FUNCTION(agent_branch_take_over, agent_branch::TakeOver)
AGENT_BRANCH_FUNCTION(agent_reap, agent_branch::Reap)
