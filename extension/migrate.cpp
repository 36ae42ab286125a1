// agent_migrate.
#include "extension/arguments.hpp"
#include "extension/quotas.hpp"
#include "extension/requests.hpp"
#include "extension/session_operations.hpp"
#include "postgres/script_reader.hpp"
#include "worker/core/script/script_json.hpp"
#include "worker/core/script/source_text.hpp"
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
  // As the caller, before any right of the extension's owner is there and any lock is held.
  const MigrationText text = ReadMigration(sql, name);
  {
    OwnerSession as_owner;
    const Session session = FindAndLockSession(caller, session_name, project);
    RequireCommitted(session);
    RequireTakesMigrations(session);
    RequireNotPaused(session);
    const auto known = FindMigration(caller, session, text);
    if (!known) RequireRoomForMigration(caller, session, sql.size());
    ordinal = known ? *known : AddMigration(caller, session.id, text);
  }
  return Int32GetDatum(ordinal);
}

struct Attempt {
  int64_t migration_id;
  int32_t number;
  const MigrationText &text;
};

void AddAttempt(const Attempt &attempt) {
  RunStatement(
      "INSERT INTO agent_branch.migration_attempt (migration_id, number, sql, name, script) "
      "VALUES ($1, $2, $3, $4, $5::json)",
      {attempt.migration_id, attempt.number, attempt.text.sql, attempt.text.name,
       attempt.text.script});
}

// The migration of the session's that matters to a new text.
struct LastMigration {
  int64_t id = 0;
  int32_t ordinal = 0;
  int32_t attempt = 0;
  std::optional<std::string> name;
  std::string status;
  std::string error;
  bool same_text = false;      // as the agent's last one
  bool takes_another = false;  // it has failed, and no other text waits for the worker
  bool has_followers = false;  // which its failure has cancelled
};

std::optional<LastMigration> ReadLast(const Session &session, const MigrationText &text,
                                      bool of_name) {
  const Rows rows = RunQuery(
      "SELECT m.id, m.ordinal, t.number, t.name, m.status, coalesce(t.message, ''), "
      "(SELECT a.sql FROM agent_branch.migration_attempt AS a WHERE a.migration_id = m.id AND "
      "a.made_by = 'agent' ORDER BY a.number DESC LIMIT 1) IS NOT DISTINCT FROM $3, "
      "m.status = 'failed' AND t.status <> 'queued', EXISTS (SELECT FROM agent_branch.migration "
      "AS f WHERE f.session_id = m.session_id AND f.ordinal > m.ordinal) "
      "FROM agent_branch.migration AS m "
      "JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id "
      "WHERE m.session_id = $1 AND m.status <> 'cancelled' AND (NOT $4 OR t.name = $2) "
      "ORDER BY m.ordinal DESC, t.number DESC LIMIT 1",
      {session.id, text.name, text.sql, of_name}, Snapshot::kLatest);
  if (rows.empty()) return std::nullopt;
  const Row &row = rows[0];
  return LastMigration{row.Int(0),
                       static_cast<int32_t>(row.Int(1)),
                       static_cast<int32_t>(row.Int(2)),
                       row[3],
                       row.Text(4),
                       row.Text(5),
                       row.Bool(6),
                       row.Bool(7),
                       row.Bool(8)};
}

std::string NameOf(const LastMigration &migration) {
  const std::string number = "migration " + std::to_string(migration.ordinal);
  return migration.name ? number + " " + Quoted(*migration.name) : number;
}

[[noreturn]] void RefuseOtherText(const LastMigration &named) {
  if (named.status == "applied")
    Raise("42710", NameOf(named) + " is applied already, with another text", {},
          "Give the new text a name of its own.");
  Raise("55006", NameOf(named) + " is under way, with another text", {},
        "Wait for it with agent_wait(): one that has failed can be replaced under its name.");
}

[[noreturn]] void RefuseBehindFailed(const LastMigration &failed) {
  const char *hint =
      failed.name
          ? "Put a corrected text in its place under the same name, or call agent_discard()."
      : failed.has_followers
          ? "What was asked for behind it was cancelled, so it is not known which of the texts "
            "this "
            "one replaces. Call agent_discard(), and give migrations names."
          : "Put a corrected text in its place, without a name as it had none, or call "
            "agent_discard().";
  Raise("55000", NameOf(failed) + " has failed, and this is not the text to replace it",
        failed.error.empty() ? std::string() : "It failed with: " + failed.error, hint);
}

int32_t Replace(Oid caller, const Session &session, const LastMigration &failed,
                const MigrationText &text) {
  const int32_t number = failed.attempt + 1;
  AddAttempt({failed.id, number, text});
  WriteRequest(caller, {"migrate", std::nullopt, session.id, failed.id,
                        "{\"attempt\": " + std::to_string(number) + "}"});
  return failed.ordinal;
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

MigrationText ReadMigration(const std::string &sql, const std::optional<std::string> &name) {
  MigrationText text{PassOverMarks(sql), name, std::nullopt};
  const Script script = PostgresScriptReader().Read(text.sql);
  if (!script.refusal.ok()) RaiseStatus(script.refusal);
  std::string kept = KeptScript(script, text.sql, ParserVersion());
  if (!kept.empty()) text.script = std::move(kept);
  return text;
}

int32_t AddMigration(Oid caller, int64_t session_id, const MigrationText &text) {
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
  AddAttempt({id, 1, text});
  WriteRequest(caller, {"migrate", std::nullopt, session_id, id});
  return ordinal;
}

std::optional<int32_t> FindMigration(Oid caller, const Session &session,
                                     const MigrationText &text) {
  if (text.name) {
    const auto named = ReadLast(session, text, true);
    if (named && named->same_text) return named->ordinal;
    if (named && !named->takes_another) RefuseOtherText(*named);
  }
  if (session.state != "failed") return std::nullopt;
  const auto last = ReadLast(session, text, false);
  if (!last || !last->takes_another) return std::nullopt;
  const bool replaces = last->name == text.name && (text.name || !last->has_followers);
  if (!replaces) RefuseBehindFailed(*last);
  return Replace(caller, session, *last, text);
}

}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_migrate, agent_branch::Migrate)
