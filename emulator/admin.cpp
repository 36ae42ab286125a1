#include "emulator/admin.hpp"

#include <algorithm>

#include "emulator/render.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {
namespace {

Response Done() {
  JsonWriter json;
  json.BeginObject();
  json.Field("ok", true);
  json.EndObject();
  return Answer(json);
}

void WriteBranchState(JsonWriter &json, Project &project, const Branch &branch) {
  json.BeginObject();
  json.Field("id", branch.id);
  json.Field("name", branch.name);
  json.Field("parent_id", branch.parent_id);
  json.Field("children", static_cast<int64_t>(branch.children));
  json.Field("current_state", branch.current_state);
  json.Field("pending_state", branch.pending_state);
  json.Field("default", branch.is_default);
  json.Field("protected", branch.is_protected);
  json.Field("deleting", branch.is_deleting);
  json.Field("deletable", !branch.is_deleting && !branch.is_default && !branch.is_protected &&
                              !branch.is_pinned && branch.children == 0);
  json.Field("created_at", FormatTimePrecisely(branch.created_at));
  json.Field("expires_at", branch.expires_at ? FormatTime(*branch.expires_at) : "");
  json.Field("last_reset_at", branch.last_reset_at ? FormatTime(*branch.last_reset_at) : "");
  json.BeginObject("annotation");
  for (const auto &[key, value] : branch.annotation)
    json.Field(key, value);
  json.EndObject();
  json.BeginArray("endpoints");
  for (const std::string &endpoint_id : branch.endpoint_ids) {
    const Endpoint *endpoint = project.FindEndpoint(endpoint_id);
    json.BeginObject();
    json.Field("id", endpoint->id);
    json.Field("host", endpoint->host);
    json.Field("current_state", endpoint->current_state);
    json.Field("pending_state", endpoint->pending_state);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

void WriteProjectState(JsonWriter &json, Project &project) {
  json.BeginObject();
  json.Field("id", project.id);
  json.Field("name", project.name);
  std::vector<const Branch *> branches;
  for (const auto &[id, branch] : project.branches())
    branches.push_back(&branch);
  std::sort(branches.begin(), branches.end(), [](const Branch *a, const Branch *b) {
    return std::tie(a->created_at, a->id) < std::tie(b->created_at, b->id);
  });
  json.BeginArray("branches");
  for (const Branch *branch : branches)
    WriteBranchState(json, project, *branch);
  json.EndArray();
  json.BeginArray("running_operations");
  for (const OperationPtr &operation : project.running())
    WriteOperation(json, *operation);
  json.EndArray();
  json.EndObject();
}

void ReadLimits(const ObjectReader &body, Limits *limits) {
  for (auto [name, target] : {std::pair("max_branches", &limits->branches),
                              std::pair("max_root_branches", &limits->root_branches),
                              std::pair("max_protected_branches", &limits->protected_branches),
                              std::pair("max_active_computes", &limits->active_computes),
                              std::pair("rate_per_minute", &limits->rate_per_minute),
                              std::pair("rate_burst", &limits->rate_burst)}) {
    if (auto value = body.Integer(name)) *target = *value;
  }
}

void ReadChoice(const ObjectReader &body, const char *name, std::string *target,
                std::initializer_list<const char *> choices) {
  auto value = body.Text(name);
  if (!value) return;
  if (std::find(choices.begin(), choices.end(), *value) == choices.end()) {
    body.Reject(name, "unknown value");
  }
  *target = *value;
}

}  // namespace

Response Admin::Handle(const Call &call) {
  try {
    Response response = Route(call);
    service_.SaveIfChanged();
    return response;
  } catch (const ApiError &error) {
    return ErrorResponse(error);
  } catch (const std::exception &error) {
    return ErrorResponse(ApiError(500, error.what()));
  }
}

Response Admin::Route(const Call &call) {
  const std::string route = call.method + " " + call.path;
  JsonWriter json;
  if (route == "GET /admin/requests") {
    int64_t after = std::atoll(call.Query("since").value_or("0").c_str());
    api_.log().Write(json, after);
    return Answer(json);
  }
  if (route == "GET /admin/effects") {
    service_.effects.Write(json, std::atoll(call.Query("since").value_or("0").c_str()));
    return Answer(json);
  }
  if (route == "DELETE /admin/requests") {
    api_.log().Clear();
    return Done();
  }
  if (route == "GET /admin/state") return State();
  if (route == "GET /admin/faults") {
    api_.faults().Write(json);
    return Answer(json);
  }
  if (route == "DELETE /admin/faults") {
    api_.faults().Clear();
    return Done();
  }
  if (route == "POST /admin/faults") {
    json.BeginObject();
    json.Field("id", api_.faults().Add(call.body));
    json.EndObject();
    return Answer(json, 201);
  }
  if (route == "POST /admin/config") return Configure(call);
  if (route == "POST /admin/operations/check_availability") return CheckAvailability(call);
  throw ApiError(404, "no such admin route: " + route);
}

Response Admin::State() {
  JsonWriter json;
  json.BeginObject();
  json.BeginArray("projects");
  for (auto &[id, project] : service_.projects)
    WriteProjectState(json, project);
  json.EndArray();
  json.BeginObject("counters");
  json.Field("requests", api_.log().total());
  json.BeginObject("statuses");
  for (const auto &[status, count] : api_.log().statuses()) {
    json.Field(std::to_string(status), count);
  }
  json.EndObject();
  json.Field("peak_branches", static_cast<int64_t>(service_.peaks.branches));
  json.Field("peak_root_branches", static_cast<int64_t>(service_.peaks.root_branches));
  json.Field("peak_active_computes", static_cast<int64_t>(service_.peaks.active_computes));
  json.Field("peak_running_operations", static_cast<int64_t>(service_.peaks.running_operations));
  json.EndObject();
  json.EndObject();
  return Answer(json);
}

// Everything is read before anything is changed: a bad request changes nothing.
Response Admin::Configure(const Call &call) {
  rapidjson::Document document = ParseJson(call.body);
  ObjectReader body(
      document, "",
      {"api_key", "durations", "topology", "lock", "max_branches", "max_root_branches",
       "max_protected_branches", "max_active_computes", "rate_per_minute", "rate_burst",
       "allow_restore_from_expiring", "omit_connection_uris", "plan_gates_suspend"});
  Options changed = service_.options;
  if (auto text = body.Text("durations")) {
    try {
      ApplyDurations(*text, &changed.durations);
    } catch (const std::runtime_error &error) {
      throw ApiError(400, error.what());
    }
  }
  ReadChoice(body, "topology", &changed.topology, {"lineage", "flat"});
  ReadChoice(body, "lock", &changed.lock, {"project", "branch", "none"});
  ReadLimits(body, &changed.limits);
  for (auto [name, target] :
       {std::pair("allow_restore_from_expiring", &changed.allow_restore_from_expiring),
        std::pair("omit_connection_uris", &changed.omit_connection_uris),
        std::pair("plan_gates_suspend", &changed.plan_gates_suspend)}) {
    if (auto value = body.Bool(name)) *target = *value;
  }
  auto key = body.Text("api_key");
  if (key) api_.keys() = {{*key, ""}};
  service_.options = std::move(changed);
  return Done();
}

Response Admin::CheckAvailability(const Call &call) {
  rapidjson::Document document = ParseJson(call.body.empty() ? "{}" : call.body);
  ObjectReader body(document, "", {"project"});
  std::string id = body.Text("project").value_or(service_.options.projects.front());
  Project &project = service_.RequireProject(id);
  Branch &branch = project.DefaultBranch();
  Endpoint *endpoint = project.FindReadWriteEndpoint(branch);
  Step step;
  step.operation = service_.NewOperation(project, "check_availability", branch.id,
                                         endpoint == nullptr ? "" : endpoint->id);
  std::vector<Step> steps;
  steps.push_back(std::move(step));
  std::vector<OperationPtr> operations = OperationsOf(steps);
  service_.operations.Run(std::move(steps), Fate::kNormal);
  JsonWriter json;
  json.BeginObject();
  WriteOperations(json, operations);
  json.EndObject();
  return Answer(json, 201);
}

}  // namespace agent_branch::emulator
