// Lists of branches, whole: every page, or an error, never a part that looks like all.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "worker/core/neon/api_calls.hpp"

namespace agent_branch {

using OnBranches = std::function<void(const Result<std::vector<NeonBranch>> &branches)>;

struct BranchListing {
  ApiCall like;        // project, session, priority and trouble of each page's call
  std::string search;  // branches whose name or id contains this; empty: all
  // A name is unique in its project: once this one is found, the rest is not asked for.
  std::string until;
  OnBranches then;
  std::function<void(uint64_t call_id)> on_page;  // told of each further call; may be empty
};

// Asks for the list. It ends in an error when a page is refused or is not of the documented shape.
// Returns the id of the first page's call.
uint64_t ListBranches(ApiCalls &calls, BranchListing listing);

}  // namespace agent_branch
