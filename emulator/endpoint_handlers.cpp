#include "emulator/handlers.hpp"
#include "emulator/render.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {
namespace {

constexpr char kTransitive[] = "endpoint is in some transitive state, could not ";

EndpointWish ReadWish(const ObjectReader &object, const Endpoint *present, bool *has_plan_gated) {
  EndpointWish wish;
  if (present != nullptr) {
    wish = {present->type,
            present->name,
            present->min_cu,
            present->max_cu,
            present->suspend_timeout_seconds,
            present->provisioner,
            present->settings,
            present->disabled,
            present->passwordless_access};
  }
  ReadComputeFields(object, &wish, has_plan_gated);
  object.Bool("pooler_enabled");  // deprecated: pooling goes by the host's name
  object.Text("pooler_mode");
  wish.disabled = object.Bool("disabled").value_or(wish.disabled);
  wish.passwordless_access = object.Bool("passwordless_access").value_or(wish.passwordless_access);
  if (object.Has("name")) wish.name = NameField(object, "name", 64);
  return wish;
}

Response EndpointAnswer(Service &service, Project &project, const std::string &endpoint_id,
                        std::vector<Step> steps, Fate fate, int status = 200) {
  std::vector<OperationPtr> operations = OperationsOf(steps);
  service.operations.Run(std::move(steps), fate);
  JsonWriter json;
  json.BeginObject();
  json.Key("endpoint");
  WriteEndpoint(json, project, *project.FindEndpoint(endpoint_id));
  WriteOperations(json, operations);
  json.EndObject();
  return Answer(json, status);
}

// Checks that start, suspend and restart share; "start", … for the message.
Endpoint &RequireSettled(Service &service, Call &call, Project &project, const char *verb) {
  Endpoint &endpoint = service.RequireEndpoint(project, call.arguments[1]);
  if (endpoint.disabled) throw ApiError(422, "endpoint is disabled");
  service.RequireUnlocked(project, {endpoint.branch_id});
  if (!endpoint.pending_state.empty() || endpoint.current_state == "init") {
    throw ApiError(423, std::string(kTransitive) + verb);
  }
  return endpoint;
}

void RequireComputeSlot(Service &service, Project &project, const Endpoint &endpoint) {
  Branch *branch = project.FindAnyBranch(endpoint.branch_id);
  if (branch->is_default || service.ComputeSlotFree(project)) return;
  throw ApiError(422, "active endpoints limit exceeded", "ACTIVE_ENDPOINTS_LIMIT_EXCEEDED");
}

}  // namespace

Response CreateEndpoint(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  rapidjson::Document document = ParseBody(call);
  ObjectReader body(document, "", {"endpoint"});
  if (!body.Has("endpoint")) body.RejectMissing("endpoint");
  ObjectReader object(*body.Find("endpoint"), "endpoint",
                      {"branch_id", "region_id", "type", "settings", "autoscaling_limit_min_cu",
                       "autoscaling_limit_max_cu", "provisioner", "pooler_enabled", "pooler_mode",
                       "disabled", "passwordless_access", "suspend_timeout_seconds", "name"});
  auto branch_id = object.Text("branch_id");
  if (!branch_id) object.RejectMissing("branch_id");
  if (!object.Has("type")) object.RejectMissing("type");
  object.Text("region_id");
  bool has_plan_gated = false;
  EndpointWish wish = ReadWish(object, nullptr, &has_plan_gated);
  Branch &branch = service.RequireBranch(project, *branch_id);
  RequirePlanAllows(service, has_plan_gated);
  if (wish.type == "read_only" && service.engine.KeepsData()) {
    throw ApiError(422, "engine postgres of neon-emulator has read_write endpoints only");
  }
  if (wish.type == "read_write" && project.FindReadWriteEndpoint(branch) != nullptr) {
    throw ApiError(409, "read_write endpoint already exists");
  }
  service.RequireUnlocked(project, {branch.id});
  service.RequireReady(branch);

  bool starts = !wish.disabled && (branch.is_default || service.ComputeSlotFree(project));
  Endpoint &endpoint = service.AddEndpoint(project, branch, wish);
  std::vector<Step> steps;
  if (starts) {
    steps.push_back(service.StartStep(project, endpoint));
  } else {
    project.SetState(endpoint, "idle", "");
    if (!wish.disabled) service.engine.HoldEndpoint(endpoint.id);
  }
  return EndpointAnswer(service, project, endpoint.id, std::move(steps), call.fate, 201);
}

