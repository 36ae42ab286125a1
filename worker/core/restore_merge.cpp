#include "worker/core/restore_merge.hpp"

#include <utility>

#include "worker/core/drift.hpp"
#include "worker/core/parent.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxConflicts = 1'000;
// Reading the new backup may say 404 for a moment (reference/api, 2.4).
constexpr int kBackupTries = 5;

std::string BackupName(const Project &project, const Session &session) {
  // Unique to the merge, and to this control database.
  return project.row.parent + "-before-" + session.row.uuid.substr(0, 8) + "-" +
         std::to_string(session.merge->id);
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

// Whether the parent is another one than it was before the merge's restore. Its last_reset_at
// counts whole seconds; that it hangs under the session's branch tells as well.
bool IsRestored(const Session &session, const NeonBranch &parent) {
  return parent.last_reset_at != session.merge->parent_reset_at ||
         parent.parent_id == session.row.branch_id;
}

Status BackupNotSeen() {
  return Status::Error("58000", "the parent's backup is not to be seen yet");
}

}  // namespace

void RestoreMerge::Drive(Session &session) {
  if (session.uncertain) {
    Reconcile(session);
  } else if (!session.row.operations.empty()) {
    desk_->ResumeOperations(
        session, [this](Session &waited, const auto &failed) { OnOperations(waited, failed); });
  } else if (session.merge_phase == MergePhase::kEnded) {
    FindBackup(session);
  } else if (session.merge->accepted) {
    AwaitParent(session);
  } else if (session.merge_phase == MergePhase::kCheck) {
    Check(session);
  } else if (session.row.branch_expires_at != 0 && session.merge_fence.empty()) {
    ClearExpiry(session);
  } else if (session.merge_phase == MergePhase::kCompare) {
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
      merges_->Refuse(asked, found.status(), {});
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
    merges_->Refuse(
        session,
        Status::Error("53400", "the project has its max_pinned of pinned branches",
                      std::to_string(pinned) + " branches of earlier merges cannot be "
                                               "deleted at Neon yet.",
                      "Raise the project's max_pinned, or merge when they are retired."),
        {});
    return;
  }
  session.merge_fence = Fence(session, parent);
  session.merge->parent_reset_at = parent.last_reset_at;
  session.merge->backup_name = BackupName(project, session);
  session.merge->base_fingerprint = session.row.base_fingerprint;
  desk_->journal().Add(*session.merge);
  session.merge_phase = MergePhase::kCompare;
}

void RestoreMerge::ClearExpiry(Session &session) {
  const Project &project = desk_->ProjectOf(session);
  desk_->Change(
      session, Priority::kMerge, SetExpiryRequest(project.row.neon_id, session.row.branch_id, {}),
      StepKind::kSetExpiry, session.row.branch_id, [this](Session &asked, const ApiAnswer &answer) {
        if (answer.verdict.kind == VerdictKind::kRefused) {
          merges_->Refuse(asked, answer.verdict.why, {});
        } else if (answer.verdict.kind != VerdictKind::kDone) {
          desk_->TryAgainIfBranchExists(asked, answer.verdict.why);
        } else {
          asked.row.branch_expires_at = 0;
          asked.expiry_asked = 0;
          desk_->Save(asked);
        }
      });
}

void RestoreMerge::Compare(Session &session) {
  if (!creator_->HaveUris(session)) return;
  Project &project = desk_->ProjectOf(session);
  if (project.parent_uri.empty()) {
    // Another session is fetching it.
    desk_->Pause(session, milliseconds(20));
    return;
  }
  BranchTask task;
  task.kind = BranchTaskKind::kFingerprint;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uri;
  desk_->Run(session, std::move(task),
             [this](Session &asked, const BranchEvent &event) { OnCompared(asked, event); });
}

