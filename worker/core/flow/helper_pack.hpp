// A task and its event as bytes between the worker and its helper.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "worker/core/flow/helper_task.hpp"

namespace agent_branch {

std::string PackTask(const HelperTask &task);
std::optional<HelperTask> UnpackTask(std::string_view packed);
std::string PackEvent(const HelperEvent &event);
std::optional<HelperEvent> UnpackEvent(std::string_view packed);

}  // namespace agent_branch
