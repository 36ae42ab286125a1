// agent_project_register, _create, _remove, _pause and _resume, agent_reap and
// agent_branch_take_over.
#include "extension/arguments.hpp"
#include "extension/lookup.hpp"
#include "extension/requests.hpp"
#include "extension/settings.hpp"
#include "postgres/script_reader.hpp"
#include "worker/core/state/checks.hpp"
#include "worker/core/state/gate_options.hpp"
#include "worker/core/state/provision_options.hpp"

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

// One query, as the branch's server is to read it.
void CheckGate(const GateOption &gate) {
  const Script script = PostgresScriptReader().Read(GateProbe(gate.sql));
  if (script.parsed && script.refusal.ok() && script.statements.size() == 1) return;
  const Status &why = script.parsed ? script.refusal : script.unread;
  Raise("22023", "gate " + Quoted(gate.name) + " cannot be read as a query",
        why.ok() ? "It has more than one statement." : why.message(),
        "A gate is one SELECT, VALUES or WITH query. It holds when it returns no row, or one that "
        "is true.");
}

void CheckOptions(const std::string &options) {
  const Result<ProjectOptions> checked = CheckProjectOptions(options);
  if (!checked.ok()) RaiseStatus(checked.status());
  for (const DurationOption &option : checked->durations) {
    const std::string what = "option " + Quoted(option.key);
    Status status = CheckDuration(what, DurationOf(what, option.text), option.range);
    if (!status.ok()) RaiseStatus(status);
  }
  for (const GateOption &gate : checked->gates)
    CheckGate(gate);
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

// What is being made at Neon cannot be registered as well.
void RequireMade(const std::string &project) {
  const Rows rows = RunQuery("SELECT FROM agent_branch.provision WHERE $1 IN (project, name)",
                             {project}, Snapshot::kFresh);
  if (rows.empty()) return;
  Raise("55006", "project " + Quoted(project) + " is being made at Neon", {},
        "Wait until its state in agent_projects is \"ready\".");
}

// A project's name stands for its id.
std::string IdOf(const std::string &project) {
  const Rows rows =
      RunQuery("SELECT project FROM agent_branch.project WHERE name = $1 AND removed_at IS NULL",
               {project}, Snapshot::kFresh);
  return rows.empty() ? project : rows[0].Text(0);
}

void RequireMayRegister(Oid caller, const std::string &project) {
  const Rows rows =
      RunQuery("SELECT id FROM agent_branch.project WHERE project = $1 AND removed_at IS NULL",
               {project}, Snapshot::kFresh);
  if (rows.empty() || !IsAdminOf(caller, rows[0].Int(0)))
    RequireAdmin(caller, "agent_project_register()");
}

Datum Register(FunctionCallInfo fcinfo) {
  RequireWritable("agent_project_register");
  ProjectArguments arguments = ReadArguments(fcinfo);
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    arguments.project = IdOf(arguments.project);
    RequireMayRegister(caller, arguments.project);
    RequireMade(arguments.project);
    // The worker reads projects and never locks them, so that waiting for a row here waits for
    // another registration only.
    const Rows rows = as_owner.spi.Query(
        "INSERT INTO agent_branch.project AS p (project, parent, database, role, options, "
        "registered_by) VALUES ($1, $2, $3, $4, $5::jsonb, $6) "
        "ON CONFLICT (project) DO UPDATE SET parent = EXCLUDED.parent, "
        "database = EXCLUDED.database, role = EXCLUDED.role, options = EXCLUDED.options, "
        "registered_by = EXCLUDED.registered_by, registered_by_name = EXCLUDED.registered_by_name, "
        "registered_at = EXCLUDED.registered_at, removed_at = NULL RETURNING p.id",
        {arguments.project, arguments.parent, arguments.database, arguments.role, arguments.options,
         Param::Of(OIDOID, ObjectIdGetDatum(caller))});
    WriteRequest(caller, {"register", rows[0].Int(0)});
  }
  PG_RETURN_VOID();
}

[[noreturn]] void RaiseNameTaken(const std::string &name) {
  Raise("42710", "project " + Quoted(name) + " exists already", {},
        "Choose another name; agent_projects shows those that there are.");
}

Datum CreateProject(FunctionCallInfo fcinfo) {
  RequireWritable("agent_project_create");
  const std::string name = RequiredText(fcinfo, 0, "name");
  const std::string options = RequiredJson(fcinfo, 1, "options");
  CheckText("name", name);
  const Result<ProvisionOptions> wish = CheckProvisionOptions(options);
  if (!wish.ok()) RaiseStatus(wish.status());
  CheckOptions(wish->project_options);
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    RequireAdmin(caller, "agent_project_create()");
    // In one statement, so that of two callers at a time one is refused.
    const Rows rows = as_owner.spi.Query(
        "INSERT INTO agent_branch.provision (name, wish, parent, database, role, options, "
        "requested_by_name) SELECT $1, $2::jsonb, $3, $4, $5, $6::jsonb, r.rolname "
        "FROM pg_roles AS r WHERE r.oid = $7 AND NOT EXISTS (SELECT FROM agent_branch.project "
        "WHERE $1 IN (project, name) AND removed_at IS NULL) "
        "ON CONFLICT DO NOTHING RETURNING id",
        {name, wish->wish, wish->parent, wish->database, wish->role, wish->project_options,
         Param::Of(OIDOID, ObjectIdGetDatum(caller))});
    if (rows.empty()) RaiseNameTaken(name);
    WriteRequest(caller, {"provision", std::nullopt, std::nullopt, rows[0].Int(0)});
  }
  PG_RETURN_VOID();
}