Response GetEndpoint(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Endpoint &endpoint = service.RequireEndpoint(project, call.arguments[1]);
  JsonWriter json;
  json.BeginObject();
  json.Key("endpoint");
  WriteEndpoint(json, project, endpoint);
  json.EndObject();
  return Answer(json);
}

Response ListEndpoints(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  JsonWriter json;
  json.BeginObject();
  json.BeginArray("endpoints");
  for (const auto &[id, endpoint] : project.endpoints()) {
    if (project.FindBranch(endpoint.branch_id)) WriteEndpoint(json, project, endpoint);
  }
  json.EndArray();
  json.EndObject();
  return Answer(json);
}

Response ListBranchEndpoints(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  JsonWriter json;
  json.BeginObject();
  json.BeginArray("endpoints");
  for (const std::string &endpoint_id : branch.endpoint_ids) {
    WriteEndpoint(json, project, *project.FindEndpoint(endpoint_id));
  }
  json.EndArray();
  json.EndObject();
  return Answer(json);
}

Response UpdateEndpoint(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Endpoint &endpoint = service.RequireEndpoint(project, call.arguments[1]);
  rapidjson::Document document = ParseBody(call);
  ObjectReader body(document, "", {"endpoint"});
  if (!body.Has("endpoint")) body.RejectMissing("endpoint");
  ObjectReader object(*body.Find("endpoint"), "endpoint",
                      {"branch_id", "autoscaling_limit_min_cu", "autoscaling_limit_max_cu",
                       "provisioner", "settings", "pooler_enabled", "pooler_mode", "disabled",
                       "passwordless_access", "suspend_timeout_seconds", "name"});
  bool has_plan_gated = false;
  EndpointWish wish = ReadWish(object, &endpoint, &has_plan_gated);
  if (auto branch_id = object.Text("branch_id"); branch_id && *branch_id != endpoint.branch_id) {
    throw ApiError(422, "moving an endpoint is deprecated and not known to neon-emulator");
  }
  RequirePlanAllows(service, has_plan_gated);
  service.RequireUnlocked(project, {endpoint.branch_id});
  if (!endpoint.pending_state.empty()) throw ApiError(423, std::string(kTransitive) + "update");

  bool turned_off = wish.disabled && !endpoint.disabled;
  bool turned_on = !wish.disabled && endpoint.disabled;
  endpoint.name = wish.name;
  endpoint.min_cu = wish.min_cu;
  endpoint.max_cu = wish.max_cu;
  endpoint.suspend_timeout_seconds = wish.suspend_timeout_seconds;
  endpoint.provisioner = wish.provisioner;
  endpoint.settings = wish.settings;
  endpoint.disabled = wish.disabled;
  endpoint.passwordless_access = wish.passwordless_access;
  endpoint.updated_at = Now();
  std::vector<Step> steps;
  Step apply;
  apply.operation = service.NewOperation(project, "apply_config", endpoint.branch_id, endpoint.id);
  steps.push_back(std::move(apply));
  if (turned_off && endpoint.current_state == "active") {
    steps.push_back(service.SuspendStep(project, endpoint,
                                        project.FindAnyBranch(endpoint.branch_id)->timeline));
  } else if (turned_off) {
    service.engine.RefuseEndpoint(endpoint.id);
  }
  if (turned_on) service.engine.HoldEndpoint(endpoint.id);
  return EndpointAnswer(service, project, endpoint.id, std::move(steps), call.fate);
}

