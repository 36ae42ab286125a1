// The part of RestoreMerge that finds out what became of a restore.
#include <utility>

#include "worker/core/base/timestamp.hpp"
#include "worker/core/merge/restore_merge.hpp"

namespace agent_branch {
namespace {

// A new backup may be invisible for a moment (reference/api, 2.4); when it never comes to be seen,
// somebody has deleted it.
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
bool MayBeRestored(const Session &session, const Project &project, const NeonBranch &parent) {
  // Where it hung under the branch of that merge, it would hang under ours now.
  bool would_hang = session.row.pinned || project.kept.count(parent.parent_id) > 0;
  if (session.merge->backup_branch_id.empty() || would_hang) return false;
  int64_t before = ParseTimestamp(parent.last_reset_at);
  return before != 0 && ParseTimestamp(session.backup_created_at) <= before;
}

Status NotRestored(const Session &session, const Project &project, const NeonBranch &parent) {
  if (!MayBeRestored(session, project, parent)) {
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
  desk_->CloseStep(session, true, "the backup exists");
  if (session.late_restore) {
    desk_->journal().Record(*session.late_restore, true, "this one or a later one was done");
    session.late_restore.reset();
  }
  session.failures = 0;
  session.backup_lookups = 0;
  session.refusal.reset();
  session.merge->accepted = true;
  desk_->journal().Add(*session.merge);
  desk_->Save(session);
  FenceOthers(session);
}

void RestoreMerge::FenceOthers(const Session &session) {
  // Neon's last_reset_at counts whole seconds: whoever began within the second of one merge could
  // not tell another one that came within it too, and would undo that.
  for (const auto &[id, other] : desk_->world().sessions) {
    bool same_project = other->row.project_id == session.row.project_id;
    if (id == session.row.id || !same_project || other->row.parent_branch_id.empty()) continue;
    other->row.parent_reset_at = kFenced + std::to_string(session.merge->id);
    desk_->Save(*other);
    // Saving looks again whether it is settled, and a clock that was set may have changed that.
    if (other->activity == Activity::kNone) desk_->Resume(*other);
    if (!other->row.branch_id.empty()) continue;
    // Its branch is made of the parent as it is now, so the parent is looked at once more.
    other->parent_checked = false;
    desk_->Interrupt(*other);
  }
}

void RestoreMerge::OnOperations(Session &session, const std::vector<NeonOperation> &failed) {
  if (failed.empty()) {
    session.merge_phase = MergePhase::kEnded;
    return;
  }
  session.merge->reason = "Operation " + failed.front().action + " " + failed.front().status;
  if (!failed.front().error.empty()) session.merge->reason += ": " + failed.front().error;
  session.merge->reason += ".";
}

void RestoreMerge::Complete(Session &session) {
  bool ended = session.merge_phase == MergePhase::kEnded;
  // A restore that failed may have left no backup.
  bool failed = !ended && !session.merge->reason.empty();
  int tries = failed ? kFewTries : kBackupTries;
  // After a restart the backup is known, but not of when it is.
  bool known =
      !session.merge->backup_branch_id.empty() && (ended || !session.backup_created_at.empty());
  if (!known && session.backup_lookups < tries) {
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
    asked.backup_created_at = named->front().created_at;
    if (asked.merge->backup_branch_id == backup.branch_id) return;
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
    Status why = NotRestored(session, desk_->ProjectOf(session), parent.value());
    session.row.pinned = false;
    merges_->Broken(session, why);
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

void RestoreMerge::Reconcile(Session &session) {
  desk_->ProjectOf(session).reserved_by = 0;
  if (session.step && session.step->kind != StepKind::kRestore) {
    // Clearing the expiry: doing it again does no harm.
    desk_->CloseStep(session, false, "outcome unknown; it is done again");
    desk_->Save(session);
    desk_->Resume(session);
    return;
  }
  AcceptIfDone(session, [this](Session &asked) {
    // Should it still come, its name makes the next one fail with 409.
    if (asked.late_restore) desk_->journal().Record(*asked.late_restore, false, "superseded");
    asked.late_restore = std::exchange(asked.step, {});
    asked.late_until = desk_->now() + kMayStillCome;
    asked.uncertain = false;
    asked.merge_phase = MergePhase::kCheck;
  });
}

void RestoreMerge::AcceptIfDone(Session &session, Desk::OnSession otherwise) {
  auto on_found = [this, otherwise = std::move(otherwise)](
                      Session &asked, const Result<std::vector<NeonBranch>> &named) {
    if (!named.ok()) {
      asked.merge_phase = MergePhase::kCheck;
      desk_->TryAgain(asked, named.status());
    } else if (!named->empty()) {
      Accept(asked);
    } else {
      otherwise(asked);
    }
  };
  desk_->FindBranch(session, Priority::kMerge, session.merge->backup_name, std::move(on_found));
}

void RestoreMerge::RuleOut(Session &session) {
  AcceptIfDone(session, [this](Session &asked) {
    asked.merge_phase = MergePhase::kCheck;
    bool may_come = asked.late_restore && desk_->now() < asked.late_until;
    if (++asked.backup_lookups < kFewTries || may_come) {
      desk_->Pause(asked, kLookInterval);
      return;
    }
    if (asked.late_restore) {
      desk_->journal().Record(*asked.late_restore, false, "no backup of that name appeared");
      asked.late_restore.reset();
    }
    asked.merge->backup_name.clear();
    desk_->journal().Add(*asked.merge);
    desk_->Save(asked);
  });
}

}  // namespace agent_branch