void RestoreMerge::OnCompared(Session &session, const BranchEvent &event) {
  if (event.outcome != BranchOutcome::kDone) {
    Project &project = desk_->ProjectOf(session);
    bool password_refused = event.error.sqlstate().rfind("28", 0) == 0 ||
                            event.server_error.sqlstate.rfind("28", 0) == 0;
    if (password_refused) {
      project.parent_uri = Secret();
      project.parent_pooled_uri = Secret();
    }
    desk_->TryAgain(session, event.error);
    return;
  }
  session.merge->parent_fingerprint = event.fingerprint;
  desk_->journal().Add(*session.merge);
  if (event.fingerprint != session.row.base_fingerprint || !session.merge_fence.empty()) {
    RefuseDrift(session, event.objects);
    return;
  }
  session.merge_phase = MergePhase::kRestore;
}

void RestoreMerge::RefuseDrift(Session &session, const std::string &parent_objects) {
  const ProjectRow &project = desk_->ProjectOf(session).row;
  Result<std::string> base = desk_->store().SnapshotObjects(session.row.base_fingerprint);
  std::vector<ConflictRow> drift;
  if (base.ok()) drift = FindDrift(base.value(), parent_objects, kMaxConflicts);
  std::string detail = drift.empty() ? "" : DescribeDrift(drift) + ".";
  if (!session.merge_fence.empty()) {
    if (!detail.empty()) detail += " ";
    detail += session.merge_fence + ".";
    ConflictRow restored;
    restored.object = "branch " + project.parent;
    restored.change = "restored";
    restored.base_hash = session.row.parent_reset_at;
    restored.parent_hash = session.merge->parent_reset_at;
    drift.insert(drift.begin(), restored);
  }
  std::string what = session.row.base_fingerprint == session.merge->parent_fingerprint
                         ? "parent branch \"" + project.parent + "\" was merged into"
                         : "the schema of parent branch \"" + project.parent + "\" changed";
  merges_->Refuse(session,
                  Status::Error("40001", what + " since the session began", detail,
                                "Nothing was touched. Discard the session and apply its migrations "
                                "in a new one, which begins with the parent as it is now."),
                  std::move(drift));
}

void RestoreMerge::Restore(Session &session) {
  const Project &project = desk_->ProjectOf(session);
  NeonRequest request = RestoreRequest(project.row.neon_id, session.row.parent_branch_id,
                                       session.row.branch_id, session.merge->backup_name);
  desk_->Change(session, Priority::kMerge, std::move(request), StepKind::kRestore,
                session.row.parent_branch_id,
                [this](Session &asked, const ApiAnswer &answer) { OnRestored(asked, answer); });
}

void RestoreMerge::OnRestored(Session &session, const ApiAnswer &answer) {
  switch (answer.verdict.kind) {
    case VerdictKind::kDone:
      break;
    case VerdictKind::kExists:
      // The backup's name is this merge's own: an earlier request of ours was done after all.
      session.uncertain = true;
      return;
    case VerdictKind::kLimit:
      desk_->ProjectOf(session).retire_wanted = true;
      session.merge_phase = MergePhase::kCheck;
      desk_->TryAgain(session, answer.verdict.why);
      return;
    default:
      merges_->Refuse(session, answer.verdict.why, {});
      return;
  }
  session.merge->accepted = true;
  desk_->journal().Add(*session.merge);
  Result<NeonChange> restored = ParseChange(answer.body);
  if (!restored.ok()) {
    desk_->Save(session);
    return;
  }
  // The restored parent hangs under our branch, which therefore cannot be deleted yet.
  session.row.pinned = restored->branch.parent_id == session.row.branch_id;
  desk_->AwaitOperations(
      session, restored->operations,
      [this](Session &waited, const auto &failed) { OnOperations(waited, failed); });
}

void RestoreMerge::OnOperations(Session &session, const std::vector<NeonOperation> &failed) {
  if (failed.empty()) {
    session.merge_phase = MergePhase::kEnded;
    return;
  }
  std::string why = "Operation " + failed.front().action + " " + failed.front().status;
  if (!failed.front().error.empty()) why += ": " + failed.front().error;
  CheckRestored(session, why + ".");
}