Response DeleteEndpoint(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Endpoint *endpoint = project.FindEndpoint(call.arguments[1]);
  if (endpoint == nullptr || project.FindBranch(endpoint->branch_id) == nullptr) {
    Response gone;
    gone.status = 204;
    return gone;
  }
  service.RequireUnlocked(project, {endpoint->branch_id});
  if (!endpoint->pending_state.empty()) throw ApiError(423, std::string(kTransitive) + "delete");
  Branch *branch = project.FindAnyBranch(endpoint->branch_id);
  std::vector<Step> steps;
  steps.push_back(service.SuspendStep(project, *endpoint, branch->timeline));
  endpoint->is_deleting = true;
  std::vector<OperationPtr> operations = OperationsOf(steps);
  JsonWriter json;
  json.BeginObject();
  json.Key("endpoint");
  WriteEndpoint(json, project, *endpoint);
  service.operations.Run(std::move(steps), call.fate);
  WriteOperations(json, operations);
  json.EndObject();
  return Answer(json);
}

Response StartEndpoint(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Endpoint &endpoint = RequireSettled(service, call, project, "start");
  std::vector<Step> steps;
  if (endpoint.current_state != "active") {
    RequireComputeSlot(service, project, endpoint);
    steps.push_back(service.StartStep(project, endpoint));
  }
  return EndpointAnswer(service, project, endpoint.id, std::move(steps), call.fate);
}

Response SuspendEndpoint(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Endpoint &endpoint = RequireSettled(service, call, project, "suspend");
  std::vector<Step> steps;
  if (endpoint.current_state == "active") {
    steps.push_back(service.SuspendStep(project, endpoint,
                                        project.FindAnyBranch(endpoint.branch_id)->timeline));
  }
  return EndpointAnswer(service, project, endpoint.id, std::move(steps), call.fate);
}

Response RestartEndpoint(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Endpoint &endpoint = RequireSettled(service, call, project, "restart");
  std::vector<Step> steps;
  if (endpoint.current_state == "active") {
    steps.push_back(service.SuspendStep(project, endpoint,
                                        project.FindAnyBranch(endpoint.branch_id)->timeline));
  } else {
    RequireComputeSlot(service, project, endpoint);
  }
  steps.push_back(service.StartStep(project, endpoint));
  return EndpointAnswer(service, project, endpoint.id, std::move(steps), call.fate);
}

Response GetConnectionUri(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  auto database_name = call.Query("database_name");
  auto role_name = call.Query("role_name");
  for (const char *name : {"database_name", "role_name"}) {
    if (call.Query(name).value_or("").empty()) {
      throw ApiError(400, std::string("invalid request: decode params: query: \"") + name +
                              "\": field required");
    }
  }
  auto branch_id = call.Query("branch_id");
  auto endpoint_id = call.Query("endpoint_id");
  Endpoint *endpoint = endpoint_id ? &service.RequireEndpoint(project, *endpoint_id) : nullptr;
  Branch &branch = branch_id             ? service.RequireBranch(project, *branch_id)
                   : endpoint != nullptr ? service.RequireBranch(project, endpoint->branch_id)
                                         : project.DefaultBranch();
  if (endpoint == nullptr) endpoint = project.FindReadWriteEndpoint(branch);
  if (endpoint == nullptr || endpoint->branch_id != branch.id) {
    throw ApiError(404, "endpoint not found");
  }
  const Role *role = branch.FindRole(*role_name);
  if (role == nullptr) throw ApiError(404, "role not found");
  if (branch.FindDatabase(*database_name) == nullptr) throw ApiError(404, "database not found");
  bool pooled = call.Query("pooled").value_or("false") == "true";
  const bool parents =
      branch.name == service.options.parent_name && !service.options.fixed_parent_uri.empty();
  JsonWriter json;
  json.BeginObject();
  json.Field("uri", parents ? service.options.fixed_parent_uri
                            : service.engine.Uri(role->name, role->password,
                                                 pooled ? endpoint->pooler_host : endpoint->host,
                                                 *database_name));
  json.EndObject();
  return Answer(json);
}

}  // namespace agent_branch::emulator
