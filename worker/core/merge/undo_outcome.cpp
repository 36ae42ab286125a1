// The part of UndoFlow that finds out what became of its restore.
#include <utility>

#include "worker/core/base/text.hpp"
#include "worker/core/merge/fence.hpp"
#include "worker/core/merge/undo_flow.hpp"

namespace agent_branch {
namespace {

// As in restore_outcome.cpp.
constexpr int kPreservedTries = 12;
constexpr int kFewTries = 6;
constexpr milliseconds kMayStillCome{90'000};
constexpr milliseconds kLookInterval{2'000};
constexpr size_t kMaxReason = 2'000;

}  // namespace

Flow<Result<bool>> UndoFlow::IsDone(Session &session) {
  const std::string name = session.undo->preserved_name;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return named.status();
  if (named->has_value()) Accept(session);
  co_return named->has_value();
}

Flow<Next> UndoFlow::Reconcile(Session &session) {
  if (!session.step || session.step->kind != StepKind::kUndo) {
    // Clearing the expiry: doing it again does no harm.
    context_->CloseStep(session, false, "outcome unknown; it is done again");
    co_return Next::Look();
  }
  Result<bool> done = co_await IsDone(session);
  if (!done.ok()) co_return Next::Again(done.status());
  if (done.value()) co_return Next::Look();
  // Should it still come, its name makes the next one fail with 409.
  UndoWork &work = WorkOf(session);
  if (work.late_step) context_->journal().Record(*work.late_step, false, "superseded");
  work.late_step = std::exchange(session.step, {});
  work.late_until = context_->now() + kMayStillCome;
  session.uncertain = false;
  co_return Next::Look();
}

Flow<Next> UndoFlow::RuleOut(Session &session) {
  UndoWork &work = WorkOf(session);
  Result<bool> done = co_await IsDone(session);
  if (!done.ok()) co_return Next::Again(done.status());
  if (done.value()) co_return Next::Look();
  const bool may_come = work.late_step && context_->now() < work.late_until;
  if (++work.lookups < kFewTries || may_come) {
    co_await context_->Pause(session, kLookInterval,
                             "certainty that the restore does not come any more");
    co_return Next::Look();
  }
  if (work.late_step) {
    context_->journal().Record(*work.late_step, false, "no branch of that name appeared");
    work.late_step.reset();
  }
  session.undo->preserved_name.clear();
  context_->journal().Add(*session.undo);
  co_return Next::Look();
}

void UndoFlow::Accept(Session &session) {
  UndoWork &work = WorkOf(session);
  context_->CloseStep(session, true, "the parent's state before it is preserved");
  if (work.late_step) {
    context_->journal().Record(*work.late_step, true, "this one or a later one was done");
    work.late_step.reset();
  }
  work.lookups = 0;
  work.refusal.reset();
  session.undo->accepted = true;
  context_->journal().Add(*session.undo);
  context_->Progress(session);
  context_->Save(session);
  for (const auto &[id, other] : context_->ProjectOf(session).sessions) {
    if (id != session.row.id) LookAtParentAgain(*other);
  }
}

Flow<Next> UndoFlow::Complete(Session &session) {
  UndoWork &work = WorkOf(session);
  if (session.undo->preserved_branch_id.empty() && work.lookups < kPreservedTries) {
    Next next = co_await FindPreserved(session);
    co_return next;
  }
  Next next = co_await Confirm(session);
  co_return next;
}

Flow<Next> UndoFlow::FindPreserved(Session &session) {
  const std::string name = session.undo->preserved_name;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return Next::Again(named.status());
  ++WorkOf(session).lookups;
  if (!named->has_value()) {
    co_await context_->Pause(session, kLookInterval, "the parent's state before to be seen");
    co_return Next::Look();
  }
  Project &project = context_->ProjectOf(session);
  KeptBranchRow preserved;
  preserved.project_id = project.row.id;
  preserved.session_id = session.row.id;
  preserved.branch_id = (*named)->id;
  preserved.name = (*named)->name;
  preserved.kind = "backup";
  preserved.keep_until = context_->unix_time() + project.row.undo_window;
  project.Keep(preserved);
  context_->journal().Add(preserved);
  session.undo->preserved_branch_id = preserved.branch_id;
  context_->journal().Add(*session.undo);
  co_return Next::Look();
}

// What an operation says of itself is not what became of the parent: that is read there, once
// nothing runs on it any more.
Flow<Next> UndoFlow::Confirm(Session &session) {
  UndoWork &work = WorkOf(session);
  const std::string parent_id = session.row.parent_branch_id;
  Operations::Request request;
  request.project = &context_->ProjectOf(session);
  request.branch_id = parent_id;
  if (!work.ended) co_await context_->AwaitOperations(session, std::move(request));
  ApiCall like = context_->MakeCall(session, Priority::kMerge);
  Result<std::optional<NeonBranch>> read =
      co_await context_->ReadBranch(session, std::move(like), parent_id);
  if (!read.ok()) co_return Next::Again(read.status());
  const std::string preserved =
      "The parent's state before it is preserved as \"" + session.undo->preserved_name + "\".";
  if (!read->has_value()) {
    End(session, "failed",
        Status::Error("08007", "it is not known whether Neon restored the parent",
                      "The parent branch is gone.", preserved));
    co_await context_->Commit(session);
    co_return Next::Look();
  }
  const NeonBranch &parent = **read;
  const bool restored = work.ended || parent.last_reset_at != session.undo->parent_reset_at ||
                        parent.parent_id == session.undo_point->backup_branch_id;
  if (!restored) {
    End(session, "failed",
        Status::Error("58000", "Neon could not restore the parent", {},
                      "The parent is as it was. " + preserved));
    co_await context_->Commit(session);
    co_return Next::Look();
  }
  if (parent.current_state != "ready") {
    co_return Next::Again(Status::Error("55006", "the parent is not ready after its restore", {},
                                        "Look at the parent branch at Neon. " + preserved));
  }
  work.reset_at = parent.last_reset_at;
  // In lineage the parent hangs under the backup now, which goes when that is no longer so.
  Project &project = context_->ProjectOf(session);
  const auto kept = project.kept.find(session.undo_point->backup_branch_id);
  if (kept != project.kept.end()) {
    kept->second.keep_until = context_->unix_time();
    kept->second.holds_parent = parent.parent_id == kept->first;
    context_->journal().Add(kept->second);
  }
  Undone(session);
  co_await context_->Commit(session);
  co_return Next::Look();
}

void UndoFlow::Undone(Session &session) {
  Project &project = context_->ProjectOf(session);
  FenceOthers(*context_, session, "undo " + std::to_string(session.undo->id),
              session.undo->parent_reset_at, WorkOf(session).reset_at);
  uris_->DropParents(project);
  uris_->DropReader(project);
  project.parent_seen = {};
  End(session, "undone", Status());
}

void UndoFlow::End(Session &session, const std::string &status, const Status &why) {
  UndoRow &undo = *session.undo;
  undo.status = status;
  undo.reason = why.ok() ? std::string() : ErrorText(why);
  context_->journal().Add(undo);
  Project &project = context_->ProjectOf(session);
  context_->LeaveUndo(session);
  session.row.error = why.ok() ? std::string() : ErrorText(why);
  session.row.error_hint = CleanLines(why.hint(), kMaxReason);
  session.failures = 0;
  if (project.deleter) {
    project.delete_kept_wanted = true;
    project.deleter->Wake();
  }
  context_->Save(session);
}

}  // namespace agent_branch
