// agent_migrate.
#include "extension/arguments.hpp"
#include "extension/quotas.hpp"
#include "extension/requests.hpp"
#include "extension/session_operations.hpp"
#include "worker/core/state/checks.hpp"

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
    RequireNotPaused(session);
    RequireRoomForMigration(caller, session, sql.size());
    const auto replaced = ReplaceMigration(caller, session, sql, name);
    ordinal = replaced ? *replaced : AddMigration(caller, session.id, sql, name);
  }
  return Int32GetDatum(ordinal);
}

struct Attempt {
  int64_t migration_id;
  int32_t number;
  const std::string &sql;
  const std::optional<std::string> &name;
};

void AddAttempt(const Attempt &attempt) {
  RunStatement(
      "INSERT INTO agent_branch.migration_attempt (migration_id, number, sql, name) "
      "VALUES ($1, $2, $3, $4)",
      {attempt.migration_id, attempt.number, attempt.sql, attempt.name});
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
  const Rows last = RunQuery(
      "SELECT coalesce(max(ordinal), 0), count(*) FILTER (WHERE status <> 'cancelled') "
      "FROM agent_branch.migration WHERE session_id = $1",
      {session_id}, Snapshot::kLatest);
  const auto count = static_cast<size_t>(last[0].Int(1)) + 1;
  if (Status status = CheckMigrationCount(count); !status.ok()) RaiseStatus(status);
  const auto ordinal = static_cast<int32_t>(last[0].Int(0) + 1);
  const Rows added = RunQuery(
      "INSERT INTO agent_branch.migration (session_id, ordinal) VALUES ($1, $2) RETURNING id",
      {session_id, ordinal}, Snapshot::kFresh);
  const int64_t id = added[0].Int(0);
  AddAttempt({id, 1, sql, name});
  WriteRequest(caller, {"migrate", std::nullopt, session_id, id});
  return ordinal;
}

std::optional<int32_t> ReplaceMigration(Oid caller, const Session &session, const std::string &sql,
                                        const std::optional<std::string> &name) {
  if (session.state != "failed") return std::nullopt;
  // One whose next text waits for the worker has been replaced already.
  const Rows last = RunQuery(
      "SELECT m.id, m.ordinal, t.number, t.name, m.status = 'failed' AND t.status <> 'queued' "
      "FROM agent_branch.migration AS m "
      "JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id "
      "WHERE m.session_id = $1 AND m.status <> 'cancelled' "
      "ORDER BY m.ordinal DESC, t.number DESC LIMIT 1",
      {session.id}, Snapshot::kLatest);
  if (last.empty() || !last[0].Bool(4)) return std::nullopt;
  const int64_t id = last[0].Int(0);
  const auto number = static_cast<int32_t>(last[0].Int(2) + 1);
  AddAttempt({id, number, sql, name ? name : last[0][3]});
  WriteRequest(caller, {"migrate", std::nullopt, session.id, id,
                        "{\"attempt\": " + std::to_string(number) + "}"});
  return static_cast<int32_t>(last[0].Int(1));
}

}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_migrate, agent_branch::Migrate)
