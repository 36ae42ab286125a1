// The part of RestoreMerge that compares the parent with what the session began with.
#include <utility>

#include "worker/core/merge/drift.hpp"
#include "worker/core/merge/restore_merge.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxConflicts = 1'000;

}  // namespace

Flow<BranchEvent> RestoreMerge::AskParent(Session &session, BranchTaskKind kind) {
  Project &project = context_->ProjectOf(session);
  BranchTask task;
  task.kind = kind;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  BranchEvent event =
      co_await context_->Run(session, project, std::move(task), "a description of the parent");
  co_return event;
}

Status RestoreMerge::ParentTrouble(Session &session, const BranchEvent &event) {
  if (MayBeTheUri(event)) uris_->DropParents(context_->ProjectOf(session));
  return event.error;
}

Flow<Result<std::optional<Instant>>> RestoreMerge::Compare(Session &session) {
  const RestoreWork &work = WorkOf(session);
  const bool comparable = !session.base_version.empty() && work.fence.empty();
  Instant began = context_->now();
  BranchEvent version = co_await AskParent(session, BranchTaskKind::kCatalogVersion);
  if (version.outcome == BranchOutcome::kNotRun) co_return ParentTrouble(session, version);
  const bool told = version.outcome == BranchOutcome::kDone && !version.fingerprint.empty();
  // The same version of the catalogs proves the same schema; another one proves nothing. No fence,
  // so the parent was not restored since: the two versions are of one history.
  if (told && comparable && version.fingerprint == session.base_version) {
    session.merge->parent_fingerprint = session.row.base_fingerprint;
    context_->journal().Add(*session.merge);
    co_return std::optional<Instant>(began);
  }
  BranchEvent described = co_await AskParent(session, BranchTaskKind::kFingerprint);
  if (described.outcome != BranchOutcome::kDone) co_return ParentTrouble(session, described);
  session.merge->parent_fingerprint = described.fingerprint;
  context_->journal().Add(*session.merge);
  if (described.fingerprint != session.row.base_fingerprint || !work.fence.empty()) {
    RefuseDrift(session, described.objects);
    co_return std::optional<Instant>();
  }
  if (!told) co_return std::optional<Instant>(began);
  // A long description is made recent by the version, if it is the one from before.
  began = context_->now();
  BranchEvent after = co_await AskParent(session, BranchTaskKind::kCatalogVersion);
  if (after.outcome == BranchOutcome::kNotRun) co_return ParentTrouble(session, after);
  if (after.fingerprint != version.fingerprint) {
    co_return Status::Error("40001", "the parent is being changed",
                            "Its catalogs changed while they were compared.",
                            "It is compared again by itself.");
  }
  co_return std::optional<Instant>(began);
}

void RestoreMerge::RefuseDrift(Session &session, const std::string &parent_objects) {
  const ProjectRow &project = context_->ProjectOf(session).row;
  const RestoreWork &work = WorkOf(session);
  Result<std::string> base = context_->store().SnapshotObjects(session.row.base_fingerprint);
  std::vector<ConflictRow> drift;
  if (base.ok()) drift = FindDrift(base.value(), parent_objects, kMaxConflicts);
  std::string detail = drift.empty() ? "" : DescribeDrift(drift) + ".";
  if (!work.fence.empty()) {
    if (!detail.empty()) detail += " ";
    detail += work.fence + ".";
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
