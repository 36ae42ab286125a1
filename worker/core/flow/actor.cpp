#include "worker/core/flow/actor.hpp"

#include <utility>

#include "worker/core/flow/require.hpp"

namespace agent_branch {
namespace {

// After a broken requirement the actor begins anew from its rows; not so often that it is felt.
constexpr milliseconds kAfterInternalError{60'000};

}  // namespace

bool Scheduler::RunOnce() {
  while (!timers_.empty() && timers_.begin()->first <= clock_->Now()) {
    Actor *due = timers_.begin()->second;
    timers_.erase(timers_.begin());
    due->timer_.reset();
    if (due->wait_ != nullptr) due->wait_->OnTime();
    due->Wake();
  }
  if (ready_.empty()) return false;
  // Counted, since an actor that goes on may wake others, or end them.
  for (size_t count = ready_.size(); count > 0 && !ready_.empty(); --count) {
    Actor *next = ready_.front();
    ready_.pop_front();
    next->ready_ = false;
    next->Run();
  }
  return true;
}

std::optional<Instant> Scheduler::NextDeadline() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first;
}

Actor::~Actor() {
  EndFlow();
  if (ready_) scheduler_->ready_.erase(ready_at_);
  ForgetTime();
}

void Actor::Wake() {
  if (ready_) return;
  ready_ = true;
  ready_at_ = scheduler_->ready_.insert(scheduler_->ready_.end(), this);
}

void Actor::WakeAt(Instant when) {
  if (timer_) scheduler_->timers_.erase(*timer_);
  timer_ = scheduler_->timers_.emplace(when, this);
}

void Actor::ForgetTime() {
  if (timer_) scheduler_->timers_.erase(*timer_);
  timer_.reset();
}

void Actor::Interrupt() {
  interrupted_ = true;
  Wake();
}

void Actor::Stop() {
  EndFlow();
  interrupted_ = false;
  if (ready_) scheduler_->ready_.erase(ready_at_);
  ready_ = false;
  ForgetTime();
}

void Actor::Begin(Flow<> flow) {
  Require(!flow_.exists(), "an actor runs one flow at a time");
  flow_ = std::move(flow);
  Resume(flow_.handle());
}

void Actor::Run() {
  if (flow_.exists()) {
    if (wait_ != nullptr && wait_->has_come()) {
      // Also when it is interrupted: what has come may have to be recorded, and the next wait is
      // not begun any more.
      wait_ = nullptr;
      Resume(std::exchange(suspended_, {}));
      return;
    }
    const bool may_end = interrupted_ && wait_ != nullptr && wait_->MayEnd();
    if (!may_end) return;  // woken for something else
    EndFlow();
    if (scheduler_->observer != nullptr) scheduler_->observer->OnResumed(*this);
  }
  interrupted_ = false;
  try {
    Act();
  } catch (const BrokenRequirement &broken) {
    WakeAt(scheduler_->now() + kAfterInternalError);
    OnInternalError(broken.what());
  }
}

void Actor::Resume(std::coroutine_handle<> handle) {
  if (scheduler_->observer != nullptr) scheduler_->observer->OnResumed(*this);
  handle.resume();
  if (!flow_.done()) return;
  Flow<> ended = std::move(flow_);
  flow_ = Flow<>();
  wait_ = nullptr;
  try {
    ended.Take();
    Wake();  // what is next, the rows say
  } catch (const BrokenRequirement &broken) {
    WakeAt(scheduler_->now() + kAfterInternalError);
    OnInternalError(broken.what());
  }
}

void Actor::Suspend(std::coroutine_handle<> handle, Wait *wait) {
  suspended_ = handle;
  wait_ = wait;
  waits_since_ = scheduler_->now();
  ++wait_number_;
  if (scheduler_->observer != nullptr) scheduler_->observer->OnSuspended(*this);
}

void Actor::EndFlow() {
  wait_ = nullptr;
  suspended_ = {};
  flow_ = Flow<>();
}

void Wait::await_suspend(std::coroutine_handle<> handle) {
  actor_->Suspend(handle, this);
  if (actor_->interrupted_ && MayEnd()) {
    actor_->Wake();  // is ended there, and nothing is begun any more
    return;
  }
  begun_ = true;
  OnBegin();
}

void Wait::Complete() {
  has_come_ = true;
  if (begun_) actor_->Wake();
}

}  // namespace agent_branch
