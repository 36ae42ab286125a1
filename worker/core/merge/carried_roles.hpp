// What a restore would do to who can log in to a parent, and may do what there.
#pragma once

#include <string>
#include <vector>

#include "worker/core/merge/three_way.hpp"

namespace agent_branch {

// Roles, their memberships and passwords that are not on the branch what they were when it was
// made, and whose names no migration has in it: "role x", "membership of x in y", "password of role
// x".
std::vector<std::string> UnrecordedRoles(const ObjectMap &base, const ObjectMap &now,
                                         const std::vector<std::string> &migrations);

}  // namespace agent_branch
