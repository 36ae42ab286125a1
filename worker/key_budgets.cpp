#include "worker/key_budgets.hpp"

#include "postgres/shared_budgets.hpp"

namespace agent_branch {

RequestBudget KeyBudgets::Budget(const std::string &file) {
  // Settings are the same in all databases, so the name of the file is enough.
  return SharedBudget("file " + file);
}

}  // namespace agent_branch
