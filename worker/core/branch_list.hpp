// Lists of branches, whole: every page, or an error, never a part that looks like all.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "worker/core/api_calls.hpp"

namespace agent_branch {

using OnBranches = std::function<void(const Result<std::vector<NeonBranch>> &branches)>;

// Branches of the project whose name or id contains `search` (all, when empty). `session_id`: on
// whose behalf, 0 for the project's own. The answer is an error when a page is refused or is not of
// the documented shape. Returns the id of the first page's call; `on_page` is told those of the
// others.
uint64_t ListBranches(ApiCalls &calls, const ApiCall &like, const std::string &search,
                      OnBranches then, std::function<void(uint64_t call_id)> on_page = {});

}  // namespace agent_branch
