#include "worker/core/flow/condition.hpp"

namespace agent_branch {

void Condition::NotifyAll() {
  std::list<ConditionWait *> woken = std::exchange(waits_, {});
  for (ConditionWait *wait : woken) {
    wait->at_.reset();
    wait->Complete();
  }
}

}  // namespace agent_branch
