#include "worker/core/session/migrate_flow.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/script/risks.hpp"

namespace agent_branch {
namespace {

ServerError AsServerError(const Status &status) {
  ServerError error;
  error.sqlstate = status.sqlstate();
  error.message = status.message();
  error.detail = status.detail();
  error.hint = status.hint();
  return error;
}

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
  migration->alone.clear();
  for (size_t n = 0; n < script.statements.size(); ++n) {
    if (script.statements[n].alone != Alone::kNo)
      migration->alone.push_back(static_cast<int>(n + 1));
  }
}

std::string TargetOf(const MigrationRow &migration, const Segment &segment) {
  std::string target = "migration " + std::to_string(migration.ordinal);
  if (static_cast<int>(segment.count) == migration.statements && segment.alone == Alone::kNo)
    return target;
  const std::string first = std::to_string(segment.first + 1);
  if (segment.alone != Alone::kNo) return target + ", statement " + first + " alone";
  return target + ", statements " + first + " to " + std::to_string(segment.first + segment.count);
}

}  // namespace

void MigrateFlow::Drive(Session &session) {
  if (session.row.goal == Goal::kDiscard || session.row.goal == Goal::kExpire) {
    fixer_->Abandon(session);
    desk_->MoveTo(session, SessionState::kDiscarding);
  } else if (!creator_->HaveUris(session)) {
    return;  // a crash of the server took them
  } else if (session.migrations.empty()) {
    if (session.uncertain) desk_->CloseStep(session, false, "nothing to run");
    desk_->MoveTo(session, SessionState::kReady);
  } else if (session.migrations.front().status == MigrationStatus::kRepairing) {
    fixer_->Drive(session);
  } else if (!session.uncertain && FixFlow::IsFix(session.migrations.front()) &&
             !fixer_->Prepare(session)) {
    return;
  } else if (!HasRun(session)) {
    Prepare(session);
  } else if (session.uncertain) {
    Reconcile(session);
  } else if (session.run->rejection) {
    LookAfter(session);
  } else {
    NextSegment(session);
  }
}

void MigrateFlow::Prepare(Session &session) {
  MigrationRow &migration = session.migrations.front();
  Result<std::string> sql = desk_->store().MigrationSql(migration.id, migration.attempt);
  if (!sql.ok()) {
    desk_->TryAgain(session, sql.status());
    return;
  }
  auto script = std::make_shared<const Script>(reader_->Read(sql.value()));
  MigrationRun run;
  run.migration_id = migration.id;
  run.attempt = migration.attempt;
  run.segments = SplitIntoSegments(*script);
  session.run = std::move(run);
  NoteStatements(*script, &migration);
  bool begun = session.uncertain || migration.statements_done > 0;
  if (begun) {
    desk_->Resume(session);
  } else if (!script->refusal.ok()) {
    ServerError error = AsServerError(script->refusal);
    const int statement = static_cast<int>(script->refused);
    if (statement > 0) {
      error.line = script->statements[script->refused - 1].line;
      error.column = script->statements[script->refused - 1].column;
    }
    Rejected(session, error, statement, false);
  } else if (MayBeRisky(*script)) {
    LookAtRisks(session, script);
  } else {
    migration.risks = "[]";
    desk_->Resume(session);
  }
}

void MigrateFlow::LookAtRisks(Session &session, std::shared_ptr<const Script> script) {
  BranchTask task;
  task.kind = BranchTaskKind::kRisks;
  task.connection_key = session.connection_key();
  task.uri = session.uri;
  task.sql = RiskQuestions(*script);
  if (task.sql.empty()) {
    Weigh(session, *script, "");
    return;
  }
  desk_->Run(session, std::move(task), [this, script](Session &asked, const BranchEvent &event) {
    if (event.outcome == BranchOutcome::kDone || event.outcome == BranchOutcome::kRejected) {
      // One that cannot tell keeps nothing from being told of, and nothing from being refused.
      Weigh(asked, *script, event.outcome == BranchOutcome::kDone ? event.answer : "");
      return;
    }
    asked.run.reset();
    desk_->TryAgainIfBranchExists(asked, event.error);
  });
}

void MigrateFlow::Weigh(Session &session, const Script &script, const std::string &answer) {
  const std::vector<std::string> &refused = desk_->ProjectOf(session).row.refuse_risks;
  Risks risks = WeighRisks(script, answer, refused);
  session.migrations.front().risks = std::move(risks.json);
  if (!risks.refusal.ok()) {
    Rejected(session, AsServerError(risks.refusal), 0, risks.repairable);
    return;
  }
  desk_->Resume(session);
}

const Segment *MigrateFlow::CurrentSegment(const Session &session) const {
  const auto done = static_cast<size_t>(session.migrations.front().statements_done);
  for (const Segment &segment : session.run->segments) {
    if (segment.count > 0 && segment.first >= done) return &segment;
  }
  return nullptr;
}

void MigrateFlow::NextSegment(Session &session) {
  const Segment *segment = CurrentSegment(session);
  if (segment == nullptr) {
    Applied(session);
  } else if (segment->alone == Alone::kNo) {
    Intend(session, *segment);
  } else {
    LookBefore(session, *segment);
  }
}

void MigrateFlow::Intend(Session &session, const Segment &segment) {
  MigrationRow &migration = session.migrations.front();
  migration.status = MigrationStatus::kRunning;
  migration.transaction_id.clear();
  migration.segment_rows = 0;
  desk_->journal().Add(migration);
  desk_->Intend(session, StepKind::kMigrate, TargetOf(migration, segment),
                [this](Session &intended) { Run(intended); });
}

