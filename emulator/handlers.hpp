// One function for each route of the API. They throw ApiError; router.cpp knows which is which.
#pragma once

#include "emulator/call.hpp"
#include "emulator/service.hpp"

namespace agent_branch::emulator {

// branch_create.cpp, branch_restore.cpp, branch_change.cpp, branch_list.cpp
Response CreateBranch(Service &service, Call &call);
Response RestoreBranch(Service &service, Call &call);
Response UpdateBranch(Service &service, Call &call);
Response DeleteBranch(Service &service, Call &call);
Response SetDefaultBranch(Service &service, Call &call);
Response GetBranch(Service &service, Call &call);
Response ListBranches(Service &service, Call &call);
Response CountBranches(Service &service, Call &call);

// schema_handlers.cpp
void GetBranchSchema(Service &service, Call &call, Reply reply);
void CompareBranchSchema(Service &service, Call &call, Reply reply);

// endpoint_handlers.cpp
Response CreateEndpoint(Service &service, Call &call);
Response GetEndpoint(Service &service, Call &call);
Response ListEndpoints(Service &service, Call &call);
Response ListBranchEndpoints(Service &service, Call &call);
Response UpdateEndpoint(Service &service, Call &call);
Response DeleteEndpoint(Service &service, Call &call);
Response StartEndpoint(Service &service, Call &call);
Response SuspendEndpoint(Service &service, Call &call);
Response RestartEndpoint(Service &service, Call &call);
Response GetConnectionUri(Service &service, Call &call);

// operation_handlers.cpp
Response ListOperations(Service &service, Call &call);
Response GetOperation(Service &service, Call &call);

// role_handlers.cpp
Response CreateRole(Service &service, Call &call);
Response GetRole(Service &service, Call &call);
Response ListRoles(Service &service, Call &call);
Response DeleteRole(Service &service, Call &call);
Response RevealPassword(Service &service, Call &call);
Response ResetPassword(Service &service, Call &call);

// database_handlers.cpp
Response CreateDatabase(Service &service, Call &call);
Response GetDatabase(Service &service, Call &call);
Response ListDatabases(Service &service, Call &call);
Response UpdateDatabase(Service &service, Call &call);
Response DeleteDatabase(Service &service, Call &call);

// project_handlers.cpp
Response CreateProject(Service &service, Call &call);
Response GetProject(Service &service, Call &call);
Response ListProjects(Service &service, Call &call);
Response ListSharedProjects(Service &service, Call &call);
Response UpdateProject(Service &service, Call &call);
Response DeleteProject(Service &service, Call &call);
Response GetCurrentUser(Service &service, Call &call);
Response GetAuthDetails(Service &service, Call &call);

}  // namespace agent_branch::emulator
