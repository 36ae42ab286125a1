// The settings agent_branch.*, defined here for both libraries.
//
// All of them belong to the server's configuration (none can be set by a session, a role or a
// database): what chooses where a key is sent must not be a user's. The worker's library reads them
// by name, with GetConfigOption().
#pragma once

#include <string>

namespace agent_branch {

void DefineSettings();  // in _PG_init()

std::string BranchPrefix();
bool HasApiKeyDirectory();
int DatabaseWorkers();

}  // namespace agent_branch
