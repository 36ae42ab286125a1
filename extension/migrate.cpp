// agent_migrate.
#include "extension/arguments.hpp"
#include "extension/requests.hpp"
#include "extension/session_operations.hpp"
#include "worker/core/checks.hpp"

namespace agent_branch {
namespace {

Datum Migrate(FunctionCallInfo fcinfo) {
  RequireWritable("agent_migrate");
  const std::string session_name = RequiredText(fcinfo, 0, "session");
  const std::string sql = RequiredText(fcinfo, 1, "sql");
  const auto name = OptionalText(fcinfo, 2);
  const auto project = OptionalText(fcinfo, 3);
  if (Status status = CheckMigration(sql, name); !status.ok()) RaiseStatus(status);
  const Oid caller = GetUserId();
  int32_t ordinal = 0;
  {
    OwnerSession as_owner;
    const Session session = FindAndLockSession(caller, session_name, project);
    RequireCommitted(session);
    RequireTakesMigrations(session);
    ordinal = AddMigration(caller, session.id, sql, name);
  }
  return Int32GetDatum(ordinal);
}

}  // namespace

void RequireTakesMigrations(const Session &session) {
  RequireUnfinished(session);
  if (session.state == "merging" || session.goal == "merge" || session.merge_requested)
    Raise("55006", "session " + Quoted(session.name) + " is being merged",
          "A migration now would not be part of what is merged.",
          "Wait for the merge with agent_wait().");
  RequireUnexpired(session);
  if (session.state == "failed" && !session.has_branch)
    Raise("55000", "session " + Quoted(session.name) + " has no branch",
          "Its branch could not be created: " + session.error,
          "Discard it with agent_discard(), and begin anew with agent_branch_create().");
}

int32_t AddMigration(Oid caller, int64_t session_id, const std::string &sql,
                     const std::optional<std::string> &name) {
  const Rows last =
      RunQuery("SELECT coalesce(max(ordinal), 0) FROM agent_branch.migration WHERE session_id = $1",
               {session_id}, Snapshot::kLatest);
  const auto ordinal = static_cast<int32_t>(last[0].Int(0) + 1);
  const Rows added = RunQuery(
      "INSERT INTO agent_branch.migration (session_id, ordinal, name, sql) "
      "VALUES ($1, $2, $3, $4) RETURNING id",
      {session_id, ordinal, name, sql}, Snapshot::kFresh);
  WriteRequest(caller, {"migrate", std::nullopt, session_id, added[0].Int(0)});
  return ordinal;
}

}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_migrate, agent_branch::Migrate)