BranchTask MigrateFlow::TaskFor(const Session &session, const Segment &segment) const {
  BranchTask task;
  task.kind = segment.alone == Alone::kNo ? BranchTaskKind::kMigrate : BranchTaskKind::kRunAlone;
  task.connection_key = session.connection_key();
  task.uri = session.uri;
  task.settings = segment.settings;
  // Names a statement that runs alone while it does, so that it is found at the branch.
  const MigrationRow &migration = session.migrations.front();
  task.alone = {segment.alone, segment.object, segment.relation,
                std::to_string(migration.id) + "." + std::to_string(migration.attempt) + "." +
                    std::to_string(segment.first + 1)};
  if (FixFlow::IsFix(migration)) {
    task.prove = true;
    const bool last = segment.first + segment.count == static_cast<size_t>(migration.statements);
    task.facts = fixer_->Facts(session, last);
  }
  return task;
}

void MigrateFlow::Run(Session &session) {
  // Given up while its step was committed: it is driven on, and nothing is sent.
  if (session.row.goal == Goal::kDiscard || session.row.goal == Goal::kExpire) return;
  const MigrationRow &migration = session.migrations.front();
  Result<std::string> sql = desk_->store().MigrationSql(migration.id, migration.attempt);
  if (!sql.ok()) {
    session.uncertain = true;
    desk_->TryAgain(session, sql.status());
    return;
  }
  const Segment &segment = *CurrentSegment(session);
  BranchTask task = TaskFor(session, segment);
  task.sql = sql->substr(segment.offset, segment.length);
  // One that could not be read may be many.
  const auto ends = std::count(task.sql.begin(), task.sql.end(), ';');
  task.statements = static_cast<int>(segment.count > 1 ? segment.count : 1 + ends);
  desk_->Run(session, std::move(task),
             [this](Session &ran, const BranchEvent &event) { OnEvent(ran, event); });
}

void MigrateFlow::OnEvent(Session &session, const BranchEvent &event) {
  if (event.kind == BranchEvent::Kind::kReadyToCommit) {
    OnReadyToCommit(session, event);
    return;
  }
  switch (event.outcome) {
    case BranchOutcome::kDone:
      if (!session.migrations.front().seen_before.empty())
        session.migrations.front().segment_rows = event.rows;
      SegmentDone(session, "done");
      return;
    case BranchOutcome::kRejected:
      if (session.migrations.front().seen_before.empty()) {
        ServerError error = event.server_error;
        const int statement = Locate(session, event.completed, &error);
        Rejected(session, error, statement, true);
        return;
      }
      session.run->rejection = event.server_error;
      desk_->Resume(session);
      return;
    case BranchOutcome::kNotRun:
      RunAgain(session, "not run: " + event.error.message());
      desk_->TryAgainIfBranchExists(session, event.error);
      return;
    case BranchOutcome::kCommitUnknown:
      session.uncertain = true;
      desk_->TryAgain(session, event.error);
      return;
  }
}

void MigrateFlow::OnReadyToCommit(Session &session, const BranchEvent &event) {
  MigrationRow &migration = session.migrations.front();
  if (FixFlow::IsFix(migration)) {
    const Intent proven = fixer_->Prove(session, event.objects, event.answer);
    if (!proven.preserved) {
      RefuseFix(session, proven.reason);
      return;
    }
  }
  migration.transaction_id = event.transaction_id;
  migration.segment_rows = event.rows;
  if (event.transaction_id.empty()) {
    // It wrote nothing, so there is nothing to lose.
    desk_->branches().Commit(event.id);
    return;
  }
  desk_->journal().Add(migration);
  desk_->journal().AfterCommit([this, id = event.id] { desk_->branches().Commit(id); });
}

void MigrateFlow::Reconcile(Session &session) {
  const MigrationRow &migration = session.migrations.front();
  if (!migration.seen_before.empty()) {
    LookAfter(session);
    return;
  }
  if (migration.transaction_id.empty()) {
    // COMMIT is never sent before the id is noted, so whatever ran was rolled back.
    RunAgain(session, "ended before its commit");
    desk_->Resume(session);
    return;
  }
  BranchTask task;
  task.kind = BranchTaskKind::kTransactionStatus;
  task.connection_key = session.connection_key();
  task.uri = session.uri;
  task.transaction_id = migration.transaction_id;
  desk_->Run(session, std::move(task),
             [this](Session &asked, const BranchEvent &event) { OnFate(asked, event); });
}

void MigrateFlow::OnFate(Session &session, const BranchEvent &event) {
  constexpr milliseconds kFateInterval{200};
  if (event.outcome == BranchOutcome::kNotRun) {
    desk_->TryAgainIfBranchExists(session, event.error);
    return;
  }
  bool decided = event.outcome == BranchOutcome::kDone;
  if (decided && event.fate == TransactionFate::kCommitted) {
    SegmentDone(session, "found committed");
  } else if (decided && event.fate == TransactionFate::kAborted) {
    RunAgain(session, "found rolled back");
  } else if (decided && event.fate == TransactionFate::kInProgress) {
    desk_->Pause(session, kFateInterval);
  } else {
    Unknown(
        session,
        "The branch no longer knows transaction " + session.migrations.front().transaction_id + ".",
        "the branch does not know the transaction");
  }
}

}  // namespace agent_branch
