// The values that the SQL surface knows and this version's worker does not carry out: one place,
// from which each goes when the worker does it. They are refused when they are given, 0A000 with a
// hint, so that nothing is asked for that would not be done.
#pragma once

#include <string_view>

#include "worker/core/base/status.hpp"

namespace agent_branch {

Status CheckParentAccessSupported(std::string_view access);
// Of a project, when it is given a value that would have an effect.
Status CheckOptionSupported(std::string_view key);

}  // namespace agent_branch
