// agent_merge.
#include "extension/arguments.hpp"
#include "extension/requests.hpp"
#include "extension/session_operations.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

[[noreturn]] void RaiseFailed(const Session &session) {
  const Rows rows = RunQuery(
      "SELECT m.ordinal, t.message FROM agent_branch.migration AS m "
      "JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id AND t.number = m.attempt "
      "WHERE m.session_id = $1 AND m.status = 'failed' ORDER BY m.ordinal DESC LIMIT 1",
      {session.id}, Snapshot::kLatest);
  std::string detail = session.error;
  if (!rows.empty()) detail = "Migration " + rows[0].Text(0) + " failed: " + rows[0].Text(1);
  Raise("55000", "session " + Quoted(session.name) + " has failed", detail,
        "Go on with agent_migrate(), or give it up with agent_discard().");
}

void RequireMergeable(const Session &session) {
  RequireUnfinished(session);
  if (session.state == "merging" || session.goal == "merge" || session.merge_requested)
    Raise("55006", "a merge of session " + Quoted(session.name) + " has been asked for already", {},
          "Wait for it with agent_wait().");
  RequireUnexpired(session);
  if (session.state == "failed") RaiseFailed(session);
  if (session.open_migrations || session.state == "migrating")
    Raise("55006", "session " + Quoted(session.name) + " has migrations that have not run yet", {},
          "Wait for them with agent_wait(), then merge.");
}

Datum Merge(FunctionCallInfo fcinfo) {
  RequireWritable("agent_merge");
  const std::string name = RequiredText(fcinfo, 0, "session");
  const auto strategy = OptionalText(fcinfo, 1);
  const auto on_drift = OptionalText(fcinfo, 2);
  const auto project = OptionalText(fcinfo, 3);
  if (auto choice = ChooseMerge(strategy, on_drift, "{}"); !choice.ok())
    RaiseStatus(choice.status());
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    const Session session = FindAndLockSession(caller, name, project);
    RequireCommitted(session);
    RequestMerge(caller, session, strategy, on_drift);
  }
  PG_RETURN_VOID();
}

}  // namespace

void RequestMerge(Oid caller, const Session &session, const std::optional<std::string> &strategy,
                  const std::optional<std::string> &on_drift) {
  RequireMergeable(session);
  const Result<MergeChoice> choice = ChooseMerge(strategy, on_drift, session.project_options);
  if (!choice.ok()) RaiseStatus(choice.status());
  const Rows arguments = RunQuery("SELECT jsonb_build_object('strategy', $1, 'on_drift', $2)",
                                  {choice->strategy, choice->on_drift}, Snapshot::kLatest);
  WriteRequest(caller, {"merge", std::nullopt, session.id, std::nullopt, arguments[0].Text(0)});
}

}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_merge, agent_branch::Merge)
