#include <algorithm>

#include "emulator/handlers.hpp"
#include "emulator/render.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {
namespace {

Role &RequireRole(Branch &branch, const std::string &name) {
  Role *role = branch.FindRole(name);
  if (role == nullptr) throw ApiError(404, "role not found");
  return *role;
}

std::string SetPassword(const std::string &role, const std::string &password) {
  return "ALTER ROLE " + QuoteName(role) + " PASSWORD " + QuoteLiteral(password);
}

Response RoleAnswer(Service &service, const Branch &branch, const Role &role, bool with_password,
                    std::vector<Step> steps, Fate fate, int status) {
  std::vector<OperationPtr> operations = OperationsOf(steps);
  JsonWriter json;
  json.BeginObject();
  json.Key("role");
  WriteRole(json, branch, role, with_password);
  service.operations.Run(std::move(steps), fate);
  WriteOperations(json, operations);
  json.EndObject();
  return Answer(json, status);
}

}  // namespace

Response ListRoles(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  JsonWriter json;
  json.BeginObject();
  WriteRoles(json, branch, false);
  json.EndObject();
  return Answer(json);
}

Response GetRole(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  JsonWriter json;
  json.BeginObject();
  json.Key("role");
  WriteRole(json, branch, RequireRole(branch, call.arguments[2]), false);
  json.EndObject();
  return Answer(json);
}

Response RevealPassword(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  Role &role = RequireRole(branch, call.arguments[2]);
  JsonWriter json;
  json.BeginObject();
  json.Field("password", role.password);
  json.EndObject();
  return Answer(json);
}

Response ResetPassword(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  Role &role = RequireRole(branch, call.arguments[2]);
  service.RequireUnlocked(project, {branch.id});
  service.RequireReady(branch);
  Contents before(branch);
  role.password = service.ids.Password();
  role.updated_at = Now();
  std::vector<Step> steps;
  steps.push_back(
      service.ApplyStep(project, branch, {SetPassword(role.name, role.password)}, before));
  return RoleAnswer(service, branch, Role(role), true, std::move(steps), call.fate, 200);
}

Response CreateRole(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  rapidjson::Document document = ParseBody(call);
  ObjectReader body(document, "", {"role"});
  if (!body.Has("role")) body.RejectMissing("role");
  ObjectReader object(*body.Find("role"), "role", {"name", "no_login"});
  if (!object.Has("name")) object.RejectMissing("name");
  std::string name = NameField(object, "name", 63);
  bool login = !object.Bool("no_login").value_or(false);
  if (branch.FindRole(name) != nullptr) throw ApiError(409, "role already exists");
  service.RequireUnlocked(project, {branch.id});
  service.RequireReady(branch);
  Contents before(branch);
  Role role{name, service.ids.Password(), Now(), Now()};
  branch.roles.push_back(role);
  std::vector<Step> steps;
  steps.push_back(service.ApplyStep(
      project, branch,
      {"CREATE ROLE " + QuoteName(name) + (login ? " LOGIN" : " NOLOGIN") +
       " CREATEDB CREATEROLE BYPASSRLS REPLICATION IN ROLE neon_superuser PASSWORD " +
       QuoteLiteral(role.password)},
      before));
  return RoleAnswer(service, branch, role, true, std::move(steps), call.fate, 201);
}

Response DeleteRole(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  const std::string &name = call.arguments[2];
  if (branch.FindRole(name) == nullptr) {
    Response gone;
    gone.status = 204;
    return gone;
  }
  for (const Database &database : branch.databases) {
    if (database.owner_name == name) throw ApiError(422, "the role owns a database");
  }
  service.RequireUnlocked(project, {branch.id});
  service.RequireReady(branch);
  Contents before(branch);
  Role role = *branch.FindRole(name);
  branch.roles.erase(std::remove_if(branch.roles.begin(), branch.roles.end(),
                                    [&](const Role &other) { return other.name == name; }),
                     branch.roles.end());
  std::vector<Step> steps;
  steps.push_back(
      service.ApplyStep(project, branch, {"DROP ROLE IF EXISTS " + QuoteName(name)}, before));
  return RoleAnswer(service, branch, role, false, std::move(steps), call.fate, 200);
}

}  // namespace agent_branch::emulator
