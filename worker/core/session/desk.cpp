#include "worker/core/session/desk.hpp"

#include <cstdlib>
#include <utility>

#include "worker/core/base/text.hpp"

namespace agent_branch {

bool ExpiryDiffers(const Session &session, int64_t now) {
  constexpr int64_t kRounding = 1;      // Neon keeps whole seconds
  constexpr int64_t kTooLateToAsk = 5;  // it has to be in the future there
  const SessionRow &row = session.row;
  if (row.branch_id.empty() || row.expires_at <= now + kTooLateToAsk) return false;
  if (session.expiry_asked == row.expires_at) return false;
  return std::abs(row.branch_expires_at - row.expires_at) > kRounding;
}

namespace {

constexpr size_t kMaxError = 2'000;
constexpr BackoffPolicy kAgain{milliseconds(500), milliseconds(10'000)};

bool IsResting(SessionState state) {
  return state == SessionState::kReady || state == SessionState::kConflict ||
         state == SessionState::kFailed;
}

bool IsSettled(const Session &session, int64_t now) {
  const SessionRow &row = session.row;
  if (row.finished) return true;
  return IsResting(row.state) && row.goal == Goal::kNone && session.migrations.empty() &&
         row.operations.empty() && !session.step &&
         (session.branch_gone || !ExpiryDiffers(session, now));
}

std::string ErrorText(const Status &why) {
  std::string text = why.message();
  if (!why.detail().empty()) text += "\n" + why.detail();
  return CleanLines(text, kMaxError);
}

}  // namespace

Project &Desk::ProjectOf(const Session &session) {
  return *parts_.world->FindProject(session.row.project_id);
}

void Desk::Save(Session &session) {
  bool was_settled = session.row.settled;
  session.row.settled = IsSettled(session, unix_time());
  // Whatever it was that is to do again: somebody has to begin with it.
  if (was_settled && !session.row.settled && session.activity == Activity::kNone) Resume(session);
  parts_.journal->Save(session.row);
}

void Desk::MoveTo(Session &session, SessionState state) {
  session.row.state = state;
  session.row.error.clear();
  session.row.error_hint.clear();
  session.failures = 0;
  Save(session);
  Resume(session);
}

void Desk::Fail(Session &session, const Status &why) {
  for (MigrationRow &migration : session.migrations) {
    // Its COMMIT may have been sent, and now nobody can be asked.
    bool unknown = migration.may_be_in_effect();
    migration.status = unknown ? MigrationStatus::kFailed : MigrationStatus::kCancelled;
    if (unknown) {
      migration.error.sqlstate = "08007";
      migration.error.message = "it is not known whether the migration was committed";
      migration.error.detail = CleanText(why.message(), kMaxError);
    }
    parts_.journal->Add(migration);
  }
  session.migrations.clear();
  session.run.reset();
  if (session.merge) {
    session.merge->status = "cancelled";
    session.merge->reason = CleanText(why.message(), kMaxError);
    parts_.journal->Add(*session.merge);
    LeaveMerge(session);
  }
  if (session.row.goal == Goal::kMerge) session.row.goal = Goal::kNone;
  session.row.state = SessionState::kFailed;
  session.failures = 0;
  SetReason(session, why);
  Resume(session);
}

void Desk::LeaveMerge(Session &session) {
  if (session.late_restore) parts_.journal->Record(*session.late_restore, false, "not seen");
  session.late_restore.reset();
  session.backup_lookups = 0;
  session.backup_created_at.clear();
  session.refusal.reset();
  session.merge.reset();
  session.merge_phase = MergePhase::kCheck;
  session.merge_fence.clear();
  Project &project = ProjectOf(session);
  if (project.reserved_by == session.row.id) project.reserved_by = 0;
  if (project.merging_session != session.row.id) return;
  project.merging_session = 0;
  for (const auto &[id, other] : parts_.world->sessions) {
    bool waits = other->row.project_id == project.row.id && other->merge &&
                 other->row.state == SessionState::kMerging && other->activity == Activity::kNone;
    if (waits) Resume(*other);
  }
}

void Desk::SetReason(Session &session, const Status &why) {
  session.row.error = ErrorText(why);
  session.row.error_hint = CleanLines(why.hint(), kMaxError);
  Save(session);
}

void Desk::ShowTrouble(Session &session, const Status &why) {
  // What a conflict or a failure is about stays, whatever else goes wrong.
  bool has_reason =
      session.row.state == SessionState::kConflict || session.row.state == SessionState::kFailed;
  std::string error = why.ok() ? "" : ErrorText(why);
  if (has_reason || session.row.error == error) return;
  session.row.error = std::move(error);
  session.row.error_hint = CleanLines(why.hint(), kMaxError);
  Save(session);
}

void Desk::TryAgain(Session &session, const Status &why) {
  ShowTrouble(session, why);
  ++session.failures;
  Pause(session, Backoff(kAgain, session.failures));
}

void Desk::Pause(Session &session, milliseconds delay) {
  Begin(session, Activity::kPause, 0);
  session.wake_at = now() + delay;
}

void Desk::Begin(Session &session, Activity activity, uint64_t id) {
  session.activity = activity;
  session.activity_id = id;
}

void Desk::Run(Session &session, BranchTask task, OnEvent then) {
  const ProjectRow &project = ProjectOf(session).row;
  task.id = next_task_id_++;
  task.statement_timeout = project.statement_timeout;
  task.lock_timeout = project.lock_timeout;
  tasks_[task.id] = {session.row.id, std::move(then)};
  Begin(session, Activity::kTask, task.id);
  parts_.branches->Start(std::move(task));
}

void Desk::AskModel(Session &session, ModelQuestion question, OnModel then) {
  ModelCalls::Done done = [this, id = session.row.id, then = std::move(then)](
                              const ModelAnswer &answer, milliseconds took) {
    Session *asked = parts_.world->FindSession(id);
    if (asked == nullptr) return;
    Resume(*asked);
    then(*asked, answer, took);
  };
  Begin(session, Activity::kModel, parts_.models->Enqueue(std::move(question), std::move(done)));
}

void Desk::OnBranchEvent(const BranchEvent &event) {
  auto found = tasks_.find(event.id);
  if (found == tasks_.end()) return;
  auto [session_id, then] = found->second;
  bool finished = event.kind == BranchEvent::Kind::kFinished;
  if (finished) tasks_.erase(found);
  Session *session = parts_.world->FindSession(session_id);
  if (session == nullptr) return;
  if (finished) Resume(*session);
  then(*session, event);
}

void Desk::Commit(Session &session, OnSession then) {
  Save(session);
  Begin(session, Activity::kCommit, 0);
  parts_.journal->AfterCommit(
      [this, id = session.row.id, then = std::move(then)] {
        Session *committed = parts_.world->FindSession(id);
        if (committed == nullptr) return;
        Resume(*committed);
        then(*committed);
      },
      Owner::Session(session.row.id));
}

void Desk::Intend(Session &session, StepKind kind, std::string target, OnSession then) {
  session.step = parts_.journal->Intend(ProjectOf(session), session.row.id, kind, std::move(target),
                                        [this, id = session.row.id, then = std::move(then)] {
                                          Session *committed = parts_.world->FindSession(id);
                                          if (committed == nullptr) return;
                                          Resume(*committed);
                                          then(*committed);
                                        });
  Save(session);
  Begin(session, Activity::kCommit, 0);
}

void Desk::CloseStep(Session &session, bool done, const std::string &outcome) {
  if (session.step) parts_.journal->Record(*session.step, done, outcome);
  session.step.reset();
  session.uncertain = false;
}

void Desk::TryAgainIfBranchExists(Session &session, const Status &why) {
  constexpr int kFailuresWorthAsking = 3;
  if ((session.failures + 1) % kFailuresWorthAsking != 0) {
    TryAgain(session, why);
    return;
  }
  const Project &project = ProjectOf(session);
  auto on_branch = [this, why](Session &asked, const ApiAnswer &answer) {
    Result<NeonBranch> branch = ParseBranch(answer.body);
    bool long_tried = asked.failures + 1 >= 3 * kFailuresWorthAsking;
    if (branch.ok() && branch->current_state == "init" && long_tried) {
      // Nothing of ours is known to run on it, and lists of operations do not lag for so long.
      CloseStep(asked, false, "the branch was never completed");
      Fail(asked, Status::Error("58000", "Neon did not complete the branch", why.message(),
                                "Discard the session and create it again."));
      return;
    }
    if (answer.verdict.kind != VerdictKind::kNotFound) {
      TryAgain(asked, why);
      return;
    }
    ConfirmGone(asked, [this, why](Session &confirmed) {
      CloseStep(confirmed, false, "the branch is gone");
      confirmed.branch_gone = true;
      // What became of the parent comes first.
      if (confirmed.may_have_restored()) return;
      Fail(confirmed, Status::Error("55000", "the branch no longer exists at Neon", why.message(),
                                    "Discard the session and create it again."));
    });
  };
  Ask(session, Priority::kCleanup, GetBranchRequest(project.row.neon_id, session.row.branch_id),
      on_branch);
}

void Desk::Interrupt(Session &session) {
  switch (session.activity) {
    case Activity::kCall:
      if (parts_.calls->Cancel(session.activity_id)) Resume(session);
      return;
    case Activity::kTask:
      parts_.branches->Cancel(session.activity_id);
      tasks_.erase(session.activity_id);
      Resume(session);
      return;
    case Activity::kModel:
      parts_.models->Cancel(session.activity_id);
      Resume(session);
      return;
    case Activity::kHelper:
      parts_.helpers->Cancel(session.activity_id);
      helps_.erase(session.activity_id);
      Resume(session);
      return;
    case Activity::kPause:
    case Activity::kNone:  // at rest: nothing but this makes it move
      Resume(session);
      return;
    case Activity::kOperations:
    case Activity::kCommit:
      return;
  }
}

void Desk::Resume(Session &session) {
  session.activity = Activity::kNone;
  runnable_.insert(session.row.id);
}

std::set<int64_t> Desk::TakeRunnable() {
  return std::exchange(runnable_, {});
}

}  // namespace agent_branch
