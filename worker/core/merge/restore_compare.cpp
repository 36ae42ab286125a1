// The part of RestoreMerge that compares the parent with what the session began with.
#include <utility>

#include "worker/core/merge/drift.hpp"
#include "worker/core/merge/restore_merge.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxConflicts = 1'000;
constexpr milliseconds kBusyInterval{20};

}  // namespace

void RestoreMerge::Compare(Session &session) {
  if (!creator_->HaveUris(session)) return;
  Project &project = desk_->ProjectOf(session);
  if (project.parent_uri.empty()) {
    // Another session is fetching it.
    desk_->Pause(session, kBusyInterval);
    return;
  }
  // What is compared now is to be what is replaced: no change of the project comes in between.
  project.reserved_by = session.row.id;
  if (project.busy()) {
    desk_->Pause(session, kBusyInterval);
    return;
  }
  BranchTask task;
  // The same version of the catalogs proves the same schema; another one proves nothing.
  bool may_be_same = !session.base_version.empty() && session.merge_fence.empty() &&
                     session.merge_phase == MergePhase::kCompare;
  task.kind = may_be_same ? BranchTaskKind::kCatalogVersion : BranchTaskKind::kFingerprint;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uri;
  desk_->Run(session, std::move(task),
             [this, may_be_same](Session &asked, const BranchEvent &event) {
               if (may_be_same && event.outcome != BranchOutcome::kNotRun) {
                 OnVersion(asked, event);
               } else {
                 OnCompared(asked, event);
               }
             });
}

void RestoreMerge::OnVersion(Session &session, const BranchEvent &event) {
  // No fence, so the parent was not restored since: the two versions are of one history.
  bool same = event.outcome == BranchOutcome::kDone && !event.fingerprint.empty() &&
              event.fingerprint == session.base_version;
  if (!same) {
    session.merge_phase = MergePhase::kDescribe;
    return;
  }
  session.merge->parent_fingerprint = session.row.base_fingerprint;
  desk_->journal().Add(*session.merge);
  session.merge_phase = MergePhase::kRestore;
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
    project.reserved_by = 0;
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
  Refuse(session,
         Status::Error("40001", what + " since the session began", detail,
                       "Nothing was touched. Discard the session and apply its migrations "
                       "in a new one, which begins with the parent as it is now."),
         std::move(drift));
}

}  // namespace agent_branch
