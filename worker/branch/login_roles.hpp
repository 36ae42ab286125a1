// Login roles on branches: those of agents, and the one that reads a parent.
//
// An agent's role is a member of the project's, and acts as it from the first statement on, since
// that is set for its logins: what it makes belongs to the project's role. DISCARD ALL does not
// change that; SET ROLE and SET SESSION AUTHORIZATION do.
#pragma once

#include <string>

#include "worker/branch/connection.hpp"
#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

// Whether LoginRoleText() has the text of a task.
bool IsOfLoginRoles(const BranchTask &task);

// One query text, whose last row has one column: see BranchTaskKind. A password is in it in clear
// only if the task says so. Fails when the name or the password is not of the form that is ours, or
// the server wants too much for a verifier.
Result<std::string> LoginRoleText(const BranchTask &task, const Connection &connection);

// The name of a login role that is ours, as a regular expression in quotes.
inline constexpr const char *kSessionRole = "'^agent_branch_session_[0-9a-f]{32}$'";

}  // namespace agent_branch
