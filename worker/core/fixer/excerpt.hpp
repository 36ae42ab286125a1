// Which part of a branch's schema a model is told.
#pragma once

#include <string>
#include <vector>

#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

// The names that the migration and its errors mention, as a JSON array for
// BranchTaskKind::kExcerpt: words without keywords, in lower case, each once, bounded.
std::string ExcerptNames(const std::string &sql, const std::vector<ServerError> &errors);

}  // namespace agent_branch
