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

// What of the parent a caller gets: the project's own role, with which anything can be done to it,
// merges or not, or one that only reads.
enum class Whose { kBranch, kParent, kReader };

Whose ParentFor(Oid caller, const Session &session) {
  const std::string access = ParentAccess(session.project_options);
  if (access == "full" || IsAdminOf(caller, session.project_id)) return Whose::kParent;
  if (access == "read_only") return Whose::kReader;
  Raise(
      "42501", "permission denied for the parent of session " + Quoted(session.name),
      "Option \"parent_access\" of project " + Quoted(session.project) + " is \"" + access + "\".",
      "Level admin gets the parent's URI; level user does where the option is \"full\", or one "
      "that "
      "only reads where it is \"read_only\".");
}

Cell ReadUri(const Session &session, Whose whose, bool pooled) {
  const Rows rows = whose == Whose::kBranch
                        ? RunQuery(
                              "SELECT uri FROM agent_branch.credential WHERE session_id = $1 "
                              "AND pooled = $2 AND access IS NULL",
                              {session.id, pooled}, Snapshot::kLatest)
                        : RunQuery(
                              "SELECT uri FROM agent_branch.credential WHERE session_id IS NULL "
                              "AND project_id = $1 AND pooled = $2 AND coalesce(access, '') = $3",
                              {session.project_id, pooled, whose == Whose::kReader ? "reader" : ""},
                              Snapshot::kLatest);
  return rows.empty() ? std::nullopt : rows[0][0];
}

void RequireReader(const Session &session, const Cell &uri, Whose whose) {
  if (whose != Whose::kReader || !uri || !uri->empty()) return;
  Raise("0A000", "there is no role that only reads the parent of session " + Quoted(session.name),
        "The parent's server did not let one be made; agent_steps shows what it said.",
        "Level admin gets the parent's URI. Register the project anew to have it tried again.");
}

// The table is emptied by a crash of the server; the worker fetches again what is missing.
std::string WaitForUri(const Session &session, Whose whose, bool pooled) {
  Cell uri;
  std::optional<Session> latest;
  WakeWorker(MyDatabaseId, WakeReason::kRequest);
  const bool done = WaitUntil(session.id, kFetchTimeout, [&] {
    latest = ReadSession(session.id);
    uri = ReadUri(session, whose, pooled);
    return uri || !latest || latest->finished;
  });
  RequireReader(session, uri, whose);
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
  Whose whose = Whose::kBranch;
  const Oid caller = GetUserId();
  Session session;
  Cell uri;
  LookOnly([&] {
    session = FindSession(caller, name, project, Reach::kOwn);
    RequireOurs(session);
    RequireBranch(session);
    if (target == "parent") whose = ParentFor(caller, session);
    uri = ReadUri(session, whose, pooled);
  });
  RequireReader(session, uri, whose);
  return TextResult(uri ? *uri : WaitForUri(session, whose, pooled));
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_connection_uri, agent_branch::ConnectionUri)
