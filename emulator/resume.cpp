// The part of the service that --keep adds: saving what was done, and going on with it.
#include <algorithm>
#include <map>

#include "emulator/service.hpp"

namespace agent_branch::emulator {

void Service::Changed() {
  if (!kept_ || changed_) return;
  changed_ = true;
  loop.Post([this] { SaveIfChanged(); });
}

void Service::SaveIfChanged() {
  if (!changed_) return;
  changed_ = false;
  kept_->Write(WriteState(*this));
}

std::string Service::TakeUpKept() {
  try {
    effects.Keep(kept_->effects_path());
    std::string text = kept_->Read();
    if (!text.empty()) ReadState(*this, text);
  } catch (const std::exception &error) {
    return "cannot take up what was kept in " + options.data_directory + ": " + error.what();
  }
  // With --seed, each start has ids of its own: those of the last one must not be given again.
  constexpr uint64_t kFarApart = 0x9e3779b97f4a7c15;
  ids = Identifiers(seed_ + static_cast<uint64_t>(starts_) * kFarApart);
  ++starts_;
  for (auto &[id, project] : projects) {
    for (auto &[branch_id, branch] : project.branches())
      WatchExpiry(id, branch);
    ResumeOperations(project);
  }
  return "";
}

// Operations of one branch follow each other, as they did; what belongs to which request is not
// known any more, and makes no difference when all of them succeed.
void Service::ResumeOperations(Project &project) {
  std::map<int64_t, OperationPtr> unended;
  for (const OperationPtr &operation : project.running())
    unended[operation->number] = operation;
  std::map<std::string, std::vector<Step>> chains;
  for (const auto &[number, operation] : unended)
    chains[operation->branch_id].push_back(ResumedStep(operation));
  for (auto &[branch_id, steps] : chains) {
    Branch *branch = project.FindAnyBranch(branch_id);
    if (branch != nullptr && branch->current_state == "resetting") {
      // The last operation of a restore makes the branch ready.
      auto last = std::move(steps.back().succeeded);
      steps.back().succeeded = [this, last, project_id = project.id, id = branch_id] {
        if (last) last();
        BranchRestored(project_id, id);
      };
    }
    operations.Run(std::move(steps), Fate::kNormal);
  }
}

Step Service::ResumedStep(const OperationPtr &operation) {
  Step step;
  step.operation = operation;
  const std::string project_id = operation->project_id;
  const std::string branch_id = operation->branch_id;
  const std::string endpoint_id = operation->endpoint_id;
  const std::string &action = operation->action;
  Branch *branch = projects[project_id].FindAnyBranch(branch_id);
  bool creates = action == "create_branch" || action == "create_timeline";
  if (action == "start_compute") {
    step.succeeded = [=] { ComputeStarted(project_id, endpoint_id, true); };
  } else if (action == "suspend_compute") {
    step.succeeded = [=] { ComputeSuspended(project_id, endpoint_id, true); };
  } else if (action == "delete_timeline") {
    step.succeeded = [=] { BranchDeleted(project_id, branch_id); };
  } else if (creates && branch != nullptr && branch->current_state == "init") {
    step.succeeded = [=] { BranchCreated(project_id, branch_id); };
  }
  return step;
}

}  // namespace agent_branch::emulator
