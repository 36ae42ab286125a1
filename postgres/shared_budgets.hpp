// The budgets of API keys, in shared memory: all workers of a server that use one key keep to its
// limits together (worker/core/neon/budget.hpp).
#pragma once

#include <cstddef>
#include <string>

#include "worker/core/neon/budget.hpp"

#include "postgres/server.hpp"

namespace agent_branch {

// For the hooks of shared_state.cpp: where the budgets are and what guards them.
size_t SharedBudgetsSize();
void AttachSharedBudgets(void *memory, LWLock *lock, bool initialize);

// The budget of what is named so; beyond 16 names, which only a restart forgets, one of its own.
RequestBudget SharedBudget(const std::string &name);

}  // namespace agent_branch
