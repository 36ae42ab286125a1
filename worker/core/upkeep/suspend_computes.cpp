#include "worker/core/upkeep/suspend_computes.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch {
namespace {

constexpr BackoffPolicy kAgain{milliseconds(5'000), milliseconds(600'000)};

}  // namespace

Flow<> SuspendComputes::Next(Project &project) {
  if (!project.suspend_wanted) return {};
  return Run(project);
}

Flow<> SuspendComputes::Run(Project &project) {
  UpkeepActor &actor = *project.suspender;
  if (actor.step) context_->CloseStep(actor, false, "outcome unknown; it is done again");
  const auto awake = std::find_if(project.kept.begin(), project.kept.end(),
                                  [](const auto &one) { return !one.second.endpoint_id.empty(); });
  Status status;
  if (awake != project.kept.end()) status = co_await Suspend(project, awake->second);
  if (status.ok()) {
    actor.failures = 0;
    project.suspend_wanted = false;
    // Whoever waits asks again, if that was not enough.
    project.OfferPlace();
    co_return;
  }
  ++actor.failures;
  const milliseconds delay = context_->Backoff(kAgain, actor.failures);
  co_await context_->Pause(actor, delay, "a compute to be suspended: " + status.message());
}

Flow<Status> SuspendComputes::Suspend(Project &project, KeptBranchRow kept) {
  UpkeepActor &actor = *project.suspender;
  ApiCall call;
  call.priority = Priority::kCleanup;
  call.project = &project;
  call.request = SuspendEndpointRequest(project.row.neon_id, kept.endpoint_id);
  call.step = StepKind::kSuspendCompute;
  call.step_target = kept.endpoint_id;
  const ApiAnswer answer = co_await context_->Call(actor, std::move(call));
  if (answer.classified.kind == ResponseKind::kUnknown) {
    context_->CloseStep(actor, false, "outcome unknown; it is done again");
    co_return answer.classified.why;
  }
  if (answer.classified.kind == ResponseKind::kNotFound) {
    Status confirmed = co_await ConfirmGone(project, kept);
    co_return confirmed;
  }
  // A compute that cannot be suspended is suspended.
  Result<NeonChange> change = ParseChange(answer.body);
  if (change.ok() && !change->operations.empty()) {
    Operations::Request request;
    request.project = &project;
    request.operations = std::move(change->operations);
    co_await context_->AwaitOperations(actor, std::move(request));
  }
  NoteSuspended(project, kept.branch_id);
  co_return Status();
}

Flow<Status> SuspendComputes::ConfirmGone(Project &project, KeptBranchRow kept) {
  ApiCall call;
  call.priority = Priority::kCleanup;
  call.project = &project;
  call.request = ListEndpointsRequest(project.row.neon_id, kept.branch_id);
  const ApiAnswer answer = co_await context_->Call(*project.suspender, std::move(call));
  Result<std::string> endpoint = ParseReadWriteEndpoint(answer.body);
  const bool gone = answer.classified.kind == ResponseKind::kDone && endpoint.ok() &&
                    endpoint.value() != kept.endpoint_id;
  if (gone) {
    NoteSuspended(project, kept.branch_id);
    co_return Status();
  }
  // The branch may be gone as well, which a look at all that are kept shows.
  project.delete_kept_wanted = true;
  project.deleter->Wake();
  co_return Status::Error("42704", "the compute was not found");
}

void SuspendComputes::NoteSuspended(Project &project, const std::string &branch_id) {
  auto found = project.kept.find(branch_id);
  if (found == project.kept.end()) return;
  KeptBranchRow kept = found->second;
  kept.endpoint_id.clear();
  project.Keep(kept);
  context_->journal().Add(kept);
}

}  // namespace agent_branch
