#include "worker/core/merge/recorded_work.hpp"

#include <utility>

#include "worker/core/base/json.hpp"
#include "worker/core/merge/dependencies.hpp"
#include "worker/core/merge/standpoint.hpp"
#include "worker/core/script/segments.hpp"
#include "worker/core/script/source_text.hpp"

namespace agent_branch {
namespace {

constexpr milliseconds kStatisticsInterval{500};

std::string Ordinal(const AppliedMigration &migration) {
  return "migration " + std::to_string(migration.ordinal);
}

// Why the script cannot share a transaction with others, or with itself; empty: it can.
std::string WhyNotOnePiece(const Script &script, const std::vector<Segment> &segments) {
  if (!script.refusal.ok()) return "cannot be read";
  if (segments.size() > 1) return "is more than one transaction";
  if (segments.empty()) return {};
  if (segments.front().non_transactional != NonTransactional::kNo)
    return "has a statement that cannot stand in a transaction";
  if (!segments.front().settings.empty()) return "sets how its own transaction runs";
  return {};
}

// Why nothing can come after the script in its transaction; empty: something can.
std::string WhyNothingAfter(const Script &script, const std::string &sql) {
  for (const ScriptStatement &statement : script.statements) {
    if (statement.commit_after) return "adds a value to an enum, to be used once it is committed";
  }
  if (ChangesSessionDefaults(sql)) return "sets what holds for new connections only";
  return {};
}

bool TakesRowsAway(const Script &script) {
  if (!script.parsed) return true;
  for (const ScriptStatement &statement : script.statements) {
    for (const StatementRisk &risk : statement.risks) {
      if (risk.kind == RiskKind::kDrop || risk.kind == RiskKind::kTruncate ||
          risk.kind == RiskKind::kUnfiltered || risk.kind == RiskKind::kUnknown)
        return true;
    }
  }
  return false;
}

// Runs somebody's code, which may empty any table.
bool IsOpaque(const ScriptStatement &statement) {
  const std::string &tag = statement.tag;
  return tag.empty() || tag == "DO" || tag == "CALL" || tag == "SELECT" || tag == "EXECUTE" ||
         tag == "EXPLAIN";
}

void AddRewritten(const Script &script, RecordedWork *work) {
  for (const ScriptStatement &statement : script.statements) {
    work->opaque = work->opaque || IsOpaque(statement);
    for (const StatementRisk &risk : statement.risks) {
      if (risk.kind != RiskKind::kRewrite || risk.relation.empty()) continue;
      const std::vector<std::string> names = NamesIn(risk.relation);
      if (!names.empty()) work->rewritten_by_text.insert(names.back());
    }
  }
  work->opaque = work->opaque || !script.parsed;
}

void AddRisks(int ordinal, const Script &script, RecordedWork *work) {
  constexpr size_t kMostRisks = 200;
  for (size_t n = 0; n < script.statements.size(); ++n) {
    for (const StatementRisk &risk : script.statements[n].risks) {
      if (work->risks.size() == kMostRisks) return;
      work->risks.push_back({ordinal, static_cast<int>(n) + 1, risk});
    }
  }
}

// nothing_after: why no migration can follow those that were added; empty: one can.
Status Add(const AppliedMigration &migration, const Script &script, std::string *nothing_after,
           RecordedWork *work) {
  const std::vector<Segment> segments = SplitIntoSegments(script);
  RecordedMigration recorded;
  recorded.ordinal = migration.ordinal;
  recorded.script.statements = static_cast<int>(script.statements.size()) + 1;
  std::string why = WhyNotOnePiece(script, segments);
  if (why.empty())
    recorded.script.sql = migration.sql.substr(segments.front().offset, segments.front().length);
  if (!why.empty()) why = Ordinal(migration) + " " + why;
  if (why.empty()) why = *nothing_after;
  if (work->not_one_piece.empty()) work->not_one_piece = std::move(why);
  *nothing_after = WhyNothingAfter(script, migration.sql);
  if (!nothing_after->empty()) *nothing_after = Ordinal(migration) + " " + *nothing_after;
  work->takes_rows_away = work->takes_rows_away || TakesRowsAway(script);
  AddRewritten(script, work);
  AddRisks(migration.ordinal, script, work);
  work->migrations.push_back(std::move(recorded));
  return AddRecord(migration.record, &work->rows);
}

int64_t Count(const JsonValue &counts, const char *name) {
  return JsonInteger(&counts, name).value_or(0);
}

RowCounts ReadCounts(const JsonValue &value) {
  return {Count(value, "inserted"), Count(value, "updated"), Count(value, "deleted")};
}

std::map<std::string, RowCounts> ReadChanges(const JsonDocument &document) {
  std::map<std::string, RowCounts> changes;
  const JsonValue *object = JsonMember(&document, "changes");
  if (object == nullptr || !object->IsObject()) return changes;
  for (const auto &member : object->GetObject()) {
    if (!member.value.IsObject()) continue;
    changes[std::string(member.name.GetString(), member.name.GetStringLength())] =
        ReadCounts(member.value);
  }
  return changes;
}

// Rows that were deleted, as the statistics know, and neither before the fork nor by the record.
// What was inserted or updated is there to be seen; the statistics count it even when it was rolled
// back, as a migration's that failed.
std::string DeletedBesides(const RowCounts &now, const RowCounts &fork, const RowCounts &recorded) {
  const int64_t deleted = now.deleted - fork.deleted - recorded.deleted;
  return deleted > 0 ? std::to_string(deleted) + " rows deleted" : std::string();
}

RowCounts CountsOf(const std::map<std::string, RowCounts> &tables, const std::string &table) {
  const auto found = tables.find(table);
  return found == tables.end() ? RowCounts() : found->second;
}

// Of a branch's statistics and of those it began with.
bool SameStatistics(const JsonDocument &now, const JsonDocument &fork) {
  return JsonString(&now, "statistics_since") == JsonString(&fork, "statistics_since");
}

// Autovacuum comes by at any time. Each of its transactions counts one, so that one more is
// somebody's; and whoever changes the schema or writes elsewhere is seen there.
bool OnlyMaintained(const JsonDocument &now, const JsonDocument &then) {
  const std::optional<int64_t> foreign = JsonInteger(&now, "foreign_count");
  const std::optional<int64_t> before = JsonInteger(&then, "maintained");
  const std::optional<int64_t> after = JsonInteger(&now, "maintained");
  const std::optional<int64_t> elsewhere = JsonInteger(&now, "elsewhere");
  const bool known = foreign && before && after && elsewhere && SameStatistics(now, then);
  return known && *foreign <= *after - *before && elsewhere == JsonInteger(&then, "elsewhere") &&
         JsonInteger(&now, "catalogs") == 0;
}

void AddWritten(const JsonDocument &document, std::map<std::string, std::string> *tables) {
  const JsonValue *written = JsonMember(&document, "written");
  if (written == nullptr || !written->IsObject()) return;
  constexpr int64_t kMany = 1'000;
  for (const auto &member : written->GetObject()) {
    if (!member.value.IsInt64()) continue;
    const int64_t rows = member.value.GetInt64();
    std::string &told =
        (*tables)[std::string(member.name.GetString(), member.name.GetStringLength())];
    if (rows < 0) {
      told = "truncated or rewritten";
    } else {
      told = (rows > kMany ? "more than " + std::to_string(kMany) : std::to_string(rows)) +
             " rows written";
    }
  }
}

}  // namespace

std::string TableNumbersExpression() {
  return "(SELECT coalesce(jsonb_object_agg(format('%I.%I', n.nspname, c.relname), c.oid::int8), "
         "'{}')::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
         "c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' "
         "AND n.nspname <> 'information_schema')";
}

std::string SnapshotQuery() {
  return "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text AS snapshot";
}

std::map<std::string, int64_t> ReadTableNumbers(std::string_view json) {
  std::map<std::string, int64_t> tables;
  Result<JsonDocument> document = ParseJson(json);
  if (!document.ok() || !document->IsObject()) return tables;
  for (const auto &member : document->GetObject()) {
    if (!member.value.IsInt64()) continue;
    tables[std::string(member.name.GetString(), member.name.GetStringLength())] =
        member.value.GetInt64();
  }
  return tables;
}

Result<UnrecordedRows> JudgeUnrecorded(std::string_view answer, std::string_view fork,
                                       const ChangedRows &recorded) {
  Result<JsonDocument> now = ParseJson(answer);
  if (!now.ok()) return now.status();
  Result<JsonDocument> then = ParseJson(fork);
  if (!then.ok()) return then.status();
  UnrecordedRows rows;
  // Too many ids to be looked at are some.
  rows.any_transaction = JsonInteger(&now.value(), "foreign_count").value_or(1) > 0;
  if (!rows.any_transaction) return rows;
  std::map<std::string, std::string> tables;
  AddWritten(now.value(), &tables);
  if (SameStatistics(now.value(), then.value())) {
    const auto before = ReadChanges(then.value());
    for (const auto &[table, counts] : ReadChanges(now.value())) {
      const std::string deleted =
          DeletedBesides(counts, CountsOf(before, table), CountsOf(recorded.tables, table));
      if (deleted.empty()) continue;
      std::string &told = tables[table];
      told += (told.empty() ? "" : ", ") + deleted;
    }
  }
  for (const auto &[table, told] : tables)
    rows.tables.push_back("table " + table + ": " + told);
  rows.settled = JsonInteger(&now.value(), "recent_clients").value_or(0) == 0;
  rows.only_maintained = rows.tables.empty() && OnlyMaintained(now.value(), then.value());
  return rows;
}

Flow<Result<Script>> RecordedWorkReader::ScriptOf(Session &session,
                                                  const AppliedMigration &migration) {
  const std::string sql = migration.sql;
  Result<std::optional<Script>> kept =
      context_->store().MigrationScript(migration.id, migration.attempt);
  if (!kept.ok()) co_return kept.status();
  if (kept->has_value()) co_return std::move(**kept);
  Result<Script> read = co_await context_->ReadScript(session, sql);
  co_return read;
}

Flow<Result<RecordedWork>> RecordedWorkReader::Read(Session &session) {
  // What became of the last migration may still wait to be written, and would not be read.
  co_await context_->Commit(session);
  const int64_t id = session.row.id;
  Result<RecordedWork> work = co_await ReadOf(session, id);
  co_return work;
}

Flow<Result<RecordedWork>> RecordedWorkReader::ReadOf(Session &session, int64_t other_id) {
  Result<std::vector<AppliedMigration>> applied = context_->store().AppliedMigrations(other_id);
  if (!applied.ok()) co_return applied.status();
  RecordedWork work;
  std::string nothing_after;
  for (const AppliedMigration &migration : *applied) {
    Result<Script> script = co_await ScriptOf(session, migration);
    if (!script.ok()) co_return script.status();
    Status status = Add(migration, *script, &nothing_after, &work);
    if (!status.ok()) co_return status;
  }
  co_return work;
}

Flow<BranchEvent> RecordedWorkReader::RunOnBranch(Session &session, BranchTask task,
                                                  std::string what) {
  Next next = co_await uris_->FetchOwn(session);
  if (next.fails()) {
    BranchEvent unasked;
    unasked.outcome = BranchOutcome::kNotRun;
    unasked.error = std::move(next.trouble);
    co_return unasked;
  }
  BranchEvent event = co_await context_->RunOnBranch(session, std::move(task), std::move(what));
  if (event.outcome != BranchOutcome::kNotRun) co_return event;
  const BranchEvent copy = event;
  co_await uris_->AfterConnectionFailure(session, copy);
  co_return event;
}

Flow<BranchEvent> RecordedWorkReader::AskUnrecorded(Session &session, std::string since,
                                                    std::string own) {
  BranchTask task;
  task.kind = BranchTaskKind::kUnrecorded;
  task.transaction_id = std::move(since);
  task.sql = std::move(own);
  BranchEvent event = co_await RunOnBranch(session, std::move(task),
                                           "the branch to say what was done outside of migrations");
  co_return event;
}

// A JSON array of the migrations' transactions and the worker's own.
static std::string OwnWindows(const ForkRow &fork, const RecordedWork &recorded) {
  const std::string ours = OwnTransactions(fork.branch);
  const bool both = !recorded.rows.transactions.empty() && !ours.empty();
  return "[" + recorded.rows.transactions + (both ? "," : "") + ours + "]";
}

Flow<Result<std::vector<std::string>>> RecordedWorkReader::FindUnrecorded(Session &session,
                                                                          RecordedWork recorded) {
  Result<ForkRow> fork = context_->store().Fork(session.row.id);
  if (!fork.ok()) co_return fork.status();
  std::vector<std::string> unknown{"it is not known where the branch stood when it was made"};
  Result<Standpoint> stood = ReadStandpoint(fork->branch);
  if (!stood.ok()) co_return unknown;
  const std::string since = stood->next_xid;
  const std::string own = OwnWindows(*fork, recorded);
  const Instant give_up = context_->now() + milliseconds(30'000);
  bool first = true;
  for (;;) {
    BranchEvent event = co_await AskUnrecorded(session, since, own);
    if (event.outcome == BranchOutcome::kNotRun) co_return event.error;
    if (event.outcome != BranchOutcome::kDone) {
      unknown.front() = "the branch cannot tell what was done there: " + event.error.message();
      co_return unknown;
    }
    Result<UnrecordedRows> rows = JudgeUnrecorded(event.answer, fork->branch, recorded.rows);
    if (!rows.ok()) co_return rows.status();
    if (!rows->any_transaction || !rows->tables.empty()) co_return rows->tables;
    // Our own session tells the statistics what it did when it ends.
    if (!first && (rows->settled || context_->now() >= give_up)) co_return rows->tables;
    if (first) context_->branches().Close(session.connection_key());
    first = false;
    if (!rows->settled)
      co_await context_->Pause(session, kStatisticsInterval,
                               "the statistics of others who work on the branch");
  }
}

Flow<Result<BranchNow>> RecordedWorkReader::LookAtBranch(Session &session, RecordedWork recorded,
                                                         bool rows_count) {
  BranchTask task;
  task.kind = BranchTaskKind::kFingerprint;
  task.facts = "pg_current_snapshot()::text || ' ' || " + TableNumbersExpression();
  BranchEvent event = co_await RunOnBranch(session, std::move(task), "a description of the branch");
  if (event.outcome != BranchOutcome::kDone) co_return event.error;
  BranchNow now;
  now.fingerprint = event.fingerprint;
  now.description = event.objects;
  Result<ObjectMap> objects = ReadObjectMap(event.objects);
  if (!objects.ok()) co_return objects.status();
  now.objects = std::move(*objects);
  const size_t blank = event.answer.find(' ');
  const bool told = blank != std::string::npos && event.answer.find('{') > blank;
  if (told) now.snapshot = event.answer.substr(0, blank);
  now.tables = ReadTableNumbers(std::string_view(event.answer).substr(told ? blank + 1 : 0));
  if (!rows_count) co_return now;
  Result<std::vector<std::string>> unrecorded =
      co_await FindUnrecorded(session, std::move(recorded));
  if (!unrecorded.ok()) co_return unrecorded.status();
  now.unrecorded = std::move(*unrecorded);
  co_return now;
}

Flow<Result<bool>> RecordedWorkReader::IsAsSeen(Session &session, BranchNow seen,
                                                RecordedWork recorded, bool rows_count) {
  Result<BranchNow> now = co_await LookAtBranch(session, recorded, false);
  if (!now.ok()) co_return now.status();
  if (!seen.snapshot.empty() && now->snapshot == seen.snapshot) co_return true;
  if (now->fingerprint != seen.fingerprint || now->tables != seen.tables) co_return false;
  if (!rows_count) co_return true;
  Result<ForkRow> fork = context_->store().Fork(session.row.id);
  if (!fork.ok()) co_return fork.status();
  Result<Standpoint> stood = ReadStandpoint(fork->branch);
  if (!stood.ok()) co_return false;
  const std::string since = stood->next_xid;
  const std::string own = OwnWindows(*fork, recorded);
  BranchEvent event = co_await AskUnrecorded(session, since, own);
  if (event.outcome == BranchOutcome::kNotRun) co_return event.error;
  if (event.outcome != BranchOutcome::kDone) co_return false;
  Result<UnrecordedRows> rows = JudgeUnrecorded(event.answer, fork->branch, recorded.rows);
  if (!rows.ok()) co_return rows.status();
  const bool told = !rows->any_transaction || rows->settled;
  co_return told && rows->tables == seen.unrecorded;
}

}  // namespace agent_branch
