#include "worker/core/merge/restore_merge.hpp"

#include <utility>

#include "worker/core/neon/parent.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxHistory = 64;  // merges of a parent that are known to be of one history

std::string BackupName(const Project &project, const Session &session) {
  // Unique to the merge, and to this control database.
  return project.row.parent + "-before-" + session.row.uuid.substr(0, 8) + "-" +
         std::to_string(session.merge->id);
}

bool IsGivenUp(const Session &session) {
  return session.row.goal == Goal::kDiscard || session.row.goal == Goal::kExpire;
}

// Whether the restore that the parent had may be this merge's own, though nothing says that one was
// sent: a standby that lagged when it was promoted lacks what was committed last. After another
// session's merge none was sent.
bool MayBeForgotten(const Session &session) {
  return !session.merge_fence.empty() && !session.may_have_restored() &&
         session.backup_lookups == 0 &&
         session.row.parent_reset_at.rfind(RestoreMerge::kFenced, 0) != 0;
}

std::string Fence(const Session &session, const NeonBranch &parent) {
  if (parent.id != session.row.parent_branch_id) {
    return "Another branch has the parent's name now: " + parent.id;
  }
  if (parent.last_reset_at != session.row.parent_reset_at) {
    return "The parent was restored at " + parent.last_reset_at + ", after the session began";
  }
  return {};
}

}  // namespace

void RestoreMerge::Drive(Session &session) {
  if (session.uncertain) {
    Reconcile(session);
  } else if (!session.row.operations.empty()) {
    desk_->ResumeOperations(
        session, [this](Session &waited, const auto &failed) { OnOperations(waited, failed); });
  } else if (session.merge->accepted) {
    Complete(session);
  } else if (session.may_have_restored() &&
             (session.refusal || session.branch_gone || IsGivenUp(session))) {
    RuleOut(session);
  } else if (session.refusal) {
    MergeRefusal refusal = std::move(*session.refusal);
    merges_->Refuse(session, refusal.why, std::move(refusal.conflicts));
  } else if (session.branch_gone) {
    merges_->Broken(session, Status::Error("55000", "the branch no longer exists at Neon", {},
                                           "Discard the session and create it again."));
  } else if (session.merge_phase == MergePhase::kCheck) {
    Check(session);
  } else if (session.row.branch_expires_at != 0 && session.merge_fence.empty()) {
    ClearExpiry(session);
  } else if (session.merge_phase == MergePhase::kCompare ||
             session.merge_phase == MergePhase::kDescribe) {
    Compare(session);
  } else {
    Restore(session);
  }
}

void RestoreMerge::Check(Session &session) {
  const std::string &parent = desk_->ProjectOf(session).row.parent;
  desk_->FindBranch(session, Priority::kMerge, parent, [this](Session &asked, const auto &named) {
    if (!named.ok()) {
      desk_->TryAgain(asked, named.status());
      return;
    }
    Result<NeonBranch> found = CheckParent(desk_->ProjectOf(asked).row, named.value());
    if (!found.ok()) {
      Refuse(asked, found.status(), {});
      return;
    }
    OnParent(asked, found.value());
  });
}

void RestoreMerge::OnParent(Session &session, const NeonBranch &parent) {
  const Project &project = desk_->ProjectOf(session);
  size_t pinned = 0;
  for (const auto &[id, kept] : project.kept)
    pinned += kept.kind == "pinned" ? 1 : 0;
  if (project.row.max_pinned && pinned >= static_cast<size_t>(*project.row.max_pinned)) {
    Refuse(session,
           Status::Error("53400", "the project has its max_pinned of pinned branches",
                         std::to_string(pinned) + " branches of earlier merges cannot be "
                                                  "deleted at Neon yet.",
                         "Raise the project's max_pinned, or merge when they are retired."),
           {});
    return;
  }
  session.merge_fence = Fence(session, parent);
  session.merge->parent_reset_at = parent.last_reset_at;
  session.merge->base_fingerprint = session.row.base_fingerprint;
  desk_->journal().Add(*session.merge);
  session.merge_phase = MergePhase::kCompare;
  // It may have been our own restore.
  if (!session.merge_fence.empty() && session.may_have_restored()) {
    RuleOut(session);
  } else if (MayBeForgotten(session)) {
    LookForForgotten(session);
  }
}

