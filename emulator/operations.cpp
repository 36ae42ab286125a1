#include "emulator/operations.hpp"

#include <utility>

namespace agent_branch::emulator {

void OperationRunner::Run(std::vector<Step> steps, Fate fate) {
  if (steps.empty()) return;
  auto chain = std::make_shared<Chain>();
  chain->steps = std::move(steps);
  chain->fate = fate;
  Begin(chain);
}

std::chrono::milliseconds OperationRunner::Duration(const std::string &action) const {
  auto found = durations_.find(action);
  return std::chrono::milliseconds(found == durations_.end() ? 0 : found->second);
}

void OperationRunner::Begin(const ChainPtr &chain) {
  Step &step = chain->steps[chain->at];
  step.operation->status = "running";
  step.operation->updated_at = Now();
  step.operation->started = std::chrono::steady_clock::now();
  chain->error.clear();
  const Fate::Kind fate = chain->fate.Of(step.operation->action);
  bool works = step.work && (fate == Fate::kNormal || fate == Fate::kSkip);
  auto duration = Duration(step.operation->action);
  // One more than what is awaited: whatever arrives during this call must not finish the step yet.
  chain->awaited = 1;
  if (duration.count() > 0) {
    ++chain->awaited;
    bool work_later = works && step.delay_first;
    if (work_later) ++chain->awaited;
    loop_.After(duration, [this, chain, work_later] {
      if (work_later) Work(chain);
      Arrive(chain);
    });
    works = works && !work_later;
    if (works) ++chain->awaited;
  } else if (works) {
    ++chain->awaited;
  }
  if (works) Work(chain);
  Arrive(chain);
}

void OperationRunner::Work(const ChainPtr &chain) {
  chain->steps[chain->at].work([this, chain](const std::string &error) {
    chain->error = error;
    Arrive(chain);
  });
}

void OperationRunner::Arrive(const ChainPtr &chain) {
  if (--chain->awaited == 0) Finish(chain);
}

void OperationRunner::Finish(const ChainPtr &chain) {
  Step step = std::move(chain->steps[chain->at]);
  const Fate::Kind fate = chain->fate.Of(step.operation->action);
  bool injected = fate == Fate::kFail || fate == Fate::kCancel;
  if (injected || !chain->error.empty()) {
    std::string status = fate == Fate::kCancel ? "cancelled" : "failed";
    std::string error = injected ? "injected by a fault" : chain->error;
    if (step.failed) step.failed();
    End(step.operation, status, error);
    for (size_t i = chain->at + 1; i < chain->steps.size(); ++i) {
      if (chain->steps[i].failed) chain->steps[i].failed();
      End(chain->steps[i].operation, status, error);
    }
    return;
  }
  if (step.succeeded) step.succeeded();
  End(step.operation, fate == Fate::kSkip ? "skipped" : "finished", "");
  if (++chain->at < chain->steps.size()) Begin(chain);
}

void OperationRunner::End(const OperationPtr &operation, const std::string &status,
                          const std::string &error) {
  operation->status = status;
  operation->error = error;
  operation->failures_count = status == "failed" ? 1 : 0;
  operation->updated_at = Now();
  if (operation->started != std::chrono::steady_clock::time_point()) {
    operation->total_duration_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                       std::chrono::steady_clock::now() - operation->started)
                                       .count();
  }
  auto project = projects_.find(operation->project_id);
  if (project != projects_.end()) project->second.EndOperation(operation);
  if (on_ended) on_ended();
}

}  // namespace agent_branch::emulator
