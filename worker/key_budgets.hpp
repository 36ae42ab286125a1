// One budget a key file: the workers of a server that read the same file share it.
#pragma once

#include "worker/core/neon/budget.hpp"

namespace agent_branch {

class KeyBudgets : public BudgetSource {
 public:
  RequestBudget Budget(const std::string &file) override;
};

}  // namespace agent_branch
