#include "worker/core/migrate_flow.hpp"

#include <utility>

namespace agent_branch {
namespace {

constexpr milliseconds kFateInterval{200};

Status Describe(const MigrationRow &migration) {
  const ServerError &error = migration.error;
  std::string detail = "SQLSTATE " + error.sqlstate;
  if (error.line > 0) {
    detail += ", line " + std::to_string(error.line) + ", column " + std::to_string(error.column);
  }
  detail += ".";
  if (!error.detail.empty()) detail += " " + error.detail;
  return Status::Error(
      error.sqlstate,
      "migration " + std::to_string(migration.ordinal) + " failed: " + error.message, detail,
      error.hint.empty() ? "Call agent_migrate() with a corrected migration, or agent_discard()."
                         : error.hint);
}

ServerError AsServerError(const Status &status) {
  ServerError error;
  error.sqlstate = status.sqlstate();
  error.message = status.message();
  error.detail = status.detail();
  error.hint = status.hint();
  return error;
}

}  // namespace

void MigrateFlow::Drive(Session &session) {
  if (session.row.goal == Goal::kDiscard || session.row.goal == Goal::kExpire) {
    desk_->MoveTo(session, SessionState::kDiscarding);
  } else if (!creator_->HaveUris(session)) {
    return;  // a crash of the server took them
  } else if (session.uncertain) {
    Reconcile(session);
  } else if (session.migrations.empty()) {
    desk_->MoveTo(session, SessionState::kReady);
  } else {
    Start(session);
  }
}

void MigrateFlow::Start(Session &session) {
  MigrationRow &migration = session.migrations.front();
  migration.status = MigrationStatus::kRunning;
  migration.transaction_id.clear();
  desk_->journal().Add(migration);
  desk_->Intend(session, StepKind::kMigrate, "migration " + std::to_string(migration.ordinal),
                [this](Session &intended) { Run(intended); });
}

void MigrateFlow::Run(Session &session) {
  // Given up while its step was committed: it is driven on, and nothing is sent.
  if (session.row.goal == Goal::kDiscard || session.row.goal == Goal::kExpire) return;
  Result<std::string> sql = desk_->store().MigrationSql(session.migrations.front().id);
  if (!sql.ok()) {
    session.uncertain = true;
    desk_->TryAgain(session, sql.status());
    return;
  }
  Status allowed = reader_->Read(sql.value()).refusal;
  if (!allowed.ok()) {
    Rejected(session, AsServerError(allowed));
    return;
  }
  BranchTask task;
  task.kind = BranchTaskKind::kMigrate;
  task.connection_key = session.connection_key();
  task.uri = session.uri;
  task.sql = std::move(sql.value());
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
      Applied(session, "committed");
      return;
    case BranchOutcome::kRejected:
      Rejected(session, event.server_error);
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
  migration.transaction_id = event.transaction_id;
  if (event.transaction_id.empty()) {
    // It wrote nothing, so there is nothing to lose.
    desk_->branches().Commit(event.id);
    return;
  }
  desk_->journal().Add(migration);
  desk_->journal().AfterCommit([this, id = event.id] { desk_->branches().Commit(id); });
}

void MigrateFlow::Applied(Session &session, const std::string &outcome) {
  MigrationRow migration = session.migrations.front();
  session.migrations.pop_front();
  migration.status = MigrationStatus::kApplied;
  migration.error = ServerError();
  desk_->journal().Add(migration);
  desk_->CloseStep(session, true, outcome);
  session.failures = 0;
  desk_->ShowTrouble(session, Status());
  desk_->Save(session);
}

void MigrateFlow::Rejected(Session &session, const ServerError &error) {
  MigrationRow migration = session.migrations.front();
  session.migrations.pop_front();
  migration.status = MigrationStatus::kFailed;
  migration.error = error;
  desk_->journal().Add(migration);
  desk_->CloseStep(session, false, "SQLSTATE " + error.sqlstate);
  desk_->Fail(session, Describe(migration));
}

void MigrateFlow::RunAgain(Session &session, const std::string &outcome) {
  MigrationRow &migration = session.migrations.front();
  migration.status = MigrationStatus::kQueued;
  migration.transaction_id.clear();
  desk_->journal().Add(migration);
  desk_->CloseStep(session, false, outcome);
  desk_->Save(session);
}

void MigrateFlow::Reconcile(Session &session) {
  if (session.migrations.empty() || session.migrations.front().transaction_id.empty()) {
    // COMMIT is never sent before the id is noted, so whatever ran was rolled back.
    if (session.migrations.empty()) {
      desk_->CloseStep(session, false, "nothing to run");
      desk_->Save(session);
    } else {
      RunAgain(session, "ended before its commit");
    }
    desk_->Resume(session);
    return;
  }
  BranchTask task;
  task.kind = BranchTaskKind::kTransactionStatus;
  task.connection_key = session.connection_key();
  task.uri = session.uri;
  task.transaction_id = session.migrations.front().transaction_id;
  desk_->Run(session, std::move(task),
             [this](Session &asked, const BranchEvent &event) { OnFate(asked, event); });
}

void MigrateFlow::OnFate(Session &session, const BranchEvent &event) {
  if (event.outcome == BranchOutcome::kNotRun) {
    desk_->TryAgainIfBranchExists(session, event.error);
    return;
  }
  bool decided = event.outcome == BranchOutcome::kDone;
  if (decided && event.fate == TransactionFate::kCommitted) {
    Applied(session, "found committed");
  } else if (decided && event.fate == TransactionFate::kAborted) {
    RunAgain(session, "found rolled back");
  } else if (decided && event.fate == TransactionFate::kInProgress) {
    desk_->Pause(session, kFateInterval);
  } else {
    MigrationRow migration = session.migrations.front();
    session.migrations.pop_front();
    migration.status = MigrationStatus::kFailed;
    migration.error.sqlstate = "08007";
    migration.error.message = "it is not known whether the migration was committed";
    migration.error.detail =
        "The branch no longer knows transaction " + migration.transaction_id + ".";
    desk_->journal().Add(migration);
    desk_->CloseStep(session, false, "the branch does not know the transaction");
    desk_->Fail(session, Describe(migration));
  }
}

}  // namespace agent_branch
