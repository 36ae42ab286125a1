#include "emulator/handlers.hpp"
#include "emulator/render.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {
namespace {

constexpr char kUser[] = "11111111-2222-4333-8444-555555555555";

void WriteEmptyPage(JsonWriter &json) {
  json.BeginArray("projects");
  json.EndArray();
}

// The routes that reach beyond one project are closed to a key that is limited to one.
void RequireNoScope(const Call &call) {
  if (call.scope.empty()) return;
  throw ApiError(404,
                 "not allowed to perform actions outside the project this key is scoped to; "
                 "subject_project_id:\"" +
                     call.scope + "\"");
}

}  // namespace

Response GetProject(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  JsonWriter json;
  json.BeginObject();
  json.Key("project");
  WriteProject(json, project);
  json.EndObject();
  return Answer(json);
}

Response ListProjects(Service &service, Call &call) {
  RequireNoScope(call);
  std::map<std::string, const Project *> sorted;
  std::string search = call.Query("search").value_or("");
  std::string cursor = call.Query("cursor").value_or("");
  size_t limit = LimitParameter(call, 400, 10);
  for (const auto &[id, project] : service.projects) {
    bool matches =
        id.find(search) != std::string::npos || project.name.find(search) != std::string::npos;
    if (matches && id > cursor) sorted[id] = &project;
  }
  JsonWriter json;
  json.BeginObject();
  json.BeginArray("projects");
  std::string last;
  for (const auto &[id, project] : sorted) {
    if (limit-- == 0) break;
    WriteProjectListItem(json, *project);
    last = id;
  }
  json.EndArray();
  for (const char *name : {"applications", "integrations"}) {
    json.BeginObject(name);
    json.EndObject();
  }
  if (!last.empty()) {
    json.BeginObject("pagination");
    json.Field("cursor", last);
    json.EndObject();
  }
  json.EndObject();
  return Answer(json);
}

Response ListSharedProjects(Service &, Call &call) {
  RequireNoScope(call);
  JsonWriter json;
  json.BeginObject();
  WriteEmptyPage(json);
  json.EndObject();
  return Answer(json);
}

Response CreateProject(Service &service, Call &call) {
  RequireNoScope(call);
  rapidjson::Document document = ParseBody(call);
  ObjectReader body(document, "", {"project"});
  if (!body.Has("project")) body.RejectMissing("project");
  ObjectReader object(
      *body.Find("project"), "project",
      {"settings", "name", "branch", "autoscaling_limit_min_cu", "autoscaling_limit_max_cu",
       "provisioner", "region_id", "default_endpoint_settings", "pg_version", "store_passwords",
       "history_retention_seconds", "org_id"});
  std::string name = NameField(object, "name", 256);
  std::string branch_name = "main", role = "neondb_owner", database = "neondb";
  std::map<std::string, std::string> annotation;
  if (const rapidjson::Value *value = object.Find("branch")) {
    ObjectReader branch(*value, "branch", {"name", "role_name", "database_name", "annotations"});
    if (branch.Has("name")) branch_name = NameField(branch, "name", 256);
    role = branch.Text("role_name").value_or(role);
    database = branch.Text("database_name").value_or(database);
    annotation = branch.TextMap("annotations").value_or(annotation);
    if (annotation.size() > 50) branch.Reject("annotations", "more than 50 properties");
  }
  EndpointWish compute;
  bool has_plan_gated = false;
  if (const rapidjson::Value *value = object.Find("default_endpoint_settings")) {
    ObjectReader settings(*value, "default_endpoint_settings",
                          {"pg_settings", "pgbouncer_settings", "autoscaling_limit_min_cu",
                           "autoscaling_limit_max_cu", "suspend_timeout_seconds"});
    ReadComputeFields(settings, &compute, &has_plan_gated);
  }
  RequirePlanAllows(service, has_plan_gated);
  std::string id;
  do
    id = service.ids.Project();
  while (service.projects.count(id) > 0);
  Project &project = service.AddProject(id, name.empty() ? id : name, branch_name, role, database);
  project.history_retention_seconds =
      object.Integer("history_retention_seconds").value_or(project.history_retention_seconds);
  Branch &root = project.DefaultBranch();
  root.annotation = std::move(annotation);
  if (Endpoint *endpoint = project.FindReadWriteEndpoint(root)) {
    endpoint->min_cu = compute.min_cu;
    endpoint->max_cu = compute.max_cu;
    endpoint->suspend_timeout_seconds = compute.suspend_timeout_seconds;
  }
  auto steps = service.InitializeSteps(project);
  std::vector<OperationPtr> operations = OperationsOf(steps);
  service.operations.Run(std::move(steps), call.fate);

  const Endpoint &endpoint = *project.FindReadWriteEndpoint(root);
  const std::string &password = root.roles.front().password;
  JsonWriter json;
  json.BeginObject();
  json.Key("project");
  WriteProject(json, project);
  json.BeginArray("connection_uris");
  json.BeginObject();
  json.Field("connection_uri", service.engine.Uri(role, password, endpoint.host, database));
  json.BeginObject("connection_parameters");
  json.Field("database", database);
  json.Field("password", password);
  json.Field("role", role);
  json.Field("host", endpoint.host);
  json.Field("pooler_host", endpoint.pooler_host);
  json.EndObject();
  json.EndObject();
  json.EndArray();
  WriteRoles(json, root, true);
  WriteDatabases(json, root);
  WriteOperations(json, operations);
  json.Key("branch");
  WriteBranch(json, project, root);
  json.BeginArray("endpoints");
  WriteEndpoint(json, project, endpoint);
  json.EndArray();
  json.EndObject();
  return Answer(json, 201);
}