// Gives up a project that is being made. False: none of that name is.
bool GiveUp(Oid caller, const std::string &name) {
  const Rows rows =
      RunQuery("SELECT asked_at IS NOT NULL FROM agent_branch.provision WHERE name = $1 FOR UPDATE",
               {name}, Snapshot::kFresh);
  if (rows.empty()) return false;
  RequireAdmin(caller, "agent_project_remove()");
  // Until Neon has answered, nobody knows whether there is a project to forget.
  if (rows[0].Bool(0))
    Raise("55006", "project " + Quoted(name) + " is being made at Neon",
          "A request was sent, and its outcome is not known yet.",
          "Try again in a while; upkeep_error in agent_projects says what is in the way.");
  RunStatement("DELETE FROM agent_branch.provision WHERE name = $1", {name});
  WriteRequest(caller, {"provision"});
  return true;
}

void RequireNoSessions(const Project &project) {
  const int64_t live =
      RunQuery(
          "SELECT count(*) FROM agent_branch.session WHERE project_id = $1 AND finished_at IS NULL",
          {project.id}, Snapshot::kLatest)[0]
          .Int(0);
  if (live == 0) return;
  Raise("55006", "project " + Quoted(project.name) + " has sessions",
        "Unfinished sessions: " + std::to_string(live) + ".",
        "Discard them with agent_discard(), and wait until their branches are gone.");
}

Datum Remove(FunctionCallInfo fcinfo) {
  RequireWritable("agent_project_remove");
  const std::string name = RequiredText(fcinfo, 0, "project");
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    if (GiveUp(caller, name)) PG_RETURN_VOID();
    const Project project = FindOwnProject(caller, name);
    // Sessions that begin meanwhile hold the row by their foreign key, and are counted after that.
    RunQuery("SELECT id FROM agent_branch.project WHERE id = $1 FOR UPDATE", {project.id},
             Snapshot::kFresh);
    RequireNoSessions(project);
    RunStatement("UPDATE agent_branch.project SET removed_at = now() WHERE id = $1", {project.id});
    RunStatement("DELETE FROM agent_branch.access WHERE project_id = $1", {project.id});
    WriteRequest(caller, {"register", project.id});
  }
  PG_RETURN_VOID();
}

void CheckReason(const std::optional<std::string> &reason) {
  if (!reason) return;
  if (Status status = CheckPauseReason(*reason); !status.ok()) RaiseStatus(status);
}

Datum Pause(FunctionCallInfo fcinfo) {
  RequireWritable("agent_project_pause");
  const std::string name = RequiredText(fcinfo, 0, "project");
  const auto reason = OptionalText(fcinfo, 1);
  CheckReason(reason);
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    const Project project = FindOwnProject(caller, name);
    RunStatement(
        "UPDATE agent_branch.project SET paused_at = coalesce(paused_at, now()), "
        "pause_reason = $2 WHERE id = $1",
        {project.id, reason});
    WriteRequest(caller, {"register", project.id});
  }
  PG_RETURN_VOID();
}

Datum Resume(FunctionCallInfo fcinfo) {
  RequireWritable("agent_project_resume");
  const std::string name = RequiredText(fcinfo, 0, "project");
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    const Project project = FindOwnProject(caller, name);
    RunStatement(
        "UPDATE agent_branch.project SET paused_at = NULL, pause_reason = NULL WHERE id = $1",
        {project.id});
    WriteRequest(caller, {"register", project.id});
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
    RequireAdmin(caller, "agent_reap()");
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
    RequireAdmin(caller, "agent_branch_take_over()");
    SpiSession &spi = as_owner.spi;
    // Roles that the dump named and that were made after it was restored.
    spi.Execute("SELECT agent_branch.note_roles()");
    spi.Execute(
        "UPDATE agent_branch.session AS s SET owner = r.oid FROM pg_roles AS r "
        "WHERE s.owner = 0 AND r.rolname = s.owner_name");
    spi.Execute(
        "UPDATE agent_branch.provision SET installation_id = i.id "
        "FROM agent_branch.installation AS i WHERE installation_id <> i.id");
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
AGENT_BRANCH_FUNCTION(agent_project_create, agent_branch::CreateProject)
AGENT_BRANCH_FUNCTION(agent_project_remove, agent_branch::Remove)
AGENT_BRANCH_FUNCTION(agent_project_pause, agent_branch::Pause)
AGENT_BRANCH_FUNCTION(agent_project_resume, agent_branch::Resume)
AGENT_BRANCH_FUNCTION(agent_branch_take_over, agent_branch::TakeOver)
AGENT_BRANCH_FUNCTION(agent_reap, agent_branch::Reap)