void RestoreMerge::LookForForgotten(Session &session) {
  std::string name = BackupName(desk_->ProjectOf(session), session);
  ++session.backup_lookups;
  auto on_found = [this, name](Session &asked, const Result<std::vector<NeonBranch>> &named) {
    if (!named.ok()) {
      asked.backup_lookups = 0;
      asked.merge_phase = MergePhase::kCheck;
      desk_->TryAgain(asked, named.status());
    } else if (!named->empty()) {
      asked.merge->backup_name = name;
      Accept(asked);
    }
  };
  desk_->FindBranch(session, Priority::kMerge, name, std::move(on_found));
}

void RestoreMerge::ClearExpiry(Session &session) {
  const Project &project = desk_->ProjectOf(session);
  desk_->Change(
      session, Priority::kMerge, SetExpiryRequest(project.row.neon_id, session.row.branch_id, {}),
      StepKind::kSetExpiry, session.row.branch_id, [this](Session &asked, const ApiAnswer &answer) {
        if (answer.verdict.kind == VerdictKind::kRefused) {
          Refuse(asked, answer.verdict.why, {});
        } else if (answer.verdict.kind != VerdictKind::kDone) {
          desk_->TryAgainIfBranchExists(asked, answer.verdict.why);
        } else {
          asked.row.branch_expires_at = 0;
          asked.expiry_asked = 0;
          desk_->Save(asked);
        }
      });
}

void RestoreMerge::Restore(Session &session) {
  const Project &project = desk_->ProjectOf(session);
  // Written with the step that sends it, so that a merge that got no further names no backup.
  session.merge->backup_name = BackupName(project, session);
  session.backup_lookups = 0;
  desk_->journal().Add(*session.merge);
  NeonRequest request = RestoreRequest(project.row.neon_id, session.row.parent_branch_id,
                                       session.row.branch_id, session.merge->backup_name);
  desk_->ChangeNow(session, Priority::kMerge, std::move(request), StepKind::kRestore,
                   session.row.parent_branch_id,
                   [this](Session &asked, const ApiAnswer &answer) { OnRestored(asked, answer); });
}

void RestoreMerge::OnRestored(Session &session, const ApiAnswer &answer) {
  desk_->ProjectOf(session).reserved_by = 0;
  switch (answer.verdict.kind) {
    case VerdictKind::kDone:
    case VerdictKind::kExists:
      // The backup's name is this merge's own: if it exists, an earlier request of ours was done.
      break;
    case VerdictKind::kLimit:
      admission_->MakeRoom(desk_->ProjectOf(session));
      [[fallthrough]];
    case VerdictKind::kBusy:
    case VerdictKind::kThrottled:
    case VerdictKind::kUnavailable:
    case VerdictKind::kKey:
    case VerdictKind::kForbidden:
    case VerdictKind::kUnreachable:
      // Nothing has happened, and what was compared may be another thing when it is tried again.
      session.merge_phase = MergePhase::kCheck;
      desk_->TryAgain(session, answer.verdict.why);
      return;
    default:
      Refuse(session, answer.verdict.why, {});
      return;
  }
  Accept(session);
  if (answer.verdict.kind != VerdictKind::kDone) return;
  Result<NeonChange> restored = ParseChange(answer.body);
  if (!restored.ok() || restored->operations.empty()) return;
  // The parent was proven to be still when the branch went on from it: its history goes on.
  if (!restored->branch.last_reset_at.empty()) {
    std::set<std::string> &history = desk_->ProjectOf(session).history;
    // The oldest goes; without it a comparison reads the whole schema once more.
    if (history.size() >= kMaxHistory) history.erase(history.begin());
    history.insert(session.row.parent_branch_id + " " + restored->branch.last_reset_at);
  }
  // The restored parent hangs under our branch, which therefore cannot be deleted yet.
  session.row.pinned = restored->branch.parent_id == session.row.branch_id;
  desk_->AwaitOperations(
      session, restored->operations,
      [this](Session &waited, const auto &failed) { OnOperations(waited, failed); });
}

void RestoreMerge::Refuse(Session &session, const Status &why, std::vector<ConflictRow> conflicts) {
  desk_->ProjectOf(session).reserved_by = 0;
  if (!session.may_have_restored()) {
    merges_->Refuse(session, why, std::move(conflicts));
    return;
  }
  // What looks like a reason may be the work of our own restore. One that was refused may have been
  // done as well: when something on the way repeats a request, the answer is that to the last one.
  desk_->ShowTrouble(session, why);
  session.refusal = MergeRefusal{why, std::move(conflicts)};
}

}  // namespace agent_branch
