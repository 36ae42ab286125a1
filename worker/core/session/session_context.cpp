#include "worker/core/session/session_context.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/text.hpp"
#include "worker/core/flow/require.hpp"

namespace agent_branch {
namespace {

constexpr BackoffPolicy kAgain{milliseconds(200), milliseconds(60'000)};
constexpr BackoffPolicy kAgainSlowly{milliseconds(200), milliseconds(1'800'000)};
constexpr milliseconds kStartWithin{5'000};
constexpr size_t kMaxError = 2'000;
constexpr int kFailuresWorthAsking = 3;

Status NotStarted(const NeonOperation &operation) {
  std::string what = "Operation " + operation.action + " " + operation.status;
  if (!operation.error.empty()) what += ": " + operation.error;
  return Status::Error("58000", "Neon could not start the branch's compute", what + ".",
                       "It is started again by itself, with growing intervals.");
}

// Asks Neon to start the branch's compute, if it can be asked now: whoever needs the branch comes
// back soon.
Flow<Result<NeonChange>> SendStart(SessionContext &context, Session &session) {
  // What is open already is found out first; and a compute that is not known cannot be named.
  if (session.step || session.row.endpoint_id.empty())
    co_return Status::Error("55000", "the compute cannot be started now");
  const std::string id = session.row.endpoint_id;
  const std::string project = context.ProjectOf(session).row.neon_id;
  ApiCall call = context.MakeChange(session, Priority::kCreate, StartEndpointRequest(project, id),
                                    StepKind::kStartCompute, id);
  call.returns_unsent = true;
  call.valid_until = context.now() + kStartWithin;
  call.trouble = nullptr;
  const ApiAnswer answer = co_await context.Call(session, std::move(call));
  if (answer.classified.kind == ResponseKind::kUnknown)
    context.CloseStep(session, false, "outcome unknown; it is done again if need be");
  if (answer.classified.kind != ResponseKind::kDone) co_return answer.classified.why;
  co_return ParseChange(answer.body);
}

bool IsSettled(const Session &session, const Project *project, int64_t now) {
  const SessionRow &row = session.row;
  // Whoever waits for it asks for its URI next.
  const bool lacks_role = row.state == SessionState::kReady && project != nullptr &&
                          project->row.isolation != RoleIsolation::kOff &&
                          row.shared_role.empty() && row.role_branch_id != row.branch_id;
  if (lacks_role) return false;
  if (row.finished) return !session.undo;
  const bool resting = row.state == SessionState::kReady || row.state == SessionState::kConflict ||
                       row.state == SessionState::kFailed;
  return resting && row.goal == Goal::kNone && !session.rebase && session.migrations.empty() &&
         row.operations.empty() && !session.step &&
         (session.branch_gone || !ExpiryDiffers(session, now));
}

}  // namespace

bool ExpiryDiffers(const Session &session, int64_t now) {
  const SessionRow &row = session.row;
  return !row.branch_id.empty() && row.expires_at != row.branch_expires_at &&
         row.expires_at != session.expiry_asked && row.expires_at > now;
}

Project &SessionContext::ProjectOf(const Session &session) {
  Project *project = services_.inventory->FindProject(session.row.project_id);
  Require(project != nullptr, "a session's project is known");
  return *project;
}

void SessionContext::Save(Session &session) {
  session.row.settled =
      IsSettled(session, services_.inventory->FindProject(session.row.project_id), unix_time());
  // Whatever a request asked for, the session looks at it when it is at rest.
  if (!session.row.settled && session.at_rest()) session.Wake();
  services_.journal->Save(session.row);
  services_.inventory->Index(session);
}

void SessionContext::MoveTo(Session &session, SessionState state) {
  session.row.state = state;
  session.row.error.clear();
  session.row.error_hint.clear();
  session.failures = 0;
  Save(session);
}

void SessionContext::Fail(Session &session, const Status &why) {
  for (MigrationRow &migration : session.migrations) {
    // Its COMMIT may have been sent, and now nobody can be asked.
    const bool unknown = migration.may_be_in_effect();
    migration.status = unknown ? MigrationStatus::kFailed : MigrationStatus::kCancelled;
    if (unknown) {
      migration.error.sqlstate = "08007";
      migration.error.message = "it is not known whether the migration was committed";
      migration.error.detail = CleanText(why.message(), kMaxError);
    }
    services_.journal->Add(migration);
  }
  session.migrations.clear();
  session.run.reset();
  EndRebase(session, false);
  if (session.merge) {
    session.merge->status = "cancelled";
    session.merge->reason = CleanText(why.message(), kMaxError);
    services_.journal->Add(*session.merge);
    LeaveMerge(session);
  }
  if (!session.given_up()) session.row.goal = Goal::kNone;
  session.row.state = SessionState::kFailed;
  session.failures = 0;
  SetReason(session, why);
}

void SessionContext::EndRebase(Session &session, bool at_once) {
  if (!session.rebase) return;
  Project &project = ProjectOf(session);
  const auto kept = project.kept.find(session.rebase->branch_id);
  if (kept != project.kept.end() && at_once) {
    kept->second.keep_until = unix_time();
    services_.journal->Add(kept->second);
    project.delete_kept_wanted = true;
    if (project.deleter) project.deleter->Wake();
  }
  session.rebase->ended = true;
  services_.journal->Add(*session.rebase);
  session.rebase.reset();
}

void SessionContext::LeaveMerge(Session &session) {
  Project &project = ProjectOf(session);
  if (session.merge) project.merge_queue.erase(session.merge->id);
  if (session.merge_work && session.merge_work->late_step)
    services_.journal->Record(*session.merge_work->late_step, false, "not seen");
  EndUndoPoint(session);
  session.merge.reset();
  session.merge_work.reset();
  if (project.reserved_by == static_cast<const Actor *>(&session)) project.reserved_by = nullptr;
  if (project.merging_session == session.row.id) project.merging_session = 0;
  project.merge_turn.NotifyAll();
}

void SessionContext::EndUndoPoint(Session &session) {
  if (!session.undo_point || !session.merge) return;
  UndoPointRow &point = *session.undo_point;
  Project &project = ProjectOf(session);
  const std::string &status = session.merge->status;
  // Of one whose outcome is not known somebody may need it.
  const bool needed = status == "merged" || status == "failed";
  const auto kept = project.kept.find(point.backup_branch_id);
  // What was found after a restore may have it kept for longer.
  const int64_t until = std::max(point.until, unix_time() + project.row.undo_window);
  if (kept != project.kept.end()) {
    kept->second.keep_until = needed ? until : unix_time();
    services_.journal->Add(kept->second);
  }
  if (needed && point.why_not.empty()) point.until = until;
  if (!needed && kept != project.kept.end()) {
    project.delete_kept_wanted = true;
    if (project.deleter) project.deleter->Wake();
  }
  services_.journal->Add(point);
  session.undo_point.reset();
}

void SessionContext::LeaveUndo(Session &session) {
  Project &project = ProjectOf(session);
  if (session.undo) project.merge_queue.erase(session.undo->id);
  session.undo.reset();
  session.undo_point.reset();
  session.merge_work.reset();
  if (project.merging_session == session.row.id) project.merging_session = 0;
  project.merge_turn.NotifyAll();
}

void SessionContext::SetReason(Session &session, const Status &why) {
  session.row.error = ErrorText(why);
  session.row.error_hint = CleanLines(why.hint(), kMaxError);
  Save(session);
}

void SessionContext::ShowTrouble(Session &session, const Status &why) {
  // What a conflict or a failure is about stays, whatever else goes wrong.
  const bool has_reason =
      session.row.state == SessionState::kConflict || session.row.state == SessionState::kFailed;
  std::string error = why.ok() ? "" : ErrorText(why);
  const bool over = session.row.finished && !session.undo;
  if (has_reason || over || session.row.error == error) return;
  session.row.error = std::move(error);
  session.row.error_hint = CleanLines(why.hint(), kMaxError);
  Save(session);
}

void SessionContext::Progress(Session &session) {
  session.failures = 0;
  ShowTrouble(session, Status());
}

Flow<> SessionContext::WaitAfterFailure(Session &session, Status why, bool slowly) {
  ShowTrouble(session, why);
  ++session.failures;
  const milliseconds delay = Backoff(slowly ? kAgainSlowly : kAgain, session.failures);
  co_await Pause(session, delay, "its next try");
}

ApiCall SessionContext::MakeCall(Session &session, Priority priority, NeonRequest request) {
  ApiCall call;
  call.priority = priority;
  call.project = &ProjectOf(session);
  call.session_id = session.row.id;
  call.request = std::move(request);
  call.trouble = [this, &session](const Status &why) { ShowTrouble(session, why); };
  return call;
}

ApiCall SessionContext::MakeChange(Session &session, Priority priority, NeonRequest request,
                                   StepKind kind, std::string target) {
  Require(!session.step.has_value(), "a session has one step open at a time");
  ApiCall call = MakeCall(session, priority, std::move(request));
  call.step = kind;
  call.step_target = std::move(target);
  return call;
}

Flow<Result<std::optional<NeonBranch>>> SessionContext::FindBranch(Session &session,
                                                                   Priority priority,
                                                                   std::string name) {
  ApiCall like = MakeCall(session, priority);
  ListedBranches which;
  which.search = name;
  which.until = name;
  Result<std::vector<NeonBranch>> branches =
      co_await ListBranches(session, std::move(like), std::move(which));
  if (!branches.ok()) co_return branches.status();
  for (NeonBranch &branch : branches.value()) {
    if (branch.name == name) co_return std::optional<NeonBranch>(std::move(branch));
  }
  co_return std::optional<NeonBranch>();
}

Flow<std::vector<NeonOperation>> SessionContext::AwaitNoted(Session &session,
                                                            std::vector<NeonOperation> operations) {
  session.row.operations.clear();
  for (const NeonOperation &operation : operations) {
    if (!operation.ended()) session.row.operations.push_back(operation.id);
  }
  Save(session);
  Operations::Request request;
  request.project = &ProjectOf(session);
  request.operations = std::move(operations);
  std::vector<NeonOperation> failed = co_await AwaitOperations(session, std::move(request));
  session.row.operations.clear();
  Save(session);
  co_return failed;
}

Flow<std::vector<NeonOperation>> SessionContext::AwaitNotedBefore(Session &session) {
  Operations::Request request;
  request.project = &ProjectOf(session);
  request.ids = session.row.operations;
  std::vector<NeonOperation> failed = co_await AwaitOperations(session, std::move(request));
  session.row.operations.clear();
  Save(session);
  co_return failed;
}

Flow<Next> SessionContext::StartCompute(Session &session, Status why) {
  Result<NeonChange> started = co_await SendStart(*this, session);
  if (!started.ok()) co_return Next::Again(why);
  Operations::Request operations;
  operations.project = &ProjectOf(session);
  operations.operations = std::move(started->operations);
  std::vector<NeonOperation> failed = co_await AwaitOperations(session, std::move(operations));
  if (failed.empty()) co_return Next::Look();
  co_return Next::AgainSlowly(NotStarted(failed.front()));
}

Flow<Next> SessionContext::AfterBranchFailure(Session &session, Status why) {
  if ((session.failures + 1) % kFailuresWorthAsking != 0) co_return Next::Again(why);
  const std::string branch_id = session.row.branch_id;
  ApiCall like = MakeCall(session, Priority::kCleanup);
  Result<std::optional<NeonBranch>> read = co_await ReadBranch(session, std::move(like), branch_id);
  if (!read.ok()) co_return Next::Again(why);
  if (!read->has_value()) {
    CloseStep(session, false, "the branch is gone");
    session.branch_gone = true;
    // What became of the parent comes first.
    if (session.may_have_merged()) co_return Next::Look();
    Fail(session, Status::Error("55000", "the branch no longer exists at Neon", why.message(),
                                "Discard the session and create it again."));
    co_return Next::Look();
  }
  const bool long_tried = session.failures + 1 >= 3 * kFailuresWorthAsking;
  if ((*read)->current_state == "init" && long_tried) {
    // Nothing of ours is known to run on it, and lists of operations do not lag for so long.
    CloseStep(session, false, "the branch was never completed");
    Fail(session, Status::Error("58000", "Neon did not complete the branch", why.message(),
                                "Discard the session and create it again."));
    co_return Next::Look();
  }
  // Its compute may have to be started. That is not waited for: the trouble may be another one, and
  // the branch be reached again before.
  Result<NeonChange> started = co_await SendStart(*this, session);
  co_return Next::Again(why);
}

void SessionContext::ForgetExpiry(Session &session) {
  constexpr int64_t kSome = 1;  // a time long ago, which no session wants
  session.expiry_asked = 0;
  if (session.row.branch_expires_at == 0) session.row.branch_expires_at = kSome;
  Save(session);
}

Flow<> SessionContext::IntendAndCommit(Session &session, StepKind kind, std::string target) {
  Intend(session, ProjectOf(session), session.row.id, kind, std::move(target));
  Save(session);
  co_await Commit(session);
}

Flow<BranchEvent> SessionContext::RunOnBranch(Session &session, BranchTask task, std::string what) {
  task.connection_key = session.connection_key();
  task.uri = session.uris.direct;
  BranchEvent event = co_await Run(session, ProjectOf(session), std::move(task), std::move(what));
  co_return event;
}

}  // namespace agent_branch
