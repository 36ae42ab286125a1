// agent_connection_uri.
#include "extension/arguments.hpp"
#include "extension/requests.hpp"
#include "extension/waiting.hpp"
#include "postgres/shared_state.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

constexpr int64_t kFetchTimeout = 30 * kMicrosecondsPerSecond;

void RequireBranch(const Session &session) {
  RequireCommitted(session);
  RequireUnfinished(session);
  if (session.state == "queued" || session.state == "creating")
    Raise("55000", "session " + Quoted(session.name) + " has no branch yet",
          "Its state is \"" + session.state + "\".", "Wait for it with agent_wait().");
  if (!session.has_branch)
    Raise("55000", "session " + Quoted(session.name) + " has no branch", session.error,
          "Discard it with agent_discard(), and begin anew with agent_branch_create().");
}

// The parent's URI is the project's own role and password, with which anything can be done to the
// parent, merges or not.
void RequireParentAccess(Oid caller, const Session &session) {
  const std::string access = TextOption(session.project_options, "parent_access").value_or("none");
  if (access == "full" || IsAdminOf(caller, session.project_id)) return;
  Raise(
      "42501", "permission denied for the parent of session " + Quoted(session.name),
      "Option \"parent_access\" of project " + Quoted(session.project) + " is \"" + access + "\".",
      "Level admin gets the parent's URI; level user does where the option is \"full\".");
}

Cell ReadUri(const Session &session, bool of_parent, bool pooled) {
  const Rows rows = of_parent
                        ? RunQuery(
                              "SELECT uri FROM agent_branch.credential WHERE session_id IS NULL "
                              "AND project_id = $1 AND pooled = $2",
                              {session.project_id, pooled}, Snapshot::kLatest)
                        : RunQuery(
                              "SELECT uri FROM agent_branch.credential WHERE session_id = $1 "
                              "AND pooled = $2",
                              {session.id, pooled}, Snapshot::kLatest);
  return rows.empty() ? std::nullopt : rows[0][0];
}

// The table is emptied by a crash of the server; the worker fetches again what is missing.
std::string WaitForUri(const Session &session, bool of_parent, bool pooled) {
  Cell uri;
  std::optional<Session> latest;
  WakeWorker(MyDatabaseId, WakeReason::kRequest);
  const bool done = WaitUntil(session.id, kFetchTimeout, [&] {
    latest = ReadSession(session.id);
    uri = ReadUri(session, of_parent, pooled);
    return uri || !latest || latest->finished;
  });
  if (uri) return *uri;
  if (done && latest) RequireUnfinished(*latest);
  Raise("55000", "connection URI of session " + Quoted(session.name) + " is not known yet",
        latest ? latest->error : std::string(),
        "The worker fetches it from Neon: try again. agent_worker shows its last error.");
}

Datum ConnectionUri(FunctionCallInfo fcinfo) {
  RequirePrimary("agent_connection_uri");
  const std::string name = RequiredText(fcinfo, 0, "session");
  const std::string target = RequiredText(fcinfo, 1, "target");
  const bool pooled = RequiredBool(fcinfo, 2, "pooled");
  const auto project = OptionalText(fcinfo, 3);
  if (Status status = CheckTarget(target); !status.ok()) RaiseStatus(status);
  const bool of_parent = target == "parent";
  const Oid caller = GetUserId();
  Session session;
  Cell uri;
  LookOnly([&] {
    session = FindSession(caller, name, project, Reach::kOwn);
    RequireOurs(session);
    RequireBranch(session);
    if (of_parent) RequireParentAccess(caller, session);
    uri = ReadUri(session, of_parent, pooled);
  });
  return TextResult(uri ? *uri : WaitForUri(session, of_parent, pooled));
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_connection_uri, agent_branch::ConnectionUri)
