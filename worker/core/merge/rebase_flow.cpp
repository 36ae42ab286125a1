#include "worker/core/merge/rebase_flow.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/merge/replay_judgement.hpp"

namespace agent_branch {
namespace {

// How long a branch is kept that holds what the new one has not.
constexpr int64_t kTimeToLook = 86'400;
constexpr size_t kMostNamed = 100;

}  // namespace

std::string Listed(const std::vector<std::string> &items) {
  constexpr size_t kNamed = 5;
  std::string text;
  for (size_t n = 0; n < items.size() && n < kNamed; ++n)
    text += (n == 0 ? "" : ", ") + items[n];
  if (items.size() > kNamed) text += " and " + std::to_string(items.size() - kNamed) + " more";
  return text;
}

Status UnrecordedObjects(const std::vector<std::string> &objects) {
  return Status::Error("AB005", "the migrations do not make the parent what the branch is",
                       "These differ: " + Listed(objects) + ".",
                       "Nothing was touched. Bring what was changed on the branch outside of "
                       "migrations as a migration; what a migration names by chance or by time "
                       "differs each time that it runs.");
}

Status UnrecordedRowsFound(const std::vector<std::string> &tables) {
  return Status::Error("AB005", "the branch holds changes that no migration made",
                       Listed(tables) + ".",
                       "Nothing was touched. Bring them as a migration, or leave them behind with "
                       "on_unrecorded => 'drop'.");
}

bool RebaseFlow::IsWanted(const Session &session) {
  const bool has_branch = !session.row.branch_id.empty() && !session.branch_gone;
  if (!session.at_home() || !has_branch || session.given_up() || session.step) return false;
  if (!session.migrations.empty()) return false;
  if (session.rebase) return session.row.goal != Goal::kMerge;
  return session.row.goal == Goal::kRebase;
}

Flow<Next> RebaseFlow::Run(Session &session) {
  if (!session.rebase) {
    const bool drops = context_->ProjectOf(session).row.drops_unrecorded;
    Result<std::optional<Status>> refused = co_await Begin(session, drops);
    if (!refused.ok()) co_return Next::Again(refused.status());
    if (refused->has_value()) {
      session.row.goal = Goal::kNone;
      context_->MoveTo(session, SessionState::kConflict);
      context_->SetReason(session, **refused);
    }
    co_return Next::Look();
  }
  if (session.row.state == SessionState::kFailed) {
    // A migration does not run on the parent as it is now. The branch shows how far it came.
    context_->EndRebase(session, false);
    context_->Save(session);
    co_return Next::Look();
  }
  Result<std::vector<std::string>> missing = co_await Finish(session);
  if (!missing.ok()) co_return Next::Again(missing.status());
  if (missing->empty()) {
    context_->Save(session);
    co_return Next::Look();
  }
  context_->MoveTo(session, SessionState::kConflict);
  context_->SetReason(session, UnrecordedObjects(*missing));
  co_return Next::Look();
}

Flow<Result<std::optional<Status>>> RebaseFlow::Begin(Session &session, bool drops_unrecorded) {
  Result<RecordedWork> recorded = co_await record_.Read(session);
  if (!recorded.ok()) co_return recorded.status();
  RecordedWork work = std::move(*recorded);
  Result<BranchNow> branch =
      co_await record_.LookAtBranch(session, std::move(work), !drops_unrecorded);
  if (!branch.ok()) co_return branch.status();
  if (!branch->unrecorded.empty())
    co_return std::optional<Status>(UnrecordedRowsFound(branch->unrecorded));
  Result<std::vector<AppliedMigration>> applied =
      context_->store().AppliedMigrations(session.row.id);
  if (!applied.ok()) co_return applied.status();
  // Its owner may have changed his mind meanwhile.
  if (!session.given_up()) SetAside(session, std::move(*applied), *branch);
  co_return std::optional<Status>();
}

void RebaseFlow::SetAside(Session &session, std::vector<AppliedMigration> applied,
                          const BranchNow &branch) {
  Journal &journal = context_->journal();
  RebaseRow rebase;
  rebase.session_id = session.row.id;
  rebase.branch_id = session.row.branch_id;
  rebase.base_fingerprint = session.row.base_fingerprint;
  rebase.branch_fingerprint = branch.fingerprint;
  journal.Add(SnapshotRow{branch.fingerprint, branch.description});
  journal.Add(rebase);
  session.rebase = rebase;

  KeptBranchRow kept;
  kept.project_id = session.row.project_id;
  kept.session_id = session.row.id;
  kept.branch_id = session.row.branch_id;
  kept.name = session.row.branch_name;
  kept.kind = "rebased";
  kept.keep_until = context_->unix_time() + kTimeToLook;
  kept.endpoint_id = session.row.endpoint_id;
  journal.Add(kept);
  context_->ProjectOf(session).Keep(kept);

  uris_->DropOwn(session);
  uris_->DropAgents(session);
  journal.Add(ForkRow{session.row.id, true, {}, {}});
  SessionRow &row = session.row;
  row.branch_id.clear();
  row.endpoint_id.clear();
  row.branch_expires_at = 0;
  row.operations.clear();
  row.base_fingerprint.clear();
  if (row.goal == Goal::kRebase) row.goal = Goal::kNone;
  session.parent_checked = session.may_be_forked = false;
  session.ours_at.reset();
  session.standpoints_unread = 0;
  session.base_version.clear();
  session.expiry_asked = 0;
  for (const AppliedMigration &migration : applied)
    RunAgain(session, migration);
  // Its compute and the next one are two: the place is asked for anew.
  context_->MoveTo(session, SessionState::kQueued);
}

void RebaseFlow::RunAgain(Session &session, const AppliedMigration &migration) {
  const int attempt = migration.attempt + 1;
  // A text that was repaired is what its owner has approved of by going on.
  context_->journal().Add(
      AttemptRow{migration.id, attempt, migration.sql, "agent", session.row.id});
  MigrationRow row;
  row.id = migration.id;
  row.session_id = session.row.id;
  row.ordinal = migration.ordinal;
  row.attempt = attempt;
  context_->journal().Add(row);
  const auto behind =
      std::find_if(session.migrations.begin(), session.migrations.end(),
                   [&row](const MigrationRow &known) { return known.ordinal > row.ordinal; });
  session.migrations.insert(behind, std::move(row));
}

Flow<Result<std::vector<std::string>>> RebaseFlow::Finish(Session &session) {
  Result<RecordedWork> recorded = co_await record_.Read(session);
  if (!recorded.ok()) co_return recorded.status();
  RecordedWork work = std::move(*recorded);
  Result<BranchNow> branch = co_await record_.LookAtBranch(session, std::move(work), false);
  if (!branch.ok()) co_return branch.status();
  Store &store = context_->store();
  const RebaseRow &rebase = *session.rebase;
  std::vector<ObjectMap> known;
  for (const std::string &fingerprint :
       {rebase.base_fingerprint, rebase.branch_fingerprint, session.row.base_fingerprint}) {
    Result<std::string> description = store.SnapshotObjects(fingerprint);
    if (!description.ok()) co_return description.status();
    Result<ObjectMap> objects = ReadObjectMap(*description);
    if (!objects.ok()) co_return objects.status();
    const auto &managed = context_->ProjectOf(session).row.managed_schemas;
    known.push_back(WithoutManaged(*objects, managed));
  }
  const auto &managed = context_->ProjectOf(session).row.managed_schemas;
  std::vector<std::string> missing =
      FindUnexpected(ExpectedAfterReplay(known[0], known[1], known[2]),
                     WithoutManaged(branch->objects, managed), kMostNamed);
  // What both sides changed is what the migrations made of it: that is what was asked for.
  for (const ObjectDifference &difference : CompareThreeWays(known[0], known[1], known[2])) {
    if (difference.change == ObjectChange::kConflict) std::erase(missing, difference.object);
  }
  context_->EndRebase(session, missing.empty());
  co_return missing;
}

}  // namespace agent_branch
