#include "postgres/shared_budgets.hpp"

#include <cstring>
#include <functional>

namespace agent_branch {
namespace {

constexpr int kBudgets = 16;

struct NamedBudget {
  uint64_t id;  // of its name; 0: free
  SpentBudget spent;
};

struct Budgets {
  NamedBudget named[kBudgets];
};

Budgets *budgets = nullptr;

// What it guards is arithmetic only: nothing in it raises.
class LightweightGuard : public BudgetGuard {
 public:
  void Lock() override { LWLockAcquire(lock, LW_EXCLUSIVE); }
  void Unlock() override { LWLockRelease(lock); }

  LWLock *lock = nullptr;
};

LightweightGuard guard;

}  // namespace

size_t SharedBudgetsSize() {
  return MAXALIGN(sizeof(Budgets));
}

void AttachSharedBudgets(void *memory, LWLock *lock, bool initialize) {
  budgets = static_cast<Budgets *>(memory);
  guard.lock = lock;
  if (initialize) memset(memory, 0, sizeof(Budgets));
}

RequestBudget SharedBudget(const std::string &name) {
  uint64_t id = std::hash<std::string>()(name) | 1;
  SpentBudget *spent = nullptr;
  guard.Lock();
  for (NamedBudget &named : budgets->named) {
    if (named.id == 0) named.id = id;
    if (named.id != id) continue;
    spent = &named.spent;
    break;
  }
  guard.Unlock();
  return spent == nullptr ? RequestBudget() : RequestBudget(spent, &guard);
}

}  // namespace agent_branch
