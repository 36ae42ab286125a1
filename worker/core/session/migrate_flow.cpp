#include "worker/core/session/migrate_flow.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/flow/transaction_run.hpp"
#include "worker/core/script/risks.hpp"
#include "worker/core/session/notices.hpp"

namespace agent_branch {
namespace {

constexpr milliseconds kFateInterval{200};
// A text that ends its own connection would be run for ever.
constexpr int kMostLostConnections = 3;

bool HasRun(const Session &session) {
  const MigrationRow &migration = session.migrations.front();
  return session.run && session.run->migration_id == migration.id &&
         session.run->attempt == migration.attempt;
}

bool MayBeRisky(const Script &script) {
  if (!script.parsed) return true;
  for (const ScriptStatement &statement : script.statements) {
    if (!statement.risks.empty()) return true;
  }
  return false;
}

void NoteStatements(const Script &script, MigrationRow *migration) {
  migration->status = MigrationStatus::kRunning;
  migration->statements = static_cast<int>(script.statements.size());
  migration->non_transactional.clear();
  for (size_t n = 0; n < script.statements.size(); ++n) {
    if (script.statements[n].non_transactional != NonTransactional::kNo)
      migration->non_transactional.push_back(static_cast<int>(n + 1));
  }
}

std::string TargetOf(const MigrationRow &migration, const Segment &segment) {
  std::string target = "migration " + std::to_string(migration.ordinal);
  if (static_cast<int>(segment.count) == migration.statements &&
      segment.non_transactional == NonTransactional::kNo)
    return target;
  const std::string first = std::to_string(segment.first + 1);
  if (segment.non_transactional != NonTransactional::kNo)
    return target + ", statement " + first + " alone";
  return target + ", statements " + first + " to " + std::to_string(segment.first + segment.count);
}

std::string WhatRuns(const MigrationRow &migration) {
  return "migration " + std::to_string(migration.ordinal) + " on its branch";
}

}  // namespace

Flow<Next> MigrateFlow::Run(Session &session) {
  if (session.given_up()) {
    fixer_->Abandon(session);
    context_->MoveTo(session, SessionState::kDiscarding);
    co_return Next::Look();
  }
  Next next = co_await uris_->FetchOwn(session);
  if (next.fails() || session.row.state != SessionState::kMigrating) co_return next;
  if (session.migrations.empty()) {
    if (session.uncertain) context_->CloseStep(session, false, "nothing to run");
    context_->MoveTo(session, SessionState::kReady);
    co_return Next::Look();
  }
  if (session.migrations.front().status == MigrationStatus::kRepairing) {
    RepairEnd end = co_await fixer_->Repair(session);
    if (end.given_up) GiveUpRepair(session, *end.given_up);
    co_return end.next;
  }
  if (!session.uncertain && FixFlow::IsFix(session.migrations.front())) {
    next = co_await fixer_->Prepare(session);
    const bool goes_on = session.row.state == SessionState::kMigrating &&
                         session.migrations.front().status != MigrationStatus::kRepairing;
    if (next.fails() || !goes_on || !fixer_->IsPrepared(session)) co_return next;
  }
  if (!HasRun(session)) {
    next = co_await Prepare(session);
    if (next.fails() || session.migrations.empty() || !HasRun(session)) co_return next;
  }
  if (session.uncertain) {
    next = co_await Reconcile(session);
  } else if (session.run->rejection) {
    next = co_await LookAfter(session);
  } else {
    next = co_await NextSegment(session);
  }
  co_return next;
}

Flow<Result<Script>> MigrateFlow::ReadScript(Session &session) {
  const int64_t id = session.migrations.front().id;
  const int attempt = session.migrations.front().attempt;
  Result<std::optional<Script>> kept = context_->store().MigrationScript(id, attempt);
  if (!kept.ok()) co_return kept.status();
  if (kept->has_value()) co_return std::move(**kept);
  Result<std::string> sql = context_->store().MigrationSql(id, attempt);
  if (!sql.ok()) co_return sql.status();
  Result<Script> read = co_await context_->ReadScript(session, std::move(*sql));
  co_return read;
}

Flow<Next> MigrateFlow::Prepare(Session &session) {
  Result<Script> read = co_await ReadScript(session);
  if (!read.ok()) co_return Next::Again(read.status());
  MigrationRow &migration = session.migrations.front();
  MigrationRun run;
  run.migration_id = migration.id;
  run.attempt = migration.attempt;
  run.segments = SplitIntoSegments(*read);
  run.script = std::make_shared<const Script>(std::move(*read));
  session.run = std::move(run);
  const Script &script = *session.run->script;
  NoteStatements(script, &migration);
  const bool begun = session.uncertain || migration.statements_done > 0;
  if (begun) co_return Next::Look();
  if (!script.refusal.ok()) {
    ServerError error = AsServerError(script.refusal);
    const size_t refused = script.refused;
    const int statement = static_cast<int>(refused);
    if (refused > 0 && refused <= script.statements.size()) {
      error.line = script.statements[refused - 1].line;
      error.column = script.statements[refused - 1].column;
    }
    co_await Rejected(session, std::move(error), statement, false);
    co_return Next::Look();
  }
  if (!MayBeRisky(script)) {
    migration.risks = "[]";
    co_return Next::Look();
  }
  Next next = co_await WeighRisks(session);
  co_return next;
}

Flow<Next> MigrateFlow::WeighRisks(Session &session) {
  const std::shared_ptr<const Script> script = session.run->script;
  std::string answer;
  BranchTask task;
  task.kind = BranchTaskKind::kRisks;
  task.sql = RiskQuestions(*script);
  if (!task.sql.empty()) {
    BranchEvent event =
        co_await context_->RunOnBranch(session, std::move(task), "the sizes of its tables");
    const bool told =
        event.outcome == BranchOutcome::kDone || event.outcome == BranchOutcome::kRejected;
    if (!told) {
      session.run.reset();
      Next next = co_await uris_->AfterConnectionFailure(session, event);
      co_return next;
    }
    // A branch that cannot tell keeps no risk from being told of, and none from being refused.
    if (event.outcome == BranchOutcome::kDone) answer = event.answer;
  }
  const std::vector<std::string> &refused = context_->ProjectOf(session).row.refuse_risks;
  Risks risks = agent_branch::WeighRisks(*script, answer, refused);
  session.migrations.front().risks = std::move(risks.json);
  if (risks.refusal.ok()) co_return Next::Look();
  ServerError refusal = AsServerError(risks.refusal);
  const bool repairable = risks.repairable;
  co_await Rejected(session, std::move(refusal), 0, repairable);
  co_return Next::Look();
}

Status MigrateFlow::JudgeDone(Session &session, const BranchEvent &ready) {
  if (FixFlow::IsFix(session.migrations.front())) {
    const Intent proven = fixer_->Prove(session, ready);
    if (!proven.preserved) return Status::Error("AB003", proven.reason);
  }
  Status invalid = RefuseInvalidIndex(ready, ready.record);
  const std::vector<std::string> &refused = context_->ProjectOf(session).row.refuse_risks;
  if (!invalid.ok() || refused.empty()) return invalid;
  MigrationRow &migration = session.migrations.front();
  Risks done = WeighRecord(*session.run->script, ready.record, migration.record, refused);
  migration.risks = JoinRisks(migration.risks, done.json);
  return std::move(done.refusal);
}

const Segment *MigrateFlow::CurrentSegment(const Session &session) const {
  const auto done = static_cast<size_t>(session.migrations.front().statements_done);
  for (const Segment &segment : session.run->segments) {
    if (segment.count > 0 && segment.first >= done) return &segment;
  }
  return nullptr;
}

Flow<Next> MigrateFlow::NextSegment(Session &session) {
  const Segment *segment = CurrentSegment(session);
  if (segment == nullptr) {
    Applied(session);
    co_return Next::Look();
  }
  if (segment->non_transactional == NonTransactional::kNo) {
    NoteIntent(session);
    Next next = co_await RunSegment(session, *segment);
    co_return next;
  }
  Next next = co_await RunAlone(session, *segment);
  co_return next;
}

void MigrateFlow::NoteIntent(Session &session) {
  MigrationRow &migration = session.migrations.front();
  migration.status = MigrationStatus::kRunning;
  migration.transaction_id.clear();
  migration.segment_rows = 0;
  migration.segment_record.clear();
  context_->journal().Add(migration);
}

BranchTask MigrateFlow::TaskFor(const Session &session, const Segment &segment) const {
  BranchTask task;
  task.kind = segment.non_transactional == NonTransactional::kNo
                  ? BranchTaskKind::kMigrate
                  : BranchTaskKind::kRunOutsideTransaction;
  task.connection_key = session.connection_key();
  task.uri = session.uris.direct;
  task.settings = segment.settings;
  task.record = segment.non_transactional == NonTransactional::kNo;
  if (task.record && !context_->ProjectOf(session).row.refuse_risks.empty())
    task.settings.emplace_back(kMeasureSetting);
  // Names a statement that runs alone while it does, so that it is found at the branch.
  const MigrationRow &migration = session.migrations.front();
  task.non_transactional = {segment.non_transactional, segment.object, segment.relation,
                            std::to_string(migration.id) + "." + std::to_string(migration.attempt) +
                                "." + std::to_string(segment.first + 1)};
  if (FixFlow::IsFix(migration)) {
    task.prove = true;
    const bool last = segment.first + segment.count == static_cast<size_t>(migration.statements);
    task.facts = fixer_->Facts(session, last);
  }
  return task;
}

Result<std::string> MigrateFlow::SegmentText(const Session &session, const Segment &segment) {
  const MigrationRow &migration = session.migrations.front();
  Result<std::string> sql = context_->store().MigrationSql(migration.id, migration.attempt);
  if (!sql.ok()) return sql.status();
  if (segment.offset > sql->size()) {
    return Status::Error("XX000", "the migration's text is shorter than it was when it was read");
  }
  return sql->substr(segment.offset, segment.length);
}

Flow<Next> MigrateFlow::RunSegment(Session &session, Segment segment) {
  Result<std::string> sql = SegmentText(session, segment);
  if (!sql.ok()) co_return Next::Again(sql.status());
  const MigrationRow &migration = session.migrations.front();
  co_await context_->IntendAndCommit(session, StepKind::kMigrate, TargetOf(migration, segment));
  if (session.given_up()) co_return Next::Look();  // and nothing is sent
  BranchTask task = TaskFor(session, segment);
  task.sql = std::move(sql.value());
  // One that could not be read may be many.
  const auto ends = std::count(task.sql.begin(), task.sql.end(), ';');
  task.statements = static_cast<int>(segment.count > 1 ? segment.count : 1 + ends);
  TransactionCalls calls;
  calls.judge = [this, &session](const BranchEvent &ready) { return JudgeDone(session, ready); };
  calls.note = [this, &session, &segment](const BranchEvent &ready) {
    MigrationRow &noted = session.migrations.front();
    noted.transaction_id = ready.transaction_id;
    noted.segment_rows = ready.rows;
    noted.segment_record =
        WithNotices(WithTransaction(ready.record, ready.transaction_id), noted.attempt,
                    NoticesJson(*session.run->script, segment, ready));
    context_->journal().Add(noted);
  };
  TransactionEnd end =
      co_await RunTransaction(*context_, session, context_->ProjectOf(session), std::move(task),
                              WhatRuns(migration), std::move(calls));
  Next next = co_await OnTransaction(session, std::move(segment), std::move(end));
  co_return next;
}

Flow<Next> MigrateFlow::OnTransaction(Session &session, Segment segment, TransactionEnd end) {
  if (!end.refusal.ok()) {
    if (end.refusal.sqlstate() == "AB003") {
      co_await RefuseFix(session, end.refusal.message());
    } else {
      ServerError refusal = AsServerError(end.refusal);
      const std::string said = SaidOnly(session, segment, end.event);
      co_await Rejected(session, std::move(refusal), 0, false, said);
    }
    co_return Next::Look();
  }
  const BranchEvent &event = end.event;
  switch (event.outcome) {
    case BranchOutcome::kDone: {
      std::string notices = co_await TellNotices(session, segment, event);
      SegmentDone(session, segment, "done", notices);
      co_return Next::Look();
    }
    case BranchOutcome::kRejected: {
      ServerError error = event.server_error;
      const int statement = Locate(session, segment, event.completed, &error);
      if (MayTryAgain(session, error)) {
        co_await AwaitLock(session);
        co_return Next::Look();
      }
      const std::string said = SaidOnly(session, segment, event);
      if (error.sqlstate == "55P03") {
        std::string blockers = co_await AskBlockers(session, segment, statement);
        AddLine(blockers, &error.detail);
      }
      co_await Rejected(session, error, statement, true, said);
      co_return Next::Look();
    }
    case BranchOutcome::kNotRun: {
      Next next = co_await OnLost(session, event);
      co_return next;
    }
    case BranchOutcome::kCommitUnknown:
      break;
  }
  session.uncertain = true;
  co_return Next::Again(event.error);
}

Flow<Next> MigrateFlow::OnLost(Session &session, BranchEvent event) {
  RunAgain(session, "not run: " + event.error.message());
  if (event.sent && ++session.run->lost_connections >= kMostLostConnections) {
    ServerError error = AsServerError(event.error);
    error.message = "the connection to the branch was lost each time the migration ran: " +
                    event.error.message();
    error.detail = "It was run " + std::to_string(kMostLostConnections) + " times.";
    error.hint =
        "A migration must not end its own connection, nor need more memory than the "
        "branch's compute has.";
    co_await Rejected(session, error, 0, false);
    co_return Next::Look();
  }
  Next next = co_await uris_->AfterConnectionFailure(session, event);
  co_return next;
}

Flow<Next> MigrateFlow::Reconcile(Session &session) {
  if (!session.migrations.front().seen_before.empty()) {
    Next next = co_await LookAfter(session);
    co_return next;
  }
  const std::string transaction_id = session.migrations.front().transaction_id;
  if (transaction_id.empty()) {
    // COMMIT is never sent before the id is noted, so whatever ran was rolled back.
    RunAgain(session, "ended before its commit");
    co_return Next::Look();
  }
  BranchTask task;
  task.kind = BranchTaskKind::kTransactionStatus;
  task.transaction_id = transaction_id;
  BranchEvent event = co_await context_->RunOnBranch(session, std::move(task),
                                                     "the branch to say what was committed");
  if (event.outcome == BranchOutcome::kNotRun) {
    Next next = co_await uris_->AfterConnectionFailure(session, event);
    co_return next;
  }
  const bool decided = event.outcome == BranchOutcome::kDone;
  const Segment *segment = CurrentSegment(session);
  if (decided && event.fate == TransactionFate::kCommitted && segment == nullptr) {
    Unknown(session, "The migration is not read as it was when it began.", "cannot be looked up");
  } else if (decided && event.fate == TransactionFate::kCommitted) {
    SegmentDone(session, Segment(*segment), "found committed");
  } else if (decided && event.fate == TransactionFate::kAborted) {
    RunAgain(session, "found rolled back");
  } else if (decided && event.fate == TransactionFate::kInProgress) {
    co_await context_->Pause(session, kFateInterval, "a transaction on the branch to end");
  } else {
    Unknown(session, "The branch no longer knows transaction " + transaction_id + ".",
            "the branch does not know the transaction");
  }
  co_return Next::Look();
}

}  // namespace agent_branch