Response UpdateProject(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  rapidjson::Document document = ParseBody(call);
  ObjectReader body(document, "", {"project"});
  if (!body.Has("project")) body.RejectMissing("project");
  ObjectReader object(
      *body.Find("project"), "project",
      {"settings", "name", "default_endpoint_settings", "history_retention_seconds"});
  std::string name = NameField(object, "name", 256);
  auto retention = object.Integer("history_retention_seconds");
  if (retention && (*retention < 0 || *retention > 2592000)) {
    throw ApiError(422, "requested history retention seconds exceeds allowed maximum");
  }
  service.RequireUnlocked(project, {});
  if (!name.empty()) project.name = name;
  if (retention) project.history_retention_seconds = *retention;
  project.updated_at = Now();
  JsonWriter json;
  json.BeginObject();
  json.Key("project");
  WriteProject(json, project);
  WriteOperations(json, {});
  json.EndObject();
  return Answer(json);
}

Response DeleteProject(Service &service, Call &call) {
  RequireNoScope(call);
  Project &project = service.RequireProject(call.arguments[0]);
  // In every lock mode: what an operation does at its end needs the project.
  if (!project.running().empty()) {
    throw ApiError(423,
                   "project already has running operations, scheduling of new ones is prohibited");
  }
  JsonWriter json;
  json.BeginObject();
  json.Key("project");
  WriteProject(json, project);
  json.EndObject();
  for (const auto &[endpoint_id, endpoint] : project.endpoints()) {
    service.engine.CloseEndpoint(endpoint_id);
  }
  for (const auto &[branch_id, branch] : project.branches()) {
    service.engine.Drop(branch.timeline, [](const std::string &) {});
  }
  service.projects.erase(project.id);
  return Answer(json);
}

Response GetCurrentUser(Service &service, Call &) {
  JsonWriter json;
  json.BeginObject();
  json.Field("active_seconds_limit", 0);
  json.BeginArray("auth_accounts");
  json.EndArray();
  json.Field("email", "emulator@example.com");
  json.Field("id", kUser);
  json.Field("image", "");
  json.Field("login", "emulator");
  json.Field("name", "Emulator");
  json.Field("last_name", "");
  json.Field("projects_limit", 100);
  json.Field("branches_limit", service.options.limits.branches);
  json.Field("max_autoscaling_limit", 8.0);
  json.Field("plan", "launch_v3");
  json.EndObject();
  return Answer(json);
}

Response GetAuthDetails(Service &, Call &call) {
  JsonWriter json;
  json.BeginObject();
  json.Field("account_id", kUser);
  json.Field("auth_method", call.scope.empty() ? "api_key_user" : "api_key_org");
  json.EndObject();
  return Answer(json);
}

}  // namespace agent_branch::emulator
