// A script that was read in one process, for another one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "worker/core/script/script.hpp"

namespace agent_branch {

std::string PackScript(const Script &script);
// Nothing: it is not what PackScript() made.
std::optional<Script> UnpackScript(std::string_view packed);

}  // namespace agent_branch
