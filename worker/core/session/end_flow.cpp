#include "worker/core/session/end_flow.hpp"

#include <utility>

#include "worker/core/base/text.hpp"
#include "worker/core/neon/annotation.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxError = 2'000;
// Others may take a branch over at any time: what was known of its owner before is read again.
constexpr milliseconds kOwnerIsKnownFor{30'000};

Status NotDeleted(const std::vector<NeonOperation> &failed) {
  const NeonOperation &operation = failed.front();
  std::string what = "Operation " + operation.action + " " + operation.status;
  if (!operation.error.empty()) what += ": " + operation.error;
  return Status::Error("58000", "Neon could not delete the branch", what + ".",
                       "It is tried again by itself, with growing intervals.");
}

Status LeftBehind(const Session &session, const std::string &why) {
  return Status::Error("55006", "branch \"" + session.row.branch_name + "\" could not be deleted",
                       why,
                       "It is deleted as soon as Neon allows it; agent_branches shows what holds "
                       "it.");
}

}  // namespace

Flow<Next> EndFlow::Run(Session &session) {
  CancelMigrations(session);
  // Whatever was open on the branch goes with it, and deleting again does no harm.
  if (session.step) context_->CloseStep(session, false, "overtaken by the deletion");
  session.uncertain = false;
  session.row.operations.clear();
  if (session.row.branch_id.empty() || session.branch_gone) {
    Next next = co_await Finish(session, Status());
    co_return next;
  }
  if (session.row.pinned) {
    Keep(session);
    Next next = co_await Finish(session, Status());
    co_return next;
  }
  if (!IsKnownOurs(session)) {
    Next next = co_await Check(session);
    if (next.fails() || session.row.finished) co_return next;
    if (session.branch_gone) co_return Next::Look();
  }
  Next next = co_await Delete(session);
  co_return next;
}

void EndFlow::CancelMigrations(Session &session) {
  for (MigrationRow &migration : session.migrations) {
    migration.status = MigrationStatus::kCancelled;
    context_->journal().Add(migration);
  }
  session.migrations.clear();
}

bool EndFlow::IsKnownOurs(const Session &session) const {
  return session.ours_at && context_->now() < *session.ours_at + kOwnerIsKnownFor;
}

Flow<Next> EndFlow::Check(Session &session) {
  const std::string id = session.row.branch_id;
  ApiCall like = context_->MakeCall(session, Priority::kCleanup);
  Result<std::optional<NeonBranch>> read =
      co_await context_->ReadBranch(session, std::move(like), id);
  if (!read.ok()) co_return Next::Again(read.status());
  if (!read->has_value()) {
    session.branch_gone = true;
    co_return Next::Look();
  }
  const NeonBranch &branch = **read;
  const bool ours = IsMadeBy(context_->inventory().installations, branch) &&
                    AnnotatedWith(branch, kSessionKey) == session.row.uuid;
  if (ours && !branch.untouchable()) {
    session.ours_at = context_->now();
    co_return Next::Look();
  }
  Keep(session);
  const char *why = ours ? "It is protected, the project's default branch or a root now."
                         : "Its annotation does not say any more that it is ours.";
  Next next = co_await Finish(session, LeftBehind(session, why));
  co_return next;
}

Flow<Next> EndFlow::Delete(Session &session) {
  context_->branches().Close(session.connection_key());
  const Project &project = context_->ProjectOf(session);
  const std::string id = session.row.branch_id;
  NeonRequest request = DeleteBranchRequest(project.row.neon_id, id);
  ApiAnswer answer = co_await context_->Change(session, Priority::kCleanup, std::move(request),
                                               StepKind::kDeleteBranch, id);
  if (answer.classified.kind == ResponseKind::kRefused) {
    // It has children (the restored parent among them), or somebody protected it: never force.
    Keep(session);
    Next next = co_await Finish(session, LeftBehind(session, answer.classified.why.detail()));
    co_return next;
  }
  if (answer.classified.kind == ResponseKind::kNotFound) {
    ApiCall like = context_->MakeCall(session, Priority::kCleanup);
    Result<std::optional<NeonBranch>> read =
        co_await context_->ReadBranch(session, std::move(like), id);
    if (!read.ok()) co_return Next::Again(read.status());
    session.branch_gone = !read->has_value();
    if (!session.branch_gone) co_return Next::Again(answer.classified.why);
    co_return Next::Look();
  }
  if (answer.classified.kind != ResponseKind::kDone) co_return Next::Again(answer.classified.why);
  Result<NeonChange> deleted = ParseChange(answer.body);
  if (!deleted.ok()) co_return Next::Again(deleted.status());
  std::vector<NeonOperation> failed =
      co_await context_->AwaitNoted(session, std::move(deleted->operations));
  // Deleting what did not go is safe.
  if (!failed.empty()) co_return Next::AgainSlowly(NotDeleted(failed));
  session.branch_gone = true;
  Next next = co_await Finish(session, Status());
  co_return next;
}

void EndFlow::Keep(Session &session) {
  KeptBranchRow kept;
  kept.project_id = session.row.project_id;
  kept.session_id = session.row.id;
  kept.branch_id = session.row.branch_id;
  kept.name = session.row.branch_name;
  kept.kind = "pinned";
  kept.endpoint_id = session.row.endpoint_id;
  context_->journal().Add(kept);
  context_->ProjectOf(session).Keep(kept);
  session.row.pinned = true;
}

Flow<Next> EndFlow::Finish(Session &session, Status left_behind) {
  CancelMigrations(session);
  context_->EndRebase(session, true);
  if (!IsFinal(session.row.state)) {
    session.row.state =
        session.row.goal == Goal::kExpire ? SessionState::kExpired : SessionState::kDiscarded;
  }
  session.row.goal = Goal::kNone;
  session.row.finished = true;
  const Status &said = session.lasting.ok() ? left_behind : session.lasting;
  session.row.error = said.ok() ? std::string() : ErrorText(said);
  session.row.error_hint = CleanLines(said.hint(), kMaxError);
  context_->branches().Close(session.connection_key());
  context_->journal().Add(DropCredentials{session.row.project_id, session.row.id});
  Project &project = context_->ProjectOf(session);
  if (session.branch_gone) project.room_at = Instant(0);
  if (!project.kept.empty()) {
    project.delete_kept_wanted = true;
    if (project.deleter) project.deleter->Wake();
  }
  context_->Save(session);
  co_await context_->Commit(session);
  co_return Next::Look();
}

}  // namespace agent_branch
