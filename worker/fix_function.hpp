// Calls a project's fixer_function, in a helper that is logged in as the role that registered the
// project.
#pragma once

#include "worker/core/flow/helper_task.hpp"

namespace agent_branch {

// Inside no transaction: the call is one of its own, committed when this returns. Raises what the
// function raises, 42883 when there is no such function, 42501 when the role may not execute it or
// would lend its rights to the function's owner, 54000 for a text that is too long.
std::string CallFixFunction(const HelperTask &task);

}  // namespace agent_branch
