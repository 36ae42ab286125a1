// Something that several actors wait for, and one tells of.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <utility>

#include "worker/core/flow/actor.hpp"

namespace agent_branch {

class ConditionWait;

// Who is woken looks again whether what it needs is there.
class Condition {
 public:
  void NotifyAll();

 private:
  friend class ConditionWait;
  std::list<ConditionWait *> waits_;
};

class ConditionWait : public Wait {
 public:
  // until: when to look again though nobody told.
  ConditionWait(Actor *actor, Condition *condition, std::string what,
                std::optional<Instant> until = std::nullopt)
      : Wait(actor, std::move(what)), condition_(condition), until_(until) {}
  ~ConditionWait() override {
    Leave();
    if (begun() && until_) actor()->ForgetTime();
  }
  void await_resume() const {}

 protected:
  void OnBegin() override {
    at_ = condition_->waits_.insert(condition_->waits_.end(), this);
    if (until_) actor()->WakeAt(*until_);
  }
  void OnTime() override {
    if (!until_) return;
    Leave();
    Complete();
  }

 private:
  friend class Condition;
  void Leave() {
    if (at_) condition_->waits_.erase(*at_);
    at_.reset();
  }

  Condition *condition_;
  std::optional<Instant> until_;
  std::optional<std::list<ConditionWait *>::iterator> at_;
};

}  // namespace agent_branch
