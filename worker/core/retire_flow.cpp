#include "worker/core/retire_flow.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch {
namespace {

constexpr milliseconds kAgainAfter{5'000};

bool HasChildren(const std::vector<NeonBranch> &branches, const std::string &id) {
  return std::any_of(branches.begin(), branches.end(),
                     [&](const NeonBranch &branch) { return branch.parent_id == id; });
}

bool Exists(const std::vector<NeonBranch> &branches, const std::string &id) {
  return std::any_of(branches.begin(), branches.end(),
                     [&](const NeonBranch &branch) { return branch.id == id; });
}

}  // namespace

void RetireFlow::Advance() {
  for (const auto &[id, project] : desk_->world().projects) {
    bool due = project->retire_wanted && !project->retiring && project->retire_at <= desk_->now();
    if (!due) continue;
    project->retire_wanted = false;
    if (!project->kept.empty()) Start(project.get());
  }
}

std::optional<Instant> RetireFlow::NextDeadline() const {
  std::optional<Instant> next;
  for (const auto &[id, project] : desk_->world().projects) {
    if (!project->retire_wanted || project->retiring) continue;
    if (!next || project->retire_at < *next) next = project->retire_at;
  }
  return next;
}

ApiCall RetireFlow::MakeCall(Project *project) {
  ApiCall call;
  call.priority = Priority::kCleanup;
  call.project = project;
  return call;
}

void RetireFlow::Start(Project *project) {
  project->retiring = true;
  auto pass = std::make_shared<Pass>();
  pass->project = project;
  BranchListing listing;
  listing.like = MakeCall(project);
  listing.then = [this, pass](const Result<std::vector<NeonBranch>> &branches) {
    if (!branches.ok()) {
      End(pass, true);
      return;
    }
    pass->branches = branches.value();
    Next(pass);
  };
  ListBranches(desk_->calls(), std::move(listing));
}

void RetireFlow::Next(const PassPointer &pass) {
  int64_t now = desk_->unix_time();
  std::vector<std::string> gone;
  for (const auto &[id, kept] : pass->project->kept) {
    // The list was whole and came from the project itself, so what is not in it does not exist.
    if (!Exists(pass->branches, id)) gone.push_back(id);
  }
  for (const std::string &id : gone)
    Gone(pass, id);
  for (const auto &[id, kept] : pass->project->kept) {
    if (kept.keep_until > now || HasChildren(pass->branches, id)) continue;
    Delete(pass, kept);
    return;
  }
  End(pass, false);
}

void RetireFlow::Delete(const PassPointer &pass, const KeptBranchRow &kept) {
  ApiCall call = MakeCall(pass->project);
  call.request = DeleteBranchRequest(pass->project->row.neon_id, kept.branch_id);
  call.step = StepKind::kDeleteBranch;
  call.step_target = kept.branch_id;
  call.done = [this, pass, id = kept.branch_id](const ApiAnswer &answer, const StepRow &step) {
    if (answer.verdict.kind == VerdictKind::kUnknown) {
      desk_->journal().Record(step, false, "outcome unknown; looked at again");
      End(pass, true);
      return;
    }
    bool deleted = answer.verdict.kind == VerdictKind::kDone;
    Result<NeonChange> change = ParseChange(answer.body);
    if (!deleted || !change.ok()) {
      // Refused or not found: the next list tells.
      End(pass, answer.verdict.kind != VerdictKind::kRefused);
      return;
    }
    desk_->operations().Watch(pass->project, change->operations,
                              [this, pass, id](const std::vector<NeonOperation> &failed) {
                                if (!failed.empty()) {
                                  End(pass, true);
                                  return;
                                }
                                Gone(pass, id);
                                Next(pass);
                              });
  };
  desk_->calls().Enqueue(std::move(call));
}

void RetireFlow::Gone(const PassPointer &pass, const std::string &branch_id) {
  auto &branches = pass->branches;
  branches.erase(std::remove_if(branches.begin(), branches.end(),
                                [&](const NeonBranch &branch) { return branch.id == branch_id; }),
                 branches.end());
  auto found = pass->project->kept.find(branch_id);
  if (found == pass->project->kept.end()) return;
  KeptBranchRow kept = found->second;
  kept.deleted = true;
  desk_->journal().Add(kept);
  pass->project->kept.erase(found);
}

void RetireFlow::End(const PassPointer &pass, bool again) {
  pass->project->retiring = false;
  if (!again) return;
  pass->project->retire_wanted = true;
  pass->project->retire_at = desk_->now() + kAgainAfter;
}

}  // namespace agent_branch
