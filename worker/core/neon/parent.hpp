// The parent branch: found by name, and fit to be forked from and restored.
#pragma once

#include <string>
#include <vector>

#include "worker/core/neon/neon_api.hpp"
#include "worker/core/state/model.hpp"

namespace agent_branch {

// Of the branches that carry the parent's name, the parent; or why sessions cannot use it: it does
// not exist, or it is a root, the default or protected. Restoring into a root leaves a backup
// behind that can never be deleted, and a protected branch cannot be restored at all
// (reference/api, 2.3 and 2.4).
Result<NeonBranch> CheckParent(const ProjectRow &project, const std::vector<NeonBranch> &named);

}  // namespace agent_branch
