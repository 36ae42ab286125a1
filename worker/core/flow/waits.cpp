#include "worker/core/flow/waits.hpp"

#include <utility>

#include "worker/core/flow/require.hpp"

namespace agent_branch {

ApiWait::ApiWait(Actor *actor, ApiCalls *calls, ApiCall call)
    : Wait(actor, "an answer of the Neon API"), calls_(calls), call_(std::move(call)) {}

ApiWait::~ApiWait() {
  if (begun() && !has_come()) calls_->Abandon(id_);
}

std::string ApiWait::What() const {
  return id_ == 0 ? Wait::What() : calls_->WhyWaits(id_);
}

void ApiWait::OnBegin() {
  call_.done = [this](const ApiAnswer &answer, const StepRow &step) {
    answer_ = answer;
    if (answer.classified.kind == ResponseKind::kUnknown && step.id != 0) {
      actor()->step = step;
      actor()->uncertain = true;
    }
    Complete();
  };
  id_ = calls_->Enqueue(std::move(call_));
}

OperationsWait::~OperationsWait() {
  if (begun() && !has_come()) operations_->Forget(ticket_);
}

std::string OperationsWait::What() const {
  return ticket_ == 0 ? Wait::What() : operations_->Describe(ticket_);
}

void OperationsWait::OnBegin() {
  request_.done = [this](const std::vector<NeonOperation> &failed) {
    failed_ = failed;
    Complete();
  };
  ticket_ = operations_->Watch(std::move(request_));
}

CommitWait::~CommitWait() {
  if (self_) *self_ = nullptr;
}

void CommitWait::OnBegin() {
  self_ = std::make_shared<CommitWait *>(this);
  const auto act = [self = self_] {
    if (*self != nullptr) (*self)->Complete();
  };
  journal_->AfterCommit(act, actor()->owner());
}

HelperWait::~HelperWait() {
  if (begun() && !has_come()) helpers_->Cancel(this);
}

void HelperWait::OnBegin() {
  helpers_->Start(this, std::move(task_));
}

void RunningHelpers::Start(HelperWait *wait, HelperTask task) {
  task.id = next_id_++;
  waits_[task.id] = wait;
  runner_->Start(std::move(task));
}

void RunningHelpers::Cancel(HelperWait *wait) {
  for (const auto &[id, waiting] : waits_) {
    if (waiting != wait) continue;
    runner_->Cancel(id);
    waits_.erase(id);
    return;
  }
}

void RunningHelpers::OnEvent(const HelperEvent &event) {
  auto found = waits_.find(event.id);
  if (found == waits_.end()) return;
  HelperWait *wait = found->second;
  waits_.erase(found);
  wait->event_ = event;
  wait->Complete();
}

ModelWait::~ModelWait() {
  if (begun() && !has_come()) models_->Cancel(id_);
}

void ModelWait::OnBegin() {
  id_ =
      models_->Enqueue(std::move(question_), [this](const ModelAnswer &answer, milliseconds took) {
        reply_.answer = answer;
        reply_.took = took;
        Complete();
      });
}

void RunningTasks::OnEvent(const BranchEvent &event) {
  auto found = tasks_.find(event.id);
  if (found == tasks_.end()) return;
  RunningTask *task = found->second;
  task->events_.push_back(event);
  task->finished_ = event.kind == BranchEvent::Kind::kFinished;
  if (task->finished_) tasks_.erase(found);
  if (task->waiting_ != nullptr) std::exchange(task->waiting_, nullptr)->Complete();
}

RunningTask::RunningTask(RunningTasks *tasks, Actor *actor, BranchTask task, std::string what)
    : tasks_(tasks), actor_(actor), what_(std::move(what)), id_(tasks->next_id_++) {
  task.id = id_;
  tasks_->tasks_[id_] = this;
  tasks_->branches_->Start(std::move(task));
}

RunningTask::~RunningTask() {
  if (finished_) return;
  tasks_->tasks_.erase(id_);
  tasks_->branches_->Cancel(id_);
}

void RunningTask::Commit() {
  tasks_->branches_->Commit(id_);
}

BranchEvent RunningTask::EventWait::await_resume() {
  Require(!task_->events_.empty(), "a task's event has come");
  BranchEvent event = std::move(task_->events_.front());
  task_->events_.pop_front();
  return event;
}

void RunningTask::EventWait::OnBegin() {
  if (!task_->events_.empty()) {
    Complete();
  } else {
    task_->waiting_ = this;
  }
}

}  // namespace agent_branch
