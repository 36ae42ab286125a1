#include "worker/core/session/remove_flow.hpp"

#include <utility>

#include "worker/core/neon/annotation.hpp"

namespace agent_branch {

void RemoveFlow::Drive(Session &session) {
  CancelMigrations(session);
  // Whatever was open on the branch goes with it, and deleting again does no harm.
  if (session.step) desk_->CloseStep(session, false, "overtaken by the deletion");
  session.uncertain = false;
  if (!session.row.operations.empty()) {
    desk_->ResumeOperations(session, [](Session &, const auto &) {});
  } else if (session.row.branch_id.empty() || session.branch_gone) {
    Finish(session);
  } else if (session.row.pinned) {
    Pin(session);
  } else if (session.row.goal == Goal::kExpire && !session.branch_checked) {
    Check(session);
  } else {
    Delete(session);
  }
}

void RemoveFlow::CancelMigrations(Session &session) {
  for (MigrationRow &migration : session.migrations) {
    migration.status = MigrationStatus::kCancelled;
    desk_->journal().Add(migration);
  }
  session.migrations.clear();
}

// Nobody asked for this deletion, so it has to be right by itself.
void RemoveFlow::Check(Session &session) {
  auto on_branch = [this](Session &asked, const ApiAnswer &answer) {
    if (answer.verdict.kind == VerdictKind::kNotFound) {
      desk_->ConfirmGone(asked, [](Session &gone) { gone.branch_gone = true; });
      return;
    }
    Result<NeonBranch> branch = ParseBranch(answer.body);
    if (answer.verdict.kind != VerdictKind::kDone || !branch.ok()) {
      desk_->TryAgain(asked, answer.verdict.why.ok() ? branch.status() : answer.verdict.why);
      return;
    }
    bool ours = IsMadeBy(desk_->world().installations, branch.value()) &&
                AnnotatedWith(branch.value(), kSessionKey) == asked.row.uuid;
    if (ours && !branch->untouchable()) {
      asked.branch_checked = true;
    } else {
      Pin(asked);
    }
  };
  desk_->Ask(session, Priority::kCleanup,
             GetBranchRequest(desk_->ProjectOf(session).row.neon_id, session.row.branch_id),
             on_branch);
}

void RemoveFlow::Delete(Session &session) {
  desk_->branches().Close(session.connection_key());
  const Project &project = desk_->ProjectOf(session);
  desk_->Change(session, Priority::kCleanup,
                DeleteBranchRequest(project.row.neon_id, session.row.branch_id),
                StepKind::kDeleteBranch, session.row.branch_id,
                [this](Session &asked, const ApiAnswer &answer) { OnDeleted(asked, answer); });
}

void RemoveFlow::OnDeleted(Session &session, const ApiAnswer &answer) {
  switch (answer.verdict.kind) {
    case VerdictKind::kDone:
      break;
    case VerdictKind::kNotFound:
      desk_->ConfirmGone(session, [](Session &gone) { gone.branch_gone = true; });
      return;
    case VerdictKind::kRefused:
      // It has children (the restored parent among them), or somebody protected it: never force.
      Pin(session);
      return;
    default:
      desk_->TryAgain(session, answer.verdict.why);
      return;
  }
  Result<NeonChange> deleted = ParseChange(answer.body);
  if (!deleted.ok()) {
    desk_->TryAgain(session, deleted.status());
    return;
  }
  desk_->AwaitOperations(session, deleted->operations, [](Session &gone, const auto &failed) {
    // Deleting what did not go is safe, so a failed operation means: once more.
    if (!failed.empty()) return;
    gone.branch_gone = true;
  });
}

void RemoveFlow::Pin(Session &session) {
  KeptBranchRow kept;
  kept.project_id = session.row.project_id;
  kept.session_id = session.row.id;
  kept.branch_id = session.row.branch_id;
  kept.name = session.row.branch_name;
  kept.kind = "pinned";
  kept.endpoint_id = session.row.endpoint_id;
  desk_->journal().Add(kept);
  desk_->ProjectOf(session).kept[kept.branch_id] = kept;
  session.row.pinned = true;
  Finish(session);
}

void RemoveFlow::Finish(Session &session) {
  CancelMigrations(session);
  if (!IsFinal(session.row.state)) {
    session.row.state =
        session.row.goal == Goal::kExpire ? SessionState::kExpired : SessionState::kDiscarded;
  }
  session.row.goal = Goal::kNone;
  session.row.finished = true;
  session.row.error.clear();
  session.row.error_hint.clear();
  desk_->branches().Close(session.connection_key());
  desk_->journal().Add(DropCredentials{session.row.project_id, session.row.id});
  Project &project = desk_->ProjectOf(session);
  if (session.branch_gone) project.room_at = Instant(0);
  project.retire_wanted = !project.kept.empty();
  desk_->Commit(session,
                [this](Session &finished) { desk_->world().sessions.erase(finished.row.id); });
}

}  // namespace agent_branch
