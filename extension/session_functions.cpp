// agent_branch_create, agent_discard, agent_extend and agent_rotate_credentials.
#include "extension/arguments.hpp"
#include "extension/quotas.hpp"
#include "extension/requests.hpp"
#include "extension/session_operations.hpp"
#include "extension/settings.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

constexpr char kNamesake[] =
    "SELECT state, pg_has_role($3, owner, 'USAGE') FROM agent_branch.session "
    "WHERE project_id = $1 AND name = $2 AND finished_at IS NULL";

Rows FindNamesake(Oid caller, const Project &project, const std::string &name) {
  return RunQuery(kNamesake, {project.id, name, Param::Of(OIDOID, ObjectIdGetDatum(caller))},
                  Snapshot::kLatest);
}

[[noreturn]] void RaiseNameTaken(Oid caller, const Project &project, const std::string &name) {
  const Rows rows = FindNamesake(caller, project, name);
  const bool own = !rows.empty() && rows[0].Bool(1);
  Raise("42710",
        "session " + Quoted(name) + " of project " + Quoted(project.name) + " exists already",
        own ? "Its state is \"" + rows[0].Text(0) + "\"."
            : std::string("It belongs to another role."),
        "Choose another name, or discard that session with agent_discard() first.");
}

void RequireNameFree(Oid caller, const Project &project, const std::string &name) {
  if (!FindNamesake(caller, project, name).empty()) RaiseNameTaken(caller, project, name);
}

int64_t TtlOf(const NewSession &wanted, const Project &project) {
  int64_t ttl = kDefaultTtl;
  if (wanted.ttl)
    ttl = *wanted.ttl;
  else if (auto text = TextOption(project.options, "ttl"))
    ttl = DurationOf("option \"ttl\" of the project", *text);
  if (Status status = CheckDuration("ttl", ttl, DurationRange::kTtl); !status.ok())
    RaiseStatus(status);
  return ttl;
}

Datum Create(FunctionCallInfo fcinfo) {
  RequireWritable("agent_branch_create");
  NewSession wanted;
  wanted.name = RequiredText(fcinfo, 0, "session");
  wanted.project = OptionalText(fcinfo, 1);
  wanted.ttl = OptionalDuration(fcinfo, 2);
  wanted.options = RequiredJson(fcinfo, 3, "options");
  const Oid caller = GetUserId();
  CreatedSession created;
  {
    OwnerSession as_owner;
    created = CreateSession(caller, wanted);
  }
  return TextResult(created.branch_name);
}

void RequireDiscardable(const Session &session) {
  RequireCommitted(session);
  RequireUnfinished(session);
  if (session.state != "merging") return;
  Raise("55006", "session " + Quoted(session.name) + " is being merged", {},
        "Wait for the merge with agent_wait().");
}

Datum Discard(FunctionCallInfo fcinfo) {
  RequireWritable("agent_discard");
  const std::string name = RequiredText(fcinfo, 0, "session");
  const auto project = OptionalText(fcinfo, 1);
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    const Session session = FindAndLockSession(caller, name, project);
    RequireDiscardable(session);
    WriteRequest(caller, {"discard", std::nullopt, session.id});
  }
  PG_RETURN_VOID();
}

void RequireOwnRole(const Session &session) {
  if (!session.has_branch)
    Raise("55000", "session " + Quoted(session.name) + " has no branch yet",
          "Its state is \"" + session.state + "\".", "Wait for it with agent_wait().");
  if (session.shared_role.empty()) return;
  Raise("55000", "the agent of session " + Quoted(session.name) + " has no role of its own",
        "It works as the project's role: " + session.shared_role + ".",
        "Reset the role's password at Neon, on the branch; the new URI is fetched by itself.");
}

Datum RotateCredentials(FunctionCallInfo fcinfo) {
  RequireWritable("agent_rotate_credentials");
  const std::string name = RequiredText(fcinfo, 0, "session");
  const auto project = OptionalText(fcinfo, 1);
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    const Session session = FindAndLockSession(caller, name, project);
    RequireCommitted(session);
    RequireUnfinished(session);
    RequireOwnRole(session);
    WriteRequest(caller, {"rotate", std::nullopt, session.id});
  }
  PG_RETURN_VOID();
}

std::string ExpiryArgument(TimestampTz expires_at) {
  return RunQuery(
             "SELECT jsonb_build_object('expires_at', "
             "to_char($1 AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))",
             {Param::Timestamp(expires_at)}, Snapshot::kLatest)[0]
      .Text(0);
}

Datum Extend(FunctionCallInfo fcinfo) {
  RequireWritable("agent_extend");
  const std::string name = RequiredText(fcinfo, 0, "session");
  const int64_t ttl = RequiredDuration(fcinfo, 1, "ttl");
  const auto project = OptionalText(fcinfo, 2);
  if (Status status = CheckDuration("ttl", ttl, DurationRange::kTtl); !status.ok())
    RaiseStatus(status);
  const Oid caller = GetUserId();
  const TimestampTz expires_at = GetCurrentTransactionStartTimestamp() + ttl;
  {
    OwnerSession as_owner;
    const Session session = FindAndLockSession(caller, name, project);
    RequireCommitted(session);
    RequireUnfinished(session);
    RequireUnexpired(session);
    WriteRequest(caller,
                 {"extend", std::nullopt, session.id, std::nullopt, ExpiryArgument(expires_at)});
  }
  return TimestampTzGetDatum(expires_at);
}

}  // namespace

CreatedSession CreateSession(Oid caller, const NewSession &wanted) {
  const std::string prefix = BranchPrefix();
  if (Status status = CheckSessionName(wanted.name, prefix); !status.ok()) RaiseStatus(status);
  const Project project = FindProject(caller, wanted.project);
  RequireNotPaused(project);
  if (Status status = CheckSessionOptions(wanted.options, project.options); !status.ok())
    RaiseStatus(status);
  const TimestampTz expires_at = GetCurrentTransactionStartTimestamp() + TtlOf(wanted, project);
  RequireNameFree(caller, project, wanted.name);
  RequireRoomForSession(caller, project);
  const std::string branch_name = prefix + wanted.name;
  const Rows rows = RunQuery(
      // Waits for a transaction that makes a session of this name at the same time.
      "INSERT INTO agent_branch.session (project_id, name, owner, branch_name, options, "
      "expires_at) VALUES ($1, $2, $3, $4, $5::jsonb, $6) "
      "ON CONFLICT (name, project_id) WHERE finished_at IS NULL DO NOTHING RETURNING id",
      {project.id, wanted.name, Param::Of(OIDOID, ObjectIdGetDatum(caller)), branch_name,
       wanted.options, Param::Timestamp(expires_at)},
      Snapshot::kFresh);
  if (rows.empty()) RaiseNameTaken(caller, project, wanted.name);
  const int64_t id = rows[0].Int(0);
  WriteRequest(caller, {"create", project.id, id});
  return {id, branch_name};
}

}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_branch_create, agent_branch::Create)
AGENT_BRANCH_FUNCTION(agent_discard, agent_branch::Discard)
AGENT_BRANCH_FUNCTION(agent_extend, agent_branch::Extend)
AGENT_BRANCH_FUNCTION(agent_rotate_credentials, agent_branch::RotateCredentials)
