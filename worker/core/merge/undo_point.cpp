#include "worker/core/merge/undo_point.hpp"

#include <utility>

#include "worker/core/base/timestamp.hpp"
#include "worker/core/flow/transaction_run.hpp"
#include "worker/core/neon/annotation.hpp"
#include "worker/core/neon/parent.hpp"

namespace agent_branch {
namespace {

constexpr int64_t kDay = 86'400;
constexpr int64_t kLongestExpiry = 30 * kDay;  // that Neon takes

// Another one than that of a restore that the same merge may come to.
std::string BackupName(const Project &project, const Session &session) {
  constexpr size_t kLongestName = 256;  // that Neon takes
  const std::string suffix =
      "-before-replay-" + session.row.uuid.substr(0, 8) + "-" + std::to_string(session.merge->id);
  return project.row.parent.substr(0, kLongestName - suffix.size()) + suffix;
}

}  // namespace

UndoPointRow &UndoPoints::PointOf(Session &session) {
  if (!session.undo_point) {
    session.undo_point.emplace();
    session.undo_point->merge_id = session.merge->id;
    session.undo_point->session_id = session.row.id;
  }
  return *session.undo_point;
}

void UndoPoints::CannotBeUndone(Session &session, const std::string &why) {
  UndoPointRow &point = PointOf(session);
  point.why_not = why;
  context_->journal().Add(point);
}

Flow<Result<std::string>> UndoPoints::AskParent(Session &session) {
  Project &project = context_->ProjectOf(session);
  BranchTask task;
  task.kind = BranchTaskKind::kStandpoint;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  BranchEvent event = co_await context_->Run(session, project, std::move(task),
                                             "the parent to say where it stands");
  if (event.outcome == BranchOutcome::kDone) co_return event.answer;
  if (MayBeTheUri(event)) uris_->DropParents(project);
  co_return event.error;
}

Flow<Result<bool>> UndoPoints::BackUp(Session &session) {
  if (context_->ProjectOf(session).row.undo_window == 0) co_return true;
  Result<bool> made = co_await BackUpNow(session, false);
  co_return made;
}

Flow<Result<bool>> UndoPoints::BackUpAnyway(Session &session) {
  Result<bool> made = co_await BackUpNow(session, true);
  co_return made;
}

Flow<Result<bool>> UndoPoints::BackUpNow(Session &session, bool anyway) {
  Project &project = context_->ProjectOf(session);
  const bool refused = session.undo_point && !session.undo_point->why_not.empty();
  if (refused && (!anyway || !session.undo_point->backup_name.empty())) co_return true;
  if (session.undo_point && !session.undo_point->backup_branch_id.empty()) {
    if (!session.row.operations.empty()) co_await context_->AwaitNotedBefore(session);
    co_return true;
  }
  const std::string name = project.row.parent;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return named.status();
  Result<NeonBranch> parent = CheckRestorable(project.row, named.value());
  if (!parent.ok()) {
    CannotBeUndone(session, parent.status().message());
    if (!anyway || !named->has_value()) co_return true;
    parent = **named;
  }
  Result<std::string> stands = co_await AskParent(session);
  if (!stands.ok()) co_return stands.status();
  if (session.given_up()) co_return false;
  UndoPointRow &point = PointOf(session);
  point.backup_name = BackupName(project, session);
  point.standpoint = point.statistics = *stands;
  point.parent_reset_at = parent->last_reset_at;
  context_->journal().Add(point);
  Result<bool> made = co_await Make(session);
  co_return made;
}

Flow<Result<bool>> UndoPoints::Make(Session &session) {
  const Project &project = context_->ProjectOf(session);
  BranchSpecification branch;
  branch.parent_id = session.row.parent_branch_id;
  branch.name = session.undo_point->backup_name;
  branch.no_compute = true;
  // Whose it is, and of no session: should its answer be lost and the merge given up, a sweep finds
  // an orphan.
  branch.annotation = {{kInstallationKey, context_->inventory().installation_id}};
  const int64_t lifetime = project.row.undo_window + kDay;
  if (lifetime < kLongestExpiry)
    branch.expires_at = FormatTimestamp(context_->unix_time() + lifetime);
  NeonRequest request = CreateBranchRequest(project.row.neon_id, branch);
  ApiAnswer answer = co_await context_->Change(session, Priority::kMerge, std::move(request),
                                               StepKind::kBackUp, branch.name);
  switch (answer.classified.kind) {
    case ResponseKind::kDone:
      break;
    case ResponseKind::kExists: {
      Next looked_up = co_await Reconcile(session);
      if (looked_up.fails()) co_return looked_up.trouble;
      co_return false;
    }
    case ResponseKind::kLimit:
    case ResponseKind::kPlan:
    case ResponseKind::kRefused:
      CannotBeUndone(session, "no backup could be made: " + answer.classified.why.message());
      co_return true;
    default:
      co_return answer.classified.why;
  }
  Result<NeonChange> made = ParseChange(answer.body);
  const bool ours = made.ok() && made->branch.name == branch.name &&
                    made->branch.parent_id == branch.parent_id && !made->branch.id.empty();
  if (!ours) co_return false;  // it is looked up by its name
  NeonBranch backup = made->branch;
  std::vector<NeonOperation> operations = std::move(made->operations);
  Result<bool> taken = co_await Take(session, std::move(backup));
  if (!taken.ok()) co_return taken.status();
  std::vector<NeonOperation> failed = co_await context_->AwaitNoted(session, std::move(operations));
  if (!failed.empty()) CannotBeUndone(session, "Neon could not make the backup");
  co_return true;
}

Flow<Result<bool>> UndoPoints::Take(Session &session, NeonBranch branch) {
  Project &project = context_->ProjectOf(session);
  KeptBranchRow kept;
  kept.project_id = project.row.id;
  kept.session_id = session.row.id;
  kept.branch_id = branch.id;
  kept.name = branch.name;
  kept.kind = "backup";
  // Until the merge is over, which may wait for long.
  kept.keep_until = context_->unix_time() + project.row.undo_window + kDay;
  project.Keep(kept);
  context_->journal().Add(kept);
  session.undo_point->backup_branch_id = branch.id;
  context_->journal().Add(*session.undo_point);
  co_await context_->Commit(session);
  co_return true;
}

Flow<Next> UndoPoints::Reconcile(Session &session) {
  if (!session.undo_point) {
    context_->CloseStep(session, false, "what it was for is not known");
    co_return Next::Look();
  }
  const std::string name = session.undo_point->backup_name;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return Next::Again(named.status());
  if (!named->has_value()) {
    // Should it still come, its name makes the next one fail with 409, which leads back here.
    context_->CloseStep(session, false, "no branch of that name exists");
    co_return Next::Look();
  }
  // The list may leave annotations out; the branch itself has its own.
  const std::string id = (*named)->id;
  ApiCall like = context_->MakeCall(session, Priority::kMerge);
  Result<std::optional<NeonBranch>> read =
      co_await context_->ReadBranch(session, std::move(like), id);
  if (!read.ok()) co_return Next::Again(read.status());
  if (!read->has_value()) co_return Next::Look();
  NeonBranch found = std::move(**read);
  const bool ours = IsMadeBy(context_->inventory().installations, found) &&
                    found.parent_id == session.row.parent_branch_id;
  context_->CloseStep(session, ours, ours ? "found" : "the name is another branch's");
  if (!ours) {
    CannotBeUndone(session, "another branch has the name of its backup");
    co_return Next::Look();
  }
  co_await Take(session, std::move(found));
  Operations::Request request;
  request.project = &context_->ProjectOf(session);
  request.branch_id = session.undo_point->backup_branch_id;
  co_await context_->AwaitOperations(session, std::move(request));
  co_return Next::Look();
}

void UndoPoints::NoteReplay(Session &session, const BranchEvent &ready) {
  if (!session.undo_point) return;
  session.undo_point->record = WithTransaction(ready.record, ready.transaction_id);
  context_->journal().Add(*session.undo_point);
}

Flow<Next> UndoPoints::BeforeRestore(Session &session) {
  if (context_->ProjectOf(session).row.undo_window == 0) co_return Next::Look();
  Next next = co_await uris_->FetchOwn(session);
  if (next.fails() || session.branch_gone) co_return next;
  BranchTask task;
  task.kind = BranchTaskKind::kStandpoint;
  BranchEvent event =
      co_await context_->RunOnBranch(session, std::move(task), "the branch to say where it stands");
  if (event.outcome != BranchOutcome::kDone) {
    next = co_await uris_->AfterConnectionFailure(session, event);
    co_return next;
  }
  UndoPointRow &point = PointOf(session);
  ForgetBackup(session);  // of a replay that was tried first
  point.standpoint = event.answer;
  point.statistics.clear();
  point.record.clear();
  point.why_not.clear();
  context_->journal().Add(point);
  co_return Next::Look();
}

void UndoPoints::ForgetBackup(Session &session) {
  UndoPointRow &point = *session.undo_point;
  Project &project = context_->ProjectOf(session);
  const auto kept = project.kept.find(point.backup_branch_id);
  if (kept != project.kept.end()) {
    kept->second.keep_until = context_->unix_time();
    context_->journal().Add(kept->second);
  }
  point.backup_name.clear();
  point.backup_branch_id.clear();
}

void UndoPoints::NoteBackup(Session &session, const KeptBranchRow &backup) {
  if (!session.undo_point) return;
  session.undo_point->backup_name = backup.name;
  session.undo_point->backup_branch_id = backup.branch_id;
  context_->journal().Add(*session.undo_point);
}

void UndoPoints::AddReplay(Session &session, const BranchEvent &ready) {
  if (!session.undo_point) return;
  std::string &record = session.undo_point->record;
  const std::string one = WithTransaction(ready.record, ready.transaction_id);
  record =
      record.empty() ? "[" + one + "]" : record.substr(0, record.size() - 1) + ", " + one + "]";
  context_->journal().Add(*session.undo_point);
}

void UndoPoints::KeepAtLeast(Session &session, int64_t seconds) {
  UndoPointRow &point = PointOf(session);
  point.until = context_->unix_time() + seconds;
  context_->journal().Add(point);
}

void UndoPoints::KeepAnyway(Session &session, int64_t seconds) {
  UndoPointRow &point = PointOf(session);
  point.until = context_->unix_time() + seconds;
  point.backup_name = session.merge->backup_name;
  point.backup_branch_id = session.merge->backup_branch_id;
  context_->journal().Add(point);
}

Flow<> UndoPoints::AfterRestore(Session &session, std::string reset_at) {
  if (!session.undo_point) co_return;
  session.undo_point->parent_reset_at = std::move(reset_at);
  if (session.undo_point->backup_branch_id.empty())
    session.undo_point->why_not = "the backup of its restore was not found";
  context_->journal().Add(*session.undo_point);
  const std::string parent_id = session.row.parent_branch_id;
  uris_->DropParents(context_->ProjectOf(session));
  Next next = co_await uris_->FetchParents(session, parent_id);
  if (next.fails()) co_return;
  Result<std::string> stands = co_await AskParent(session);
  // Without it deletions since are not counted, only known of.
  if (!stands.ok()) co_return;
  if (session.undo_point->standpoint.empty()) session.undo_point->standpoint = *stands;
  session.undo_point->statistics = std::move(*stands);
  context_->journal().Add(*session.undo_point);
}

}  // namespace agent_branch
