#include "worker/core/upkeep/kept_branches.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/timestamp.hpp"
#include "worker/core/neon/annotation.hpp"

namespace agent_branch {
namespace {

constexpr BackoffPolicy kAgain{milliseconds(5'000), milliseconds(3'600'000)};
constexpr int64_t kDay = 86'400;
constexpr int64_t kLongestExpiry = 30 * kDay;  // that Neon takes

Status Failed(const NeonOperation &operation) {
  return Status::Error("58000", "Neon could not delete a branch",
                       "Operation " + operation.action + " " + operation.status + ".");
}

}  // namespace

ApiCall KeptBranches::MakeCall(Project &project) const {
  ApiCall call;
  call.priority = Priority::kCleanup;
  call.project = &project;
  return call;
}

Flow<> KeptBranches::Next(Project &project) {
  if (!project.delete_kept_wanted || (project.kept.empty() && !project.deleter->step)) return {};
  project.delete_kept_wanted = false;
  return Run(project);
}

Flow<> KeptBranches::Run(Project &project) {
  UpkeepActor &actor = *project.deleter;
  Status status = co_await Reconcile(project);
  if (status.ok()) status = co_await DeleteAll(project);
  if (status.ok()) {
    actor.failures = 0;
    co_return;
  }
  ++actor.failures;
  project.delete_kept_wanted = true;
  const milliseconds delay = context_->Backoff(kAgain, actor.failures);
  co_await context_->Pause(actor, delay, "kept branches to be deleted: " + status.message());
}

Flow<Status> KeptBranches::Reconcile(Project &project) {
  UpkeepActor &actor = *project.deleter;
  if (!actor.step) co_return Status();
  if (actor.step->kind != StepKind::kDeleteBranch) {
    context_->CloseStep(actor, false, "outcome unknown; it is looked at again");
    co_return Status();
  }
  const std::string id = actor.step->target;
  ApiCall like = MakeCall(project);
  Result<std::optional<NeonBranch>> read =
      co_await context_->ReadBranch(actor, std::move(like), id);
  if (!read.ok()) co_return read.status();
  const bool gone = !read->has_value();
  context_->CloseStep(actor, gone, gone ? "the branch is gone" : "the branch is there");
  if (gone) {
    Pass none;
    Gone(project, none, id);
  }
  co_return Status();
}

Flow<Status> KeptBranches::DeleteAll(Project &project) {
  Pass pass;
  for (const auto &[id, kept] : project.kept)
    pass.candidates.insert(id);
  ApiCall like = MakeCall(project);
  ListedBranches all;
  Result<std::vector<NeonBranch>> listed =
      co_await context_->ListBranches(*project.deleter, std::move(like), std::move(all));
  if (!listed.ok()) co_return listed.status();
  for (NeonBranch &branch : listed.value()) {
    ++pass.children[branch.parent_id];
    pass.branches.emplace(branch.id, std::move(branch));
  }
  NoteWhatHoldsTheParent(project, pass);
  Status first = co_await TakeGone(project, pass);
  Status expiries = co_await SetExpiries(project, pass);
  if (first.ok()) first = expiries;
  while (const KeptBranchRow *next = NextToDelete(project, pass)) {
    Status deleted = co_await Delete(project, pass, *next);
    // What does not go is no reason to leave the others.
    if (first.ok()) first = deleted;
    // One step is open at a time: what became of this one is found out first.
    if (project.deleter->step) break;
  }
  co_return first;
}

void KeptBranches::NoteWhatHoldsTheParent(Project &project, const Pass &pass) const {
  std::set<std::string> above;
  const auto named = std::find_if(
      pass.branches.begin(), pass.branches.end(),
      [&project](const auto &branch) { return branch.second.name == project.row.parent; });
  auto at = named;
  while (at != pass.branches.end() && above.insert(at->second.parent_id).second)
    at = pass.branches.find(at->second.parent_id);
  for (auto &[id, kept] : project.kept)
    kept.holds_parent = above.count(id) > 0;
}

Flow<Status> KeptBranches::TakeGone(Project &project, Pass &pass) {
  const std::set<std::string> candidates = pass.candidates;
  for (const std::string &id : candidates) {
    if (pass.branches.count(id) > 0) continue;
    // A list may leave out what changed while it was read: absence is confirmed by a read.
    ApiCall like = MakeCall(project);
    Result<std::optional<NeonBranch>> read =
        co_await context_->ReadBranch(*project.deleter, std::move(like), id);
    if (!read.ok()) co_return read.status();
    if (read->has_value()) {
      pass.candidates.erase(id);
    } else {
      Gone(project, pass, id);
    }
  }
  co_return Status();
}

// A backup carries no annotation: should the control database be lost, no sweep would know it.
bool KeptBranches::NeedsExpiry(const Pass &pass, const KeptBranchRow &kept) const {
  const int64_t now = context_->unix_time();
  const bool waits = kept.kind == "backup" && kept.keep_until > now &&
                     kept.keep_until < now + kLongestExpiry - kDay;
  auto branch = pass.branches.find(kept.branch_id);
  auto children = pass.children.find(kept.branch_id);
  if (!waits || branch == pass.branches.end()) return false;
  if (children != pass.children.end() && children->second > 0) return false;
  return branch->second.expires_at.empty() && !branch->second.untouchable();
}

Flow<Status> KeptBranches::SetExpiries(Project &project, Pass &pass) {
  const std::set<std::string> candidates = pass.candidates;
  for (const std::string &id : candidates) {
    auto kept = project.kept.find(id);
    if (kept == project.kept.end() || !NeedsExpiry(pass, kept->second)) continue;
    if (project.IsWantedByUndo(kept->second)) continue;
    pass.candidates.erase(id);
    ApiCall call = MakeCall(project);
    // Neon deletes a backup by itself a day after its undo window, as a last defence.
    call.request =
        SetExpiryRequest(project.row.neon_id, id, FormatTimestamp(kept->second.keep_until + kDay));
    call.step = StepKind::kSetExpiry;
    call.step_target = id;
    const ApiAnswer answer = co_await context_->Call(*project.deleter, std::move(call));
    // The next pass sees whether it has one, and a backup without is none the worse until then.
    if (answer.classified.kind == ResponseKind::kUnknown)
      context_->CloseStep(*project.deleter, false, "outcome unknown; looked at again");
  }
  co_return Status();
}

const KeptBranchRow *KeptBranches::NextToDelete(const Project &project, const Pass &pass) const {
  const int64_t now = context_->unix_time();
  for (const std::string &id : pass.candidates) {
    auto kept = project.kept.find(id);
    auto children = pass.children.find(id);
    const bool has_children = children != pass.children.end() && children->second > 0;
    const bool over = kept != project.kept.end() && kept->second.keep_until <= now;
    if (over && !has_children && !project.IsWantedByUndo(kept->second)) return &kept->second;
  }
  return nullptr;
}

bool KeptBranches::IsStillOurs(const KeptBranchRow &kept, const NeonBranch &branch) const {
  // A backup's name is one that only its merge used; one that a restore made has no annotation.
  if (kept.kind == "backup" && branch.name != kept.name) return false;
  if (kept.kind == "backup" && AnnotatedWith(branch, kInstallationKey).empty()) return true;
  return IsMadeBy(context_->inventory().installations, branch);
}

Flow<Status> KeptBranches::Delete(Project &project, Pass &pass, KeptBranchRow kept) {
  UpkeepActor &actor = *project.deleter;
  const std::string id = kept.branch_id;
  pass.candidates.erase(id);
  // Read once more, since nobody asked for this deletion.
  ApiCall like = MakeCall(project);
  Result<std::optional<NeonBranch>> read =
      co_await context_->ReadBranch(actor, std::move(like), id);
  if (!read.ok()) co_return read.status();
  if (!read->has_value()) {
    Gone(project, pass, id);
    co_return Status();
  }
  const bool ours = IsStillOurs(kept, **read);
  if (ours && (*read)->untouchable() && kept.kind != "orphan") co_return Status();
  if (!ours || (*read)->untouchable()) {
    // Somebody has made the branch their own: it is not ours to delete any more.
    Gone(project, pass, id);
    co_return Status();
  }
  ApiCall call = MakeCall(project);
  call.request = DeleteBranchRequest(project.row.neon_id, id);
  call.step = StepKind::kDeleteBranch;
  call.step_target = id;
  const ApiAnswer answer = co_await context_->Call(actor, std::move(call));
  // It was protected meanwhile, or has got a child.
  if (answer.classified.kind == ResponseKind::kRefused) co_return Status();
  if (answer.classified.kind != ResponseKind::kDone) co_return answer.classified.why;
  Result<NeonChange> change = ParseChange(answer.body);
  if (!change.ok()) co_return change.status();
  Operations::Request request;
  request.project = &project;
  request.operations = std::move(change->operations);
  std::vector<NeonOperation> failed = co_await context_->AwaitOperations(actor, std::move(request));
  if (!failed.empty()) co_return Failed(failed.front());
  Gone(project, pass, id);
  co_return Status();
}

void KeptBranches::Gone(Project &project, Pass &pass, const std::string &branch_id) {
  pass.candidates.erase(branch_id);
  auto branch = pass.branches.find(branch_id);
  if (branch != pass.branches.end()) {
    --pass.children[branch->second.parent_id];
    pass.branches.erase(branch);
  }
  auto found = project.kept.find(branch_id);
  if (found == project.kept.end()) return;
  project.room_at = Instant(0);
  KeptBranchRow kept = found->second;
  kept.deleted = true;
  context_->journal().Add(kept);
  project.Forget(branch_id);
  project.OfferPlace();
}

}  // namespace agent_branch
