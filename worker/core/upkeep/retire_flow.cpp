#include "worker/core/upkeep/retire_flow.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/timestamp.hpp"
#include "worker/core/neon/annotation.hpp"

namespace agent_branch {
namespace {

constexpr milliseconds kAgainAfter{5'000};
constexpr int64_t kDay = 86'400;
constexpr int64_t kLongestExpiry = 30 * kDay;  // that Neon takes

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
  for (const auto &[id, kept] : project->kept)
    pass->candidates.insert(id);
  BranchListing listing;
  listing.like = MakeCall(project);
  listing.then = [this, pass](const Result<std::vector<NeonBranch>> &branches) {
    if (!branches.ok()) {
      End(pass, true);
      return;
    }
    pass->branches = branches.value();
    OnBranches(pass);
  };
  ListBranches(desk_->calls(), std::move(listing));
}

void RetireFlow::OnBranches(const PassPointer &pass) {
  std::vector<std::string> gone;
  for (const std::string &id : pass->candidates) {
    // The list was whole and came from the project itself, so what is not in it does not exist.
    if (!Exists(pass->branches, id)) gone.push_back(id);
  }
  for (const std::string &id : gone)
    Gone(pass, id);
  Next(pass);
}

// A backup carries no annotation: should the control database be lost, no sweep would know it.
bool RetireFlow::NeedsExpiry(const PassPointer &pass, const KeptBranchRow &kept) const {
  int64_t now = desk_->unix_time();
  bool waits = kept.kind == "backup" && kept.keep_until > now &&
               kept.keep_until + kDay < now + kLongestExpiry;
  if (!waits || HasChildren(pass->branches, kept.branch_id)) return false;
  return std::any_of(pass->branches.begin(), pass->branches.end(), [&](const NeonBranch &branch) {
    return branch.id == kept.branch_id && branch.expires_at.empty() && !branch.untouchable();
  });
}

void RetireFlow::SetExpiry(const PassPointer &pass, const KeptBranchRow &kept) {
  pass->candidates.erase(kept.branch_id);
  ApiCall call = MakeCall(pass->project);
  call.request = SetExpiryRequest(pass->project->row.neon_id, kept.branch_id,
                                  FormatTimestamp(kept.keep_until + kDay));
  call.step = StepKind::kSetExpiry;
  call.step_target = kept.branch_id;
  call.done = [this, pass](const ApiAnswer &answer, const StepRow &step) {
    // The next pass sees whether it has one, and a backup without is none the worse until then.
    if (answer.verdict.kind == VerdictKind::kUnknown) {
      desk_->journal().Record(step, false, "outcome unknown; looked at again");
    }
    Next(pass);
  };
  desk_->calls().Enqueue(std::move(call));
}

void RetireFlow::Next(const PassPointer &pass) {
  int64_t now = desk_->unix_time();
  for (const std::string &id : pass->candidates) {
    auto kept = pass->project->kept.find(id);
    if (kept == pass->project->kept.end() || !NeedsExpiry(pass, kept->second)) continue;
    SetExpiry(pass, kept->second);
    return;
  }
  for (const std::string &id : pass->candidates) {
    auto kept = pass->project->kept.find(id);
    bool may_go = kept != pass->project->kept.end() && kept->second.keep_until <= now &&
                  !HasChildren(pass->branches, id);
    if (!may_go) continue;
    Check(pass, kept->second);
    return;
  }
  End(pass, false);
}

bool RetireFlow::IsStillOurs(const KeptBranchRow &kept, const NeonBranch &branch) const {
  // A restore makes the backup, so it has no annotation; its name is one that only the merge used.
  if (kept.kind == "backup") return branch.name == kept.name;
  return IsMadeBy(desk_->world().installations, branch);
}

void RetireFlow::Check(const PassPointer &pass, const KeptBranchRow &kept) {
  ApiCall call = MakeCall(pass->project);
  call.request = GetBranchRequest(pass->project->row.neon_id, kept.branch_id);
  call.done = [this, pass, kept](const ApiAnswer &answer, const StepRow &) {
    Result<NeonBranch> branch = ParseBranch(answer.body);
    if (answer.verdict.kind != VerdictKind::kDone || !branch.ok()) {
      End(pass, true);  // the next list tells whether it is gone
      return;
    }
    bool ours = IsStillOurs(kept, branch.value());
    if (ours && !branch->untouchable()) {
      Delete(pass, kept);
      return;
    }
    if (ours && kept.kind != "orphan") {
      pass->candidates.erase(kept.branch_id);  // protected, and perhaps not for ever
    } else {
      Gone(pass, kept.branch_id);  // somebody made it his own: it is not ours to delete any more
    }
    Next(pass);
  };
  desk_->calls().Enqueue(std::move(call));
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
    if (answer.verdict.kind == VerdictKind::kRefused) {
      // Somebody protected it, or it has got a child: no reason to leave the others.
      pass->candidates.erase(id);
      Next(pass);
      return;
    }
    bool deleted = answer.verdict.kind == VerdictKind::kDone;
    Result<NeonChange> change = ParseChange(answer.body);
    if (!deleted || !change.ok()) {
      End(pass, true);  // the next list tells
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
  pass->candidates.erase(branch_id);
  auto &branches = pass->branches;
  branches.erase(std::remove_if(branches.begin(), branches.end(),
                                [&](const NeonBranch &branch) { return branch.id == branch_id; }),
                 branches.end());
  auto found = pass->project->kept.find(branch_id);
  if (found == pass->project->kept.end()) return;
  pass->project->room_at = Instant(0);
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