void RestoreMerge::AwaitParent(Session &session) {
  // Which operations the restore has is not known: its answer was lost, or a restart came between.
  desk_->AwaitBranch(session, session.row.parent_branch_id,
                     [this](Session &waited, const auto &) { CheckRestored(waited, {}); });
}

void RestoreMerge::CheckRestored(Session &session, const std::string &failure) {
  // What an operation says of itself is not what became of the parent: that is read there.
  AskParent(session, [this, failure](Session &asked, const ApiAnswer &answer) {
    Result<NeonBranch> parent = ParseBranch(answer.body);
    if (answer.verdict.kind != VerdictKind::kDone || !parent.ok()) {
      merges_->Broken(asked, Status::Error("58000", "Neon could not restore the parent", failure,
                                           "Look at the parent branch at Neon."));
      return;
    }
    bool ready = parent->current_state == "ready";
    if (IsRestored(asked, parent.value()) && ready) {
      asked.row.pinned = parent->parent_id == asked.row.branch_id;
      asked.merge_phase = MergePhase::kEnded;
      return;
    }
    if (failure.empty() && !ready) {
      desk_->TryAgain(asked, Status::Error("55000", "the parent is still being restored"));
      return;
    }
    merges_->Broken(asked, Status::Error("58000", "Neon could not restore the parent", failure,
                                         "The branch is kept; the parent's old state, if it was "
                                         "replaced, is preserved as \"" +
                                             asked.merge->backup_name + "\"."));
  });
}

void RestoreMerge::AskParent(Session &session, Desk::OnAnswer then) {
  const Project &project = desk_->ProjectOf(session);
  desk_->Ask(session, Priority::kMerge,
             GetBranchRequest(project.row.neon_id, session.row.parent_branch_id), std::move(then));
}

void RestoreMerge::Reconcile(Session &session) {
  if (session.step && session.step->kind != StepKind::kRestore) {
    // Clearing the expiry: doing it again does no harm.
    desk_->CloseStep(session, false, "outcome unknown; it is done again");
    desk_->Save(session);
    desk_->Resume(session);
    return;
  }
  auto on_found = [this](Session &asked, const Result<std::vector<NeonBranch>> &named) {
    if (!named.ok()) {
      desk_->TryAgain(asked, named.status());
      return;
    }
    if (named->empty()) {
      ConfirmNotDone(asked);
      return;
    }
    desk_->CloseStep(asked, true, "the backup exists");
    asked.failures = 0;
    asked.merge->accepted = true;
    desk_->journal().Add(*asked.merge);
    desk_->Save(asked);
  };
  desk_->FindBranch(session, Priority::kMerge, session.merge->backup_name, std::move(on_found));
}

void RestoreMerge::ConfirmNotDone(Session &session) {
  // A new backup is not always listed at once, but the parent itself tells that it was restored.
  AskParent(session, [this](Session &asked, const ApiAnswer &answer) {
    Result<NeonBranch> parent = ParseBranch(answer.body);
    if (answer.verdict.kind != VerdictKind::kDone || !parent.ok()) {
      desk_->TryAgain(asked, parent.ok() ? answer.verdict.why : parent.status());
      return;
    }
    if (IsRestored(asked, parent.value()) && asked.failures < kBackupTries) {
      desk_->TryAgain(asked, BackupNotSeen());
      return;
    }
    // Should the lost request still arrive, its name makes the next one fail with 409.
    desk_->CloseStep(asked, false, "no backup of that name exists");
    asked.merge_phase = MergePhase::kCheck;
    desk_->Save(asked);
  });
}

void RestoreMerge::FindBackup(Session &session) {
  auto on_found = [this](Session &asked, const Result<std::vector<NeonBranch>> &named) {
    if (!named.ok()) {
      desk_->TryAgain(asked, named.status());
      return;
    }
    if (named->empty() && asked.failures < kBackupTries) {
      desk_->TryAgain(asked, BackupNotSeen());
      return;
    }
    if (!named->empty()) {
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
    }
    merges_->Merged(asked);
  };
  desk_->FindBranch(session, Priority::kMerge, session.merge->backup_name, std::move(on_found));
}

}  // namespace agent_branch
