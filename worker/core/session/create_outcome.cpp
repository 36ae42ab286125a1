// The part of CreateFlow that finds out what became of a request whose answer was lost, or whose
// branch has its name already.
#include <utility>

#include "worker/core/base/timestamp.hpp"
#include "worker/core/neon/annotation.hpp"
#include "worker/core/session/create_flow.hpp"

namespace agent_branch {
namespace {

constexpr size_t kLongestName = 256;  // that Neon takes

Status NameTaken(const Session &session) {
  return Status::Error(
      "42710", "a branch named \"" + session.row.branch_name + "\" exists that is not ours",
      "Its annotation does not name this session, so it is neither used nor deleted.",
      "Discard the session and use another name, or delete or rename the branch at Neon.");
}

// Whether the branch was forked before the restore that its parent's state comes from. A restore
// moves the branches that are there below the backup.
bool IsOlderThanParent(const Session &session, const NeonBranch &branch) {
  if (branch.parent_id != session.row.parent_branch_id) return true;
  int64_t restored_at = ParseTimestamp(session.row.parent_reset_at);
  return restored_at != 0 && ParseTimestamp(branch.created_at) <= restored_at;
}

// A session that was rebased several times has left several.
std::string NameOfKept(const KeptBranchRow &kept) {
  const std::string suffix = "-kept-" + kept.branch_id;
  return kept.name.substr(0, kLongestName - suffix.size()) + suffix;
}

}  // namespace

Flow<Next> CreateFlow::Reconcile(Session &session) {
  const std::string name = session.row.branch_name;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kCreate, name);
  if (!named.ok()) co_return Next::Again(named.status());
  if (!named->has_value()) {
    // Should the lost request still arrive, the name makes the next one fail with 409, which leads
    // back here.
    context_->CloseStep(session, false, "no branch of that name exists");
    context_->Save(session);
    co_return Next::Look();
  }
  const std::string id = (*named)->id;
  Project &project = context_->ProjectOf(session);
  auto kept = project.kept.find(id);
  if (kept != project.kept.end()) {
    context_->CloseStep(session, false, "the name is held by a branch of a finished session");
    if (session.given_up()) co_return Next::Look();
    Next next = co_await FreeName(session, kept->second);
    co_return next;
  }
  // The list may leave annotations out; the branch itself has its own.
  ApiCall like = context_->MakeCall(session, Priority::kCreate);
  Result<std::optional<NeonBranch>> read =
      co_await context_->ReadBranch(session, std::move(like), id);
  if (!read.ok()) co_return Next::Again(read.status());
  if (!read->has_value()) co_return Next::Look();
  if (!session.given_up()) {
    // It may have been restored since the request was sent, and before the branch was made.
    const std::string parent_id = session.row.parent_branch_id;
    session.parent_checked = false;
    Next found = co_await FindParent(session);
    if (!found.fails() && !session.parent_checked) co_return found;  // it is being restored
    // The branch was asked for below this one, whichever has the parent's name now.
    if (session.row.parent_branch_id != parent_id) session.row.parent_reset_at.clear();
    session.row.parent_branch_id = parent_id;
  }
  Next next = co_await Adopt(session, std::move(**read));
  co_return next;
}

Flow<Next> CreateFlow::Adopt(Session &session, NeonBranch branch) {
  const bool ours =
      context_->inventory().installations.count(AnnotatedWith(branch, kInstallationKey)) > 0 &&
      AnnotatedWith(branch, kSessionKey) == session.row.uuid &&
      branch.name == session.row.branch_name && !branch.untouchable();
  if (!ours) {
    context_->CloseStep(session, false, "the name belongs to another branch");
    if (session.given_up()) co_return Next::Look();
    context_->Fail(session, NameTaken(session));
    co_return Next::Look();
  }
  context_->CloseStep(session, true, "found by name and annotation");
  context_->ProjectOf(session).refusals = 0;
  session.row.branch_id = branch.id;
  session.ours_at = context_->now();
  // The parent may have been looked at again since the request was sent. Without a time the fence
  // refuses a parent that was ever restored.
  if (IsOlderThanParent(session, branch)) session.row.parent_reset_at.clear();
  session.row.branch_expires_at = ParseTimestamp(branch.expires_at);
  context_->Progress(session);
  context_->Save(session);
  Operations::Request request;
  request.project = &context_->ProjectOf(session);
  request.branch_id = branch.id;
  std::vector<NeonOperation> failed =
      co_await context_->AwaitOperations(session, std::move(request));
  Next next = co_await OnOperations(session, std::move(failed));
  co_return next;
}

Flow<Next> CreateFlow::FreeName(Session &session, KeptBranchRow kept) {
  Project &project = context_->ProjectOf(session);
  const std::string name = NameOfKept(kept);
  NeonRequest request = RenameBranchRequest(project.row.neon_id, kept.branch_id, name);
  ApiAnswer answer = co_await context_->Change(session, Priority::kCreate, std::move(request),
                                               StepKind::kRenameBranch, kept.branch_id);
  // By a request whose answer was lost; or it is gone, and holds nothing any more.
  bool renamed_before = answer.classified.kind == ResponseKind::kNotFound;
  if (answer.classified.kind == ResponseKind::kExists) {
    ApiCall like = context_->MakeCall(session, Priority::kCreate);
    Result<std::optional<NeonBranch>> read =
        co_await context_->ReadBranch(session, std::move(like), kept.branch_id);
    if (!read.ok()) co_return Next::Again(read.status());
    renamed_before = read->has_value() && (*read)->name == name;
  }
  const bool refused = answer.classified.kind == ResponseKind::kRefused ||
                       answer.classified.kind == ResponseKind::kExists;
  if (refused && !renamed_before) {
    context_->Fail(session, Status::Error("42710",
                                          "the name \"" + session.row.branch_name +
                                              "\" is held by a branch of an earlier session",
                                          answer.classified.why.message() + ".",
                                          "Use another name, or rename the branch at Neon."));
    co_return Next::Look();
  }
  if (answer.classified.kind != ResponseKind::kDone && !renamed_before)
    co_return Next::Again(answer.classified.why);
  auto renamed = project.kept.find(kept.branch_id);
  if (renamed != project.kept.end()) {
    renamed->second.name = name;
    context_->journal().Add(renamed->second);
  }
  co_return Next::Look();
}

}  // namespace agent_branch
