// The end of a restore merge: Neon took the restore, and what became of it is found out.
#include <utility>

#include "worker/core/restore_merge.hpp"

namespace agent_branch {
namespace {

// A new backup may be invisible for a moment (reference/api, 2.4); when it never comes to be seen,
// somebody has deleted it.
constexpr int kBackupTries = 12;

// Whether the parent is another one than it was before the merge's restore, which is only ever sent
// while it is the one that the session began with. Its last_reset_at counts whole seconds; that it
// hangs under the session's branch tells as well.
bool IsRestored(const Session &session, const NeonBranch &parent) {
  return parent.last_reset_at != session.row.parent_reset_at ||
         parent.parent_id == session.row.branch_id;
}

}  // namespace

void RestoreMerge::Complete(Session &session) {
  bool ended = session.merge_phase == MergePhase::kEnded;
  // A restore that failed may have left no backup.
  bool failed = !ended && !session.merge->reason.empty();
  int tries = failed ? kFewTries : kBackupTries;
  if (session.merge->backup_branch_id.empty() && session.backup_lookups < tries) {
    FindBackup(session);
  } else if (!ended) {
    Confirm(session);
  } else {
    merges_->Merged(session);
  }
}

void RestoreMerge::FindBackup(Session &session) {
  auto on_found = [this](Session &asked, const Result<std::vector<NeonBranch>> &named) {
    if (!named.ok()) {
      desk_->TryAgain(asked, named.status());
      return;
    }
    ++asked.backup_lookups;
    if (named->empty()) {
      desk_->ShowTrouble(asked,
                         Status::Error("58000", "the parent's backup is not to be seen yet"));
      desk_->Pause(asked, kLookInterval);
      return;
    }
    Project &project = desk_->ProjectOf(asked);
    KeptBranchRow backup;
    backup.project_id = project.row.id;
    backup.session_id = asked.row.id;
    backup.branch_id = named->front().id;
    backup.name = named->front().name;
    backup.kind = "backup";
    backup.keep_until = desk_->unix_time() + project.row.undo_window;
    project.kept[backup.branch_id] = backup;
    desk_->journal().Add(backup);
    asked.merge->backup_branch_id = backup.branch_id;
    desk_->journal().Add(*asked.merge);
  };
  desk_->FindBranch(session, Priority::kMerge, session.merge->backup_name, std::move(on_found));
}

void RestoreMerge::Confirm(Session &session) {
  // The answer was lost, or an operation failed. What an operation says of itself is not what
  // became of the parent: that is read there, once nothing runs on it any more.
  desk_->AwaitBranch(session, session.row.parent_branch_id,
                     [this](Session &waited, const auto &) { ReadParent(waited); });
}

void RestoreMerge::ReadParent(Session &session) {
  desk_->Ask(session, Priority::kMerge,
             GetBranchRequest(desk_->ProjectOf(session).row.neon_id, session.row.parent_branch_id),
             [this](Session &asked, const ApiAnswer &answer) { OnParentRead(asked, answer); });
}

void RestoreMerge::OnParentRead(Session &session, const ApiAnswer &answer) {
  Result<NeonBranch> parent = ParseBranch(answer.body);
  if (answer.verdict.kind != VerdictKind::kDone || !parent.ok()) {
    desk_->TryAgain(
        session, answer.verdict.kind == VerdictKind::kDone ? parent.status() : answer.verdict.why);
    return;
  }
  if (!IsRestored(session, parent.value())) {
    merges_->Broken(
        session, Status::Error("58000", "Neon could not restore the parent", session.merge->reason,
                               "The parent is as it was, and the branch is kept."));
    return;
  }
  if (parent->current_state != "ready") {
    desk_->TryAgain(session, Status::Error("55006", "the parent is not ready after its restore",
                                           session.merge->reason,
                                           "Look at the parent branch at Neon; its old state is "
                                           "preserved as \"" +
                                               session.merge->backup_name + "\"."));
    return;
  }
  session.row.pinned = parent->parent_id == session.row.branch_id;
  session.merge_phase = MergePhase::kEnded;
}

}  // namespace agent_branch
