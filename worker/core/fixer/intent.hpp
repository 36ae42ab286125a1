// What the check says of a fix.
#pragma once

#include <string>
#include <vector>

#include "worker/core/script/script.hpp"

namespace agent_branch {

struct Intent {
  bool preserved = false;
  std::string reason;  // of a refusal: lower case, no full stop; names of the SQL in it, cut short
  // When preserved: the fix's effects that are the original's, and those that an error gave leave
  // to. For the second proof, on the branch.
  std::vector<Effect> wanted;
  std::vector<Effect> added;
};

}  // namespace agent_branch
