// The parent branch: found by name, and fit to be forked from, or restored.
#pragma once

#include <optional>

#include "worker/core/neon/neon_api.hpp"
#include "worker/core/state/model.hpp"

namespace agent_branch {

// The parent of the project, from the branch that has its name; or why sessions cannot begin with
// it: it does not exist, or it expires, so that it cannot have children.
Result<NeonBranch> CheckParent(const ProjectRow &project, const std::optional<NeonBranch> &named);

// The same, and fit to be restored: restoring into a root leaves a backup behind that can never be
// deleted, and neither the default nor a protected branch is one to overwrite.
Result<NeonBranch> CheckRestorable(const ProjectRow &project,
                                   const std::optional<NeonBranch> &named);

}  // namespace agent_branch
