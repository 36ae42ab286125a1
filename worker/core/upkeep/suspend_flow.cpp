#include "worker/core/upkeep/suspend_flow.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch {
namespace {

constexpr milliseconds kAgainAfter{5'000};

}  // namespace

void SuspendFlow::Advance() {
  for (const auto &[id, project] : desk_->world().projects) {
    bool due =
        project->suspend_wanted && !project->suspending && project->suspend_at <= desk_->now();
    if (!due) continue;
    project->suspend_wanted = false;
    const auto &kept = project->kept;
    auto awake = std::find_if(kept.begin(), kept.end(),
                              [](const auto &one) { return !one.second.endpoint_id.empty(); });
    if (awake != kept.end()) Suspend(project.get(), awake->second);
  }
}

std::optional<Instant> SuspendFlow::NextDeadline() const {
  std::optional<Instant> next;
  for (const auto &[id, project] : desk_->world().projects) {
    if (!project->suspend_wanted || project->suspending) continue;
    if (!next || project->suspend_at < *next) next = project->suspend_at;
  }
  return next;
}

void SuspendFlow::Suspend(Project *project, const KeptBranchRow &kept) {
  project->suspending = true;
  ApiCall call;
  call.priority = Priority::kCleanup;
  call.project = project;
  call.request = SuspendEndpointRequest(project->row.neon_id, kept.endpoint_id);
  call.step = StepKind::kSuspendCompute;
  call.step_target = kept.endpoint_id;
  call.done = [this, project, id = kept.branch_id](const ApiAnswer &answer, const StepRow &step) {
    OnAnswer(project, id, answer, step);
  };
  desk_->calls().Enqueue(std::move(call));
}

void SuspendFlow::OnAnswer(Project *project, const std::string &branch_id, const ApiAnswer &answer,
                           const StepRow &step) {
  if (answer.verdict.kind == VerdictKind::kUnknown) {
    desk_->journal().Record(step, false, "outcome unknown; it is done again");
    TryAgain(project);
    return;
  }
  if (answer.verdict.kind == VerdictKind::kNotFound) {
    ConfirmGone(project, branch_id);
    return;
  }
  // One that cannot be suspended sleeps.
  Asleep(project, branch_id);
  Result<NeonChange> change = ParseChange(answer.body);
  std::vector<NeonOperation> operations;
  if (change.ok()) operations = change->operations;
  desk_->operations().Watch(project, operations,
                            [project](const auto &) { project->suspending = false; });
}

void SuspendFlow::ConfirmGone(Project *project, const std::string &branch_id) {
  ApiCall call;
  call.priority = Priority::kCleanup;
  call.project = project;
  call.request = ListEndpointsRequest(project->row.neon_id, branch_id);
  call.done = [this, project, branch_id](const ApiAnswer &answer, const StepRow &) {
    Result<std::string> endpoint = ParseReadWriteEndpoint(answer.body);
    auto kept = project->kept.find(branch_id);
    bool gone = answer.verdict.kind == VerdictKind::kDone && endpoint.ok() &&
                kept != project->kept.end() && endpoint.value() != kept->second.endpoint_id;
    if (gone) {
      Asleep(project, branch_id);
      project->suspending = false;
    } else {
      // The branch may be gone as well, which a look at all that are kept shows.
      project->retire_wanted = true;
      TryAgain(project);
    }
  };
  desk_->calls().Enqueue(std::move(call));
}

void SuspendFlow::Asleep(Project *project, const std::string &branch_id) {
  auto found = project->kept.find(branch_id);
  if (found == project->kept.end()) return;
  found->second.endpoint_id.clear();
  desk_->journal().Add(found->second);
}

void SuspendFlow::TryAgain(Project *project) {
  project->suspending = false;
  project->suspend_wanted = true;
  project->suspend_at = desk_->now() + kAgainAfter;
}

}  // namespace agent_branch
