#include <algorithm>

#include "emulator/handlers.hpp"
#include "emulator/render.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {
namespace {

Database &RequireDatabase(Branch &branch, const std::string &name) {
  Database *database = branch.FindDatabase(name);
  if (database == nullptr) throw ApiError(404, "database not found");
  return *database;
}

void RequireOwner(Branch &branch, const std::string &owner_name) {
  if (branch.FindRole(owner_name) == nullptr) throw ApiError(404, "role not found");
}

Response DatabaseAnswer(Service &service, const Branch &branch, const Database &database,
                        std::vector<Step> steps, Fate fate, int status) {
  std::vector<OperationPtr> operations = OperationsOf(steps);
  JsonWriter json;
  json.BeginObject();
  json.Key("database");
  WriteDatabase(json, branch, database);
  service.operations.Run(std::move(steps), fate);
  WriteOperations(json, operations);
  json.EndObject();
  return Answer(json, status);
}

}  // namespace

Response ListDatabases(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  JsonWriter json;
  json.BeginObject();
  WriteDatabases(json, branch);
  json.EndObject();
  return Answer(json);
}

Response GetDatabase(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  JsonWriter json;
  json.BeginObject();
  json.Key("database");
  WriteDatabase(json, branch, RequireDatabase(branch, call.arguments[2]));
  json.EndObject();
  return Answer(json);
}

Response CreateDatabase(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  rapidjson::Document document = ParseBody(call);
  ObjectReader body(document, "", {"database"});
  if (!body.Has("database")) body.RejectMissing("database");
  ObjectReader object(*body.Find("database"), "database", {"name", "owner_name"});
  for (const char *name : {"name", "owner_name"}) {
    if (!object.Has(name)) object.RejectMissing(name);
  }
  Database database{service.NextDatabaseId(), NameField(object, "name", 63),
                    *object.Text("owner_name"), Now(), Now()};
  RequireOwner(branch, database.owner_name);
  if (branch.FindDatabase(database.name) != nullptr) {
    throw ApiError(409, "database already exists");
  }
  service.RequireUnlocked(project, {branch.id});
  service.RequireReady(branch);
  Contents before(branch);
  branch.databases.push_back(database);
  std::vector<Step> steps;
  steps.push_back(service.ApplyStep(
      project, branch,
      {"CREATE DATABASE " + QuoteName(database.name) + " OWNER " + QuoteName(database.owner_name)},
      before));
  return DatabaseAnswer(service, branch, database, std::move(steps), call.fate, 201);
}

Response UpdateDatabase(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  Database &database = RequireDatabase(branch, call.arguments[2]);
  rapidjson::Document document = ParseBody(call);
  ObjectReader body(document, "", {"database"});
  if (!body.Has("database")) body.RejectMissing("database");
  ObjectReader object(*body.Find("database"), "database", {"name", "owner_name"});
  std::string name = NameField(object, "name", 63);
  std::string owner_name = object.Text("owner_name").value_or("");
  if (!owner_name.empty()) RequireOwner(branch, owner_name);
  if (!name.empty() && name != database.name && branch.FindDatabase(name) != nullptr) {
    throw ApiError(409, "database already exists");
  }
  service.RequireUnlocked(project, {branch.id});
  service.RequireReady(branch);
  Contents before(branch);
  std::vector<std::string> statements;
  if (!owner_name.empty()) {
    statements.push_back("ALTER DATABASE " + QuoteName(database.name) + " OWNER TO " +
                         QuoteName(owner_name));
    database.owner_name = owner_name;
  }
  if (!name.empty() && name != database.name) {
    statements.push_back("ALTER DATABASE " + QuoteName(database.name) + " RENAME TO " +
                         QuoteName(name));
    database.name = name;
  }
  database.updated_at = Now();
  std::vector<Step> steps;
  steps.push_back(service.ApplyStep(project, branch, statements, before));
  return DatabaseAnswer(service, branch, Database(database), std::move(steps), call.fate, 200);
}

Response DeleteDatabase(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  const std::string &name = call.arguments[2];
  if (branch.FindDatabase(name) == nullptr) {
    Response gone;
    gone.status = 204;
    return gone;
  }
  service.RequireUnlocked(project, {branch.id});
  service.RequireReady(branch);
  Contents before(branch);
  Database database = *branch.FindDatabase(name);
  branch.databases.erase(std::remove_if(branch.databases.begin(), branch.databases.end(),
                                        [&](const Database &other) { return other.name == name; }),
                         branch.databases.end());
  std::vector<Step> steps;
  steps.push_back(service.ApplyStep(
      project, branch, {"DROP DATABASE IF EXISTS " + QuoteName(name) + " WITH (FORCE)"}, before));
  return DatabaseAnswer(service, branch, database, std::move(steps), call.fate, 200);
}

}  // namespace agent_branch::emulator
