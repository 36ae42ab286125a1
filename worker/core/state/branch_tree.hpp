// Draws parents and the branches that hang under them, for people to look at.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/status.hpp"

namespace agent_branch {

struct BranchNode {
  std::string project;
  std::string branch;
  std::string note;  // what the branch is to us; empty: the project's parent branch
};

// `nodes`: each project's parent first, then its branches. `format`: text, mermaid or svg; 22023
// for any other. Names are written so that nothing in them can be taken for part of the drawing.
Result<std::string> DrawBranchTree(const std::vector<BranchNode> &nodes, std::string_view format);

}  // namespace agent_branch
