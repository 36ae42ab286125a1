// The part of RestoreMerge that sees to it that no role comes to the parent which was not meant to.
#include <utility>

#include "worker/core/merge/carried_roles.hpp"
#include "worker/core/merge/rebase_flow.hpp"
#include "worker/core/merge/restore_merge.hpp"

namespace agent_branch {
namespace {

constexpr char kNoRoles[] =
    "Nothing was touched. A restore would carry it to the parent: bring what is meant to be there "
    "as "
    "a migration, or merge by replay.";

Status PasswordChanged(const std::string &seen) {
  return Status::Error("AB005", "the password of the project's role was changed on the branch",
                       seen + ".", kNoRoles);
}

Status RolesChanged(const std::vector<std::string> &roles) {
  return Status::Error("AB005", "roles were changed on the branch outside of migrations",
                       "These differ: " + Listed(roles) + ".", kNoRoles);
}

}  // namespace

Flow<Result<std::optional<Status>>> RestoreMerge::LeaveAgentsBehind(Session &session) {
  if (!uris_->AreWorkersAlone(session)) co_return std::optional<Status>();
  // A candidate never had an agent.
  const bool candidate = session.merge->chosen == "candidate";
  Result<std::optional<Status>> kept = co_await role_.TakeAway(session);
  if (!kept.ok() || kept->has_value() || candidate || session.branch_gone) co_return kept;
  const bool answered = co_await reader_.KeepOnBranch(session);
  if (!answered) co_return Status::Error("08006", "the branch does not answer");
  // By a login that is new: the password may have been set anew.
  context_->branches().Close(session.connection_key());
  BranchTask task;
  task.kind = BranchTaskKind::kFingerprint;
  BranchEvent event = co_await context_->RunOnBranch(session, std::move(task),
                                                     "a description of the branch without agents");
  if (event.outcome == BranchOutcome::kNotRun && event.error.sqlstate().rfind("28", 0) == 0)
    co_return std::optional<Status>(PasswordChanged(event.error.message()));
  if (event.outcome != BranchOutcome::kDone) co_return event.error;
  Result<ObjectMap> now = ReadObjectMap(event.objects);
  if (!now.ok()) co_return now.status();
  Result<std::string> description = context_->store().SnapshotObjects(session.row.base_fingerprint);
  if (!description.ok()) co_return description.status();
  Result<ObjectMap> base = ReadObjectMap(*description);
  if (!base.ok()) co_return base.status();
  Result<std::vector<AppliedMigration>> applied =
      context_->store().AppliedMigrations(session.row.id);
  if (!applied.ok()) co_return applied.status();
  std::vector<std::string> texts;
  for (const AppliedMigration &migration : *applied)
    texts.push_back(migration.sql);
  const std::vector<std::string> roles = UnrecordedRoles(*base, *now, texts);
  // A description of another version says other things of the same roles.
  if (roles.empty() || !AreComparable(*base, *now)) co_return std::optional<Status>();
  co_return std::optional<Status>(RolesChanged(roles));
}

}  // namespace agent_branch
