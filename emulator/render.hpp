// The model as Neon's JSON objects. Fields and their order follow the OpenAPI document.
#pragma once

#include <string>
#include <vector>

#include "emulator/call.hpp"
#include "emulator/errors.hpp"
#include "emulator/json.hpp"
#include "emulator/model.hpp"

namespace agent_branch::emulator {

void WriteBranch(JsonWriter &json, const Project &project, const Branch &branch);
void WriteAnnotation(JsonWriter &json, const Branch &branch);
void WriteEndpoint(JsonWriter &json, const Project &project, const Endpoint &endpoint);
void WriteOperation(JsonWriter &json, const Operation &operation);
void WriteRole(JsonWriter &json, const Branch &branch, const Role &role, bool with_password);
void WriteDatabase(JsonWriter &json, const Branch &branch, const Database &database);
void WriteProject(JsonWriter &json, const Project &project);
void WriteProjectListItem(JsonWriter &json, const Project &project);

// Members of the object that is open.
void WriteOperations(JsonWriter &json, const std::vector<OperationPtr> &operations);
void WriteRoles(JsonWriter &json, const Branch &branch, bool with_passwords);
void WriteDatabases(JsonWriter &json, const Branch &branch);

std::vector<OperationPtr> OperationsOf(const std::vector<Step> &steps);
Response Answer(JsonWriter &json, int status = 200);
Response ErrorResponse(const ApiError &error);  // api.cpp adds the request's id

}  // namespace agent_branch::emulator
