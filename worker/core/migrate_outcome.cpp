// How a segment and a migration end, and where in its text an error is.
#include <algorithm>
#include <utility>

#include "worker/core/migrate_flow.hpp"

namespace agent_branch {
namespace {

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

int MigrateFlow::Locate(const Session &session, int completed, ServerError *error) const {
  const MigrationRow &migration = session.migrations.front();
  const Segment *segment = CurrentSegment(session);
  if (error->line == 1) error->column += segment->column - 1;
  if (error->line > 0) error->line += segment->line - 1;
  Result<std::string> sql = desk_->store().MigrationSql(migration.id, migration.attempt);
  if (!sql.ok()) return 0;
  const Script script = reader_->Read(sql.value());
  if (error->line > 0 && script.parsed) return StatementAt(script, *error);
  if (completed < 0) return 0;
  const size_t number = segment->first + static_cast<size_t>(completed);
  if (number < script.statements.size() && script.parsed) {
    error->line = script.statements[number].line;
    error->column = script.statements[number].column;
  }
  return static_cast<int>(number) + 1;
}

void MigrateFlow::SegmentDone(Session &session, const std::string &outcome) {
  MigrationRow &migration = session.migrations.front();
  const Segment *segment = CurrentSegment(session);
  migration.statements_done = static_cast<int>(segment->first + segment->count);
  migration.rows += std::exchange(migration.segment_rows, 0);
  migration.seen_before.clear();
  session.run->rejection.reset();
  desk_->CloseStep(session, true, outcome);
  session.failures = 0;
  desk_->ShowTrouble(session, Status());
  if (CurrentSegment(session) == nullptr) {
    Applied(session);
    return;
  }
  migration.transaction_id.clear();
  desk_->journal().Add(migration);
  desk_->Save(session);
  desk_->Resume(session);
}

void MigrateFlow::Applied(Session &session) {
  MigrationRow migration = session.migrations.front();
  session.migrations.pop_front();
  session.run.reset();
  migration.status = MigrationStatus::kApplied;
  migration.error = ServerError();
  desk_->journal().Add(migration);
  desk_->Save(session);
  desk_->Resume(session);
}

void MigrateFlow::Rejected(Session &session, const ServerError &error, int statement) {
  MigrationRow migration = session.migrations.front();
  session.migrations.pop_front();
  session.run.reset();
  migration.status = MigrationStatus::kFailed;
  migration.segment_rows = 0;
  migration.seen_before.clear();
  migration.statement = statement;
  migration.error = error;
  if (const std::string kept = StatementsInEffect(migration); !kept.empty()) {
    migration.error.detail += (error.detail.empty() ? "" : "\n") + kept;
    migration.error.hint = "Leave them out of the corrected migration. " + error.hint;
  }
  desk_->journal().Add(migration);
  desk_->CloseStep(session, false, "SQLSTATE " + error.sqlstate);
  desk_->Fail(session, Describe(migration));
}

void MigrateFlow::RunAgain(Session &session, const std::string &outcome) {
  MigrationRow &migration = session.migrations.front();
  if (migration.statements_done == 0) migration.status = MigrationStatus::kQueued;
  migration.transaction_id.clear();
  migration.seen_before.clear();
  migration.segment_rows = 0;
  desk_->journal().Add(migration);
  desk_->CloseStep(session, false, outcome);
  desk_->Save(session);
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
  desk_->journal().Add(migration);
  desk_->CloseStep(session, false, outcome);
  desk_->Fail(session, Describe(migration));
}

}  // namespace agent_branch
