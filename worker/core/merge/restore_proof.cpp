// The part of RestoreMerge that compares the parent with what the session began with.
#include <utility>

#include "worker/core/merge/certificate.hpp"
#include "worker/core/merge/drift.hpp"
#include "worker/core/merge/restore_merge.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxConflicts = 1'000;
// Others wait behind the locks, and behind those who wait for them.
constexpr milliseconds kLockTimeout{2'000};

}  // namespace

RunningTask RestoreMerge::LockTables(Session &session) {
  Project &project = context_->ProjectOf(session);
  BranchTask task;
  task.kind = BranchTaskKind::kMigrate;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  task.sql = LockTablesScript();
  task.longest_lock_wait = kLockTimeout;
  return context_->Start(session, project, std::move(task), "locks on the parent's tables");
}

Flow<Result<std::optional<Instant>>> RestoreMerge::Compare(Session &session) {
  const Instant began = context_->now();
  std::string moved = WorkOf(session).fence;
  bool known = true;
  if (moved.empty()) {
    Result<StillProof> proof = co_await still_.Prove(session);
    if (!proof.ok()) co_return proof.status();
    moved = proof->moved;
    known = proof->known;
    session.merge->certificate = RestoreCertificate(proof->standpoint, true);
  }
  if (moved.empty()) {
    session.merge->parent_fingerprint = session.row.base_fingerprint;
    context_->journal().Add(*session.merge);
    co_return std::optional<Instant>(began);
  }
  WorkOf(session).known = known;
  Next next = co_await ExplainAndRefuse(session, std::move(moved));
  if (next.fails()) co_return next.trouble;
  co_return std::optional<Instant>();
}

Flow<Next> RestoreMerge::ExplainAndRefuse(Session &session, std::string moved) {
  Project &project = context_->ProjectOf(session);
  BranchTask task;
  task.kind = BranchTaskKind::kFingerprint;
  task.connection_key = project.parent_connection_key() + ", beside";
  task.uri = project.parent_uris.direct;
  BranchEvent described =
      co_await context_->Run(session, project, std::move(task), "a description of the parent");
  if (described.outcome != BranchOutcome::kDone)
    co_return Next::Again(parent_.Trouble(session, described));
  session.merge->parent_fingerprint = described.fingerprint;
  session.merge->certificate.clear();
  RefuseMoved(session, moved, described.objects);
  co_return Next::Look();
}

void RestoreMerge::RefuseMoved(Session &session, const std::string &moved,
                               const std::string &parent_objects) {
  const ProjectRow &project = context_->ProjectOf(session).row;
  const RestoreWork &work = WorkOf(session);
  Result<std::string> base = context_->store().SnapshotObjects(session.row.base_fingerprint);
  std::vector<ConflictRow> drift;
  if (base.ok()) drift = FindDrift(base.value(), parent_objects, kMaxConflicts);
  const bool same_schema = session.row.base_fingerprint == session.merge->parent_fingerprint;
  std::string detail = drift.empty() || same_schema ? "" : DescribeDrift(drift) + ".";
  if (!detail.empty() && !work.fence.empty()) detail += " ";
  if (same_schema || !work.fence.empty()) detail += moved + ".";
  if (same_schema) drift.clear();
  std::string what = "the schema of parent branch \"" + project.parent + "\" changed";
  if (same_schema) what = "parent branch \"" + project.parent + "\" was written to";
  if (same_schema && !work.known)
    what = "parent branch \"" + project.parent + "\" may have been written to";
  if (!work.fence.empty()) {
    ConflictRow restored;
    restored.object = "branch " + project.parent;
    restored.change = "restored";
    restored.base_hash = session.row.parent_reset_at;
    restored.parent_hash = session.merge->parent_reset_at;
    drift.insert(drift.begin(), restored);
    if (same_schema) what = "parent branch \"" + project.parent + "\" was merged into";
  }
  Refuse(session,
         Status::Error("40001", what + " since the session began", detail,
                       "Nothing was touched. A merge by replay keeps what others wrote; "
                       "agent_rebase() begins anew with the parent as it is now."),
         std::move(drift));
}

}  // namespace agent_branch
