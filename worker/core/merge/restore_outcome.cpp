// The part of RestoreMerge that finds out what became of a restore.
#include <utility>

#include "worker/core/base/timestamp.hpp"
#include "worker/core/merge/fence.hpp"
#include "worker/core/merge/restore_merge.hpp"

namespace agent_branch {
namespace {

// A new backup may be invisible for a moment (lists of Neon's lag behind its changes); when it
// never comes to be seen, somebody has deleted it.
constexpr int kBackupTries = 12;
constexpr int kFewTries = 6;  // when there is little reason to expect one: ten seconds
// What was sent has come by then or does not come any more: an exchange may last a minute.
constexpr milliseconds kMayStillCome{90'000};
constexpr milliseconds kLookInterval{2'000};

// Whether the parent is another one than it was before the merge's restore, which is only ever sent
// while it is the one that the session began with. Its last_reset_at counts whole seconds; that it
// hangs under the session's branch tells as well.
bool IsRestored(const Session &session, const NeonBranch &parent) {
  return parent.last_reset_at != session.row.parent_reset_at ||
         parent.parent_id == session.row.branch_id;
}

// Whether a parent that does not look restored may be: an earlier merge came within the same second
// as this one, so that last_reset_at cannot tell them apart.
bool MayBeRestored(const Session &session, const RestoreWork &work, const Project &project,
                   const NeonBranch &parent) {
  // Where it hung under the branch of that merge, it would hang under ours now.
  bool would_hang = session.row.pinned || project.kept.count(parent.parent_id) > 0;
  if (session.merge->backup_branch_id.empty() || would_hang) return false;
  int64_t before = ParseTimestamp(parent.last_reset_at);
  return before != 0 && ParseTimestamp(work.backup_created_at) <= before;
}

Status NotRestored(const Session &session, const RestoreWork &work, const Project &project,
                   const NeonBranch &parent) {
  if (!MayBeRestored(session, work, project, parent)) {
    return Status::Error("58000", "Neon could not restore the parent", session.merge->reason,
                         "The parent is as it was, and the branch is kept.");
  }
  return Status::Error("08007", "it is not known whether Neon restored the parent",
                       "No answer told, and the parent's last_reset_at, " + parent.last_reset_at +
                           ", is that of an earlier merge within the same second.",
                       "Compare the parent with the branch, which is kept, and with the parent's "
                       "old state, which is preserved as \"" +
                           session.merge->backup_name + "\".");
}

}  // namespace

void RestoreMerge::Accept(Session &session) {
  RestoreWork &work = WorkOf(session);
  context_->CloseStep(session, true, "the backup exists");
  if (work.late_step) {
    context_->journal().Record(*work.late_step, true, "this one or a later one was done");
    work.late_step.reset();
  }
  work.backup_lookups = 0;
  work.refusal.reset();
  session.merge->accepted = true;
  context_->journal().Add(*session.merge);
  context_->Progress(session);
  context_->Save(session);
  for (const auto &[id, other] : context_->ProjectOf(session).sessions) {
    if (id != session.row.id) LookAtParentAgain(*other);
  }
}

void RestoreMerge::FenceTheOthers(Session &session) {
  FenceOthers(*context_, session, "merge " + std::to_string(session.merge->id),
              session.row.parent_reset_at, WorkOf(session).reset_at);
}

void RestoreMerge::Merged(Session &session) {
  FenceTheOthers(session);
  // Connections, passwords and addresses are those of the state that was replaced.
  uris_->DropParents(context_->ProjectOf(session));
  // Else the branch had the password of the role that reads it.
  if (!uris_->AreWorkersAlone(session)) uris_->DropReader(context_->ProjectOf(session));
  context_->ProjectOf(session).parent_seen = {};
  const std::vector<std::string> found = FoundDifferences(session.merge->checked);
  const bool undoable = session.undo_point && session.undo_point->why_not.empty();
  end_->Merged(session, found.empty() ? Status() : WrittenMeanwhile(found, undoable));
}

void RestoreMerge::OnOperations(Session &session, const std::vector<NeonOperation> &failed) {
  if (failed.empty()) {
    WorkOf(session).ended = true;
    return;
  }
  session.merge->reason = "Operation " + failed.front().action + " " + failed.front().status;
  if (!failed.front().error.empty()) session.merge->reason += ": " + failed.front().error;
  session.merge->reason += ".";
}

Flow<Next> RestoreMerge::Complete(Session &session) {
  RestoreWork &work = WorkOf(session);
  // A restore that failed may have left no backup.
  const bool failed = !work.ended && !session.merge->reason.empty();
  const int tries = failed ? kFewTries : kBackupTries;
  // After a restart the backup is known, but not of when it is.
  const bool known =
      !session.merge->backup_branch_id.empty() && (work.ended || !work.backup_created_at.empty());
  if (!known && work.backup_lookups < tries) {
    Next next = co_await FindBackup(session);
    co_return next;
  }
  // Who began since is known by the parent's last_reset_at, which a restart forgets.
  if (!work.ended || work.reset_at.empty()) {
    Next next = co_await Confirm(session);
    co_return next;
  }
  // Where no undo is wanted nobody waits for a compute, either, to see what could be undone.
  const bool undoable = context_->ProjectOf(session).row.undo_window > 0;
  if (undoable && session.merge->checked.empty()) {
    Next next = co_await checker_.Run(session);
    co_return next;
  }
  co_await undo_points_->AfterRestore(session, work.reset_at);
  Merged(session);
  co_return Next::Look();
}

Flow<Next> RestoreMerge::FindBackup(Session &session) {
  RestoreWork &work = WorkOf(session);
  const std::string name = session.merge->backup_name;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return Next::Again(named.status());
  ++work.backup_lookups;
  if (!named->has_value()) {
    context_->ShowTrouble(session,
                          Status::Error("58000", "the parent's backup is not to be seen yet"));
    co_await context_->Pause(session, kLookInterval, "the parent's backup to be seen");
    co_return Next::Look();
  }
  Project &project = context_->ProjectOf(session);
  KeptBranchRow backup;
  backup.project_id = project.row.id;
  backup.session_id = session.row.id;
  backup.branch_id = (*named)->id;
  backup.name = (*named)->name;
  backup.kind = "backup";
  backup.keep_until = context_->unix_time() + project.row.undo_window;
  work.backup_created_at = (*named)->created_at;
  if (session.merge->backup_branch_id == backup.branch_id) co_return Next::Look();
  project.Keep(backup);
  context_->journal().Add(backup);
  session.merge->backup_branch_id = backup.branch_id;
  undo_points_->NoteBackup(session, backup);
  context_->journal().Add(*session.merge);
  co_return Next::Look();
}

Flow<Next> RestoreMerge::Confirm(Session &session) {
  RestoreWork &work = WorkOf(session);
  Project &project = context_->ProjectOf(session);
  const std::string parent_id = session.row.parent_branch_id;
  // The answer was lost, or an operation failed. What an operation says of itself is not what
  // became of the parent: that is read there, once nothing runs on it any more.
  Operations::Request request;
  request.project = &project;
  request.branch_id = parent_id;
  co_await context_->AwaitOperations(session, std::move(request));
  ApiCall like = context_->MakeCall(session, Priority::kMerge);
  Result<std::optional<NeonBranch>> read =
      co_await context_->ReadBranch(session, std::move(like), parent_id);
  if (!read.ok()) co_return Next::Again(read.status());
  if (!read->has_value()) {
    FenceTheOthers(session);
    uris_->DropParents(project);
    end_->Broken(session, Status::Error("08007", "it is not known whether Neon restored the parent",
                                        "The parent branch is gone.",
                                        "The parent's old state is preserved as \"" +
                                            session.merge->backup_name + "\"."));
    co_return Next::Look();
  }
  const NeonBranch &parent = **read;
  if (!IsRestored(session, parent)) {
    Status why = NotRestored(session, work, project, parent);
    session.row.pinned = false;
    // What may have been restored is no longer what the others began with.
    if (why.sqlstate() == "08007") FenceTheOthers(session);
    end_->Broken(session, why);
    co_return Next::Look();
  }
  if (parent.current_state != "ready") {
    co_return Next::Again(Status::Error("55006", "the parent is not ready after its restore",
                                        session.merge->reason,
                                        "Look at the parent branch at Neon; its old state is "
                                        "preserved as \"" +
                                            session.merge->backup_name + "\"."));
  }
  session.row.pinned = parent.parent_id == session.row.branch_id;
  work.reset_at = parent.last_reset_at;
  work.ended = true;
  co_return Next::Look();
}

Flow<Next> RestoreMerge::Reconcile(Session &session) {
  RestoreWork &work = WorkOf(session);
  if (session.merge->accepted) {
    context_->CloseStep(session, false, "outcome unknown; it is looked at again");
    session.uncertain = false;
    co_return Next::Look();
  }
  if (!session.step || session.step->kind != StepKind::kRestore) {
    // Clearing the expiry: doing it again does no harm.
    context_->CloseStep(session, false, "outcome unknown; it is done again");
    context_->ForgetExpiry(session);
    co_return Next::Look();
  }
  Result<bool> done = co_await IsDone(session);
  if (!done.ok()) co_return Next::Again(done.status());
  if (done.value()) co_return Next::Look();
  // Should it still come, its name makes the next one fail with 409.
  if (work.late_step) context_->journal().Record(*work.late_step, false, "superseded");
  work.late_step = std::exchange(session.step, {});
  work.late_until = context_->now() + kMayStillCome;
  session.uncertain = false;
  co_return Next::Look();
}

Flow<Result<bool>> RestoreMerge::IsDone(Session &session) {
  const std::string name = session.merge->backup_name;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return named.status();
  if (named->has_value()) Accept(session);
  co_return named->has_value();
}

Flow<Next> RestoreMerge::RuleOut(Session &session) {
  RestoreWork &work = WorkOf(session);
  Result<bool> done = co_await IsDone(session);
  if (!done.ok()) co_return Next::Again(done.status());
  if (done.value()) co_return Next::Look();
  const bool may_come = work.late_step && context_->now() < work.late_until;
  if (++work.backup_lookups < kFewTries || may_come) {
    co_await context_->Pause(session, kLookInterval,
                             "certainty that the restore does not come any more");
    co_return Next::Look();
  }
  if (work.late_step) {
    context_->journal().Record(*work.late_step, false, "no backup of that name appeared");
    work.late_step.reset();
  }
  session.merge->backup_name.clear();
  context_->journal().Add(*session.merge);
  context_->Save(session);
  co_return Next::Look();
}

}  // namespace agent_branch
