// How a segment and a migration end, and where in its text an error is.
#include <algorithm>
#include <optional>
#include <utility>

#include "worker/core/session/migrate_flow.hpp"
#include "worker/core/session/notices.hpp"

namespace agent_branch {
namespace {

// Records of a transaction that had no id, and of a statement that ran alone.
constexpr char kNothingWritten[] = R"({"counted": true, "rows": {}})";
constexpr char kNotCounted[] = R"({"counted": false})";

std::string StatementsInEffect(const MigrationRow &migration) {
  if (migration.statements_done == 0) return {};
  if (migration.statements_done == 1) return "Statement 1 is committed and stays in effect.";
  return "Statements 1 to " + std::to_string(migration.statements_done) +
         " are committed and stay in effect.";
}

std::string PlaceOf(const MigrationRow &migration) {
  std::string place = "SQLSTATE " + migration.error.sqlstate;
  if (migration.statement > 0 && migration.statements > 1)
    place += ", statement " + std::to_string(migration.statement);
  if (migration.error.line > 0) {
    place += ", line " + std::to_string(migration.error.line) + ", column " +
             std::to_string(migration.error.column);
  }
  return place + ".";
}

Status Describe(const MigrationRow &migration) {
  const ServerError &error = migration.error;
  std::string detail = PlaceOf(migration);
  if (!error.detail.empty()) detail += " " + error.detail;
  const bool off = migration.fixer.compare(0, 4, "off:") == 0;
  if (!off && !migration.fixer.empty()) detail += " Fixer: " + migration.fixer + ".";
  const char *hint = "Call agent_migrate() with a corrected migration, or agent_discard().";
  return Status::Error(
      error.sqlstate,
      "migration " + std::to_string(migration.ordinal) + " failed: " + error.message, detail,
      error.hint.empty() ? hint : error.hint);
}

// The number of the last statement that begins at this place or before it.
int StatementAt(const Script &script, const ServerError &error) {
  int number = 0;
  for (const ScriptStatement &statement : script.statements) {
    const bool behind = statement.line > error.line ||
                        (statement.line == error.line && statement.column > error.column);
    if (behind) break;
    ++number;
  }
  return std::max(number, 1);
}

}  // namespace

int MigrateFlow::Locate(const Session &session, const Segment &segment, int completed,
                        ServerError *error) const {
  if (error->line == 1) error->column += segment.column - 1;
  if (error->line > 0) error->line += segment.line - 1;
  const Script &script = *session.run->script;
  if (error->line > 0 && script.parsed) return StatementAt(script, *error);
  if (completed < 0) return 0;
  const size_t number = segment.first + static_cast<size_t>(completed);
  if (number < script.statements.size() && script.parsed) {
    error->line = script.statements[number].line;
    error->column = script.statements[number].column;
  }
  return static_cast<int>(number) + 1;
}

void MigrateFlow::SegmentDone(Session &session, const Segment &segment, const std::string &outcome,
                              const std::string &notices) {
  MigrationRow &migration = session.migrations.front();
  migration.statements_done = static_cast<int>(segment.first + segment.count);
  migration.rows += std::exchange(migration.segment_rows, 0);
  std::string record = std::exchange(migration.segment_record, {});
  if (record.empty())
    record = segment.non_transactional == NonTransactional::kNo ? kNothingWritten : kNotCounted;
  record = WithNotices(record, migration.attempt, notices);
  migration.record += (migration.record.empty() ? "" : ", ") + record;
  migration.seen_before.clear();
  session.run->rejection.reset();
  context_->CloseStep(session, true, outcome);
  context_->Progress(session);
  if (CurrentSegment(session) == nullptr) {
    Applied(session);
    return;
  }
  migration.transaction_id.clear();
  context_->journal().Add(migration);
  context_->Save(session);
}

void MigrateFlow::Applied(Session &session) {
  MigrationRow migration = session.migrations.front();
  session.migrations.pop_front();
  session.run.reset();
  migration.status = MigrationStatus::kApplied;
  migration.error = ServerError();
  if (FixFlow::IsFix(migration)) {
    migration.fixer = "mended by " + migration.made_by;
    fixer_->Applied(session, migration);
  }
  context_->journal().Add(migration);
  context_->Save(session);
}

Flow<> MigrateFlow::Rejected(Session &session, ServerError error, int statement, bool may_repair,
                             std::string said) {
  MigrationRow &rejected = session.migrations.front();
  session.run.reset();
  rejected.segment_rows = 0;
  rejected.segment_record = std::move(said);
  rejected.seen_before.clear();
  rejected.statement = statement;
  rejected.error = error;
  if (FixFlow::IsFix(rejected)) fixer_->Failed(session, rejected);
  if (may_repair && fixer_->Takes(session, error)) {
    rejected.status = MigrationStatus::kRepairing;
    context_->journal().Add(rejected);
    context_->CloseStep(session, false, "SQLSTATE " + error.sqlstate);
    context_->Save(session);
    co_await context_->Commit(session);
    co_return;
  }
  MigrationRow migration = rejected;
  session.migrations.pop_front();
  migration.status = MigrationStatus::kFailed;
  if (const std::string kept = StatementsInEffect(migration); !kept.empty()) {
    migration.error.detail += (error.detail.empty() ? "" : "\n") + kept;
    migration.error.hint = "Leave them out of the corrected migration. " + error.hint;
  }
  context_->journal().Add(migration);
  context_->CloseStep(session, false, "SQLSTATE " + error.sqlstate);
  context_->Fail(session, Describe(migration));
}

Flow<> MigrateFlow::RefuseFix(Session &session, std::string reason) {
  const MigrationRow &migration = session.migrations.front();
  if (migration.statements_done > 0) {
    ServerError error;
    error.sqlstate = "AB003";
    error.message = "the fix does something else than the migration: " + reason;
    co_await Rejected(session, error, 0, false);
    co_return;
  }
  session.run.reset();
  context_->CloseStep(session, false, "refused: " + reason);
  fixer_->Refuse(session, reason);
  context_->Save(session);
  co_await context_->Commit(session);
}

void MigrateFlow::GiveUpRepair(Session &session, const ServerError &error) {
  MigrationRow migration = session.migrations.front();
  session.migrations.pop_front();
  session.run.reset();
  migration.status = MigrationStatus::kFailed;
  migration.error = error;
  context_->journal().Add(migration);
  context_->Fail(session, Describe(migration));
}

void MigrateFlow::RunAgain(Session &session, const std::string &outcome) {
  MigrationRow &migration = session.migrations.front();
  if (migration.statements_done == 0) migration.status = MigrationStatus::kQueued;
  migration.transaction_id.clear();
  migration.seen_before.clear();
  migration.segment_rows = 0;
  migration.segment_record.clear();
  context_->journal().Add(migration);
  context_->CloseStep(session, false, outcome);
  context_->Save(session);
}

void MigrateFlow::Unknown(Session &session, const std::string &detail, const std::string &outcome) {
  MigrationRow migration = session.migrations.front();
  session.migrations.pop_front();
  session.run.reset();
  migration.status = MigrationStatus::kFailed;
  migration.error = ServerError();
  migration.error.sqlstate = "08007";
  migration.error.message = "it is not known whether the migration was committed";
  migration.error.detail = detail;
  context_->journal().Add(migration);
  context_->CloseStep(session, false, outcome);
  context_->Fail(session, Describe(migration));
}

}  // namespace agent_branch
