#include "emulator/handlers.hpp"
#include "emulator/render.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {
namespace {

struct BranchWish {
  std::string parent_id;
  std::string name;
  std::string parent_lsn;
  std::optional<Microseconds> parent_timestamp;
  bool is_protected = false;
  std::string init_source = "parent-data";
  std::optional<Microseconds> expires_at;
  std::vector<EndpointWish> endpoints;
  std::map<std::string, std::string> annotation;
  bool has_plan_gated = false;

  bool IsSchemaOnly() const { return init_source == "schema-only"; }
};

void ReadBranchFields(const rapidjson::Value &value, BranchWish *wish) {
  ObjectReader branch(value, "branch",
                      {"parent_id", "name", "parent_lsn", "parent_timestamp", "protected",
                       "archived", "init_source", "expires_at"});
  wish->parent_id = branch.Text("parent_id").value_or("");
  wish->name = NameField(branch, "name", 256);
  wish->parent_lsn = branch.Text("parent_lsn").value_or("");
  wish->parent_timestamp = TimeField(branch, "parent_timestamp");
  wish->is_protected = branch.Bool("protected").value_or(false);
  if (branch.Bool("archived").value_or(false)) {
    throw ApiError(400, "archived branches are not known to neon-emulator");
  }
  wish->init_source = branch.Text("init_source").value_or("parent-data");
  if (wish->init_source != "parent-data" && wish->init_source != "schema-only") {
    branch.Reject("init_source", "unknown value");
  }
  if (!wish->parent_lsn.empty() && wish->parent_timestamp) {
    throw ApiError(400, "parent_lsn and parent_timestamp are mutually exclusive");
  }
  if (wish->parent_timestamp && *wish->parent_timestamp > Now()) {
    throw ApiError(400, "parent_timestamp must not be in the future");
  }
  wish->expires_at = ExpiryField(branch);
}

BranchWish ReadWish(const Call &call) {
  BranchWish wish;
  rapidjson::Document document = ParseBody(call, true);
  ObjectReader body(document, "", {"branch", "endpoints", "annotation_value"});
  if (const rapidjson::Value *branch = body.Find("branch")) ReadBranchFields(*branch, &wish);
  if (const rapidjson::Value *endpoints = body.Find("endpoints")) {
    if (!endpoints->IsArray()) body.Reject("endpoints", "unexpected type, expected array");
    for (const rapidjson::Value &value : endpoints->GetArray()) {
      ObjectReader endpoint(value, "endpoints",
                            {"type", "settings", "autoscaling_limit_min_cu",
                             "autoscaling_limit_max_cu", "provisioner", "suspend_timeout_seconds"});
      if (!endpoint.Has("type")) endpoint.RejectMissing("type");
      wish.endpoints.emplace_back();
      ReadComputeFields(endpoint, &wish.endpoints.back(), &wish.has_plan_gated);
    }
  }
  if (auto annotation = body.TextMap("annotation_value")) {
    if (annotation->size() > 50) body.Reject("annotation_value", "more than 50 properties");
    wish.annotation = std::move(*annotation);
  }
  return wish;
}

void CheckWish(Service &service, Project &project, const Branch &parent, const BranchWish &wish) {
  size_t writers = 0;
  for (const EndpointWish &endpoint : wish.endpoints) {
    if (endpoint.type == "read_write") {
      ++writers;
    } else if (service.engine.KeepsData()) {
      throw ApiError(422, "engine postgres of neon-emulator has read_write endpoints only");
    }
  }
  if (writers > 1) throw ApiError(422, "a branch can have only one read_write endpoint");
  if (service.engine.KeepsData() && (!wish.parent_lsn.empty() || wish.parent_timestamp)) {
    throw ApiError(422, "engine postgres of neon-emulator keeps no history, only branches' heads");
  }
  if (parent.expires_at) {
    throw ApiError(422, "cannot create a child of a branch that has an expiration time");
  }
  if (wish.expires_at && wish.is_protected) {
    throw ApiError(422, "a protected branch cannot have an expiration time");
  }
  if (wish.is_protected) service.RequireProtectedSlot(project);
  service.RequireBranchSlot(project, wish.IsSchemaOnly());
  if (!wish.name.empty()) service.RequireFreeName(project, wish.name);
  service.RequireUnlocked(project, {parent.id});
  service.RequireReady(parent);
}

Branch BuildBranch(Service &service, Project &project, const Branch &parent,
                   const BranchWish &wish) {
  Branch branch = service.MakeBranch(project, &parent, wish.name);
  branch.is_protected = wish.is_protected;
  branch.init_source = wish.init_source;
  branch.annotation = wish.annotation;
  if (!wish.parent_lsn.empty()) branch.parent_lsn = wish.parent_lsn;
  branch.parent_timestamp = wish.parent_timestamp;
  if (wish.IsSchemaOnly()) branch.parent_id.clear();
  // Neon gives the children of a protected branch passwords of their own.
  if (parent.is_protected) {
    for (Role &role : branch.roles)
      role.password = service.ids.Password();
  }
  if (wish.expires_at) {
    branch.expires_at = wish.expires_at;
    branch.ttl_seconds = (*wish.expires_at - Now() + kSecond - 1) / kSecond;
  }
  return branch;
}

Step CreateStep(Service &service, Project &project, const Branch &branch, const Branch &parent) {
  ForkRequest fork{parent.timeline, branch.timeline, branch.init_source == "schema-only", {}};
  if (parent.is_protected) {
    for (const Role &role : branch.roles)
      fork.passwords.emplace_back(role.name, role.password);
  }
  Step step;
  step.operation = service.NewOperation(project, "create_branch", branch.id);
  step.work = [&service, fork](Engine::Done done) { service.engine.Fork(fork, std::move(done)); };
  std::string project_id = project.id, branch_id = branch.id;
  step.succeeded = [&service, project_id, branch_id] {
    service.BranchCreated(project_id, branch_id);
  };
  return step;
}

void WriteConnectionUris(Service &service, JsonWriter &json, Project &project,
                         const Branch &branch) {
  const Endpoint *endpoint = project.FindReadWriteEndpoint(branch);
  if (endpoint == nullptr || service.options.omit_connection_uris) return;
  // Neon cannot choose among several roles or databases and leaves the member out.
  if (branch.roles.size() != 1 || branch.databases.size() != 1) return;
  const Role &role = branch.roles.front();
  const std::string &database = branch.databases.front().name;
  json.BeginArray("connection_uris");
  json.BeginObject();
  json.Field("connection_uri",
             service.engine.Uri(role.name, role.password, endpoint->host, database));
  json.BeginObject("connection_parameters");
  json.Field("database", database);
  json.Field("password", role.password);
  json.Field("role", role.name);
  json.Field("host", endpoint->host);
  json.Field("pooler_host", endpoint->pooler_host);
  json.EndObject();
  json.EndObject();
  json.EndArray();
}

}  // namespace

Response CreateBranch(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  BranchWish wish = ReadWish(call);
  Branch &parent = wish.parent_id.empty() ? project.DefaultBranch()
                                          : service.RequireBranch(project, wish.parent_id);
  RequirePlanAllows(service, wish.has_plan_gated);
  CheckWish(service, project, parent, wish);

  Branch &branch = project.AddBranch(BuildBranch(service, project, parent, wish));
  if (call.hide_created) branch.hidden_gets = 1;
  std::vector<Step> steps;
  steps.push_back(CreateStep(service, project, branch, parent));
  for (const EndpointWish &endpoint_wish : wish.endpoints) {
    // Beyond the limit "additional computes will remain suspended".
    bool starts = service.ComputeSlotFree(project);
    Endpoint &endpoint = service.AddEndpoint(project, branch, endpoint_wish);
    if (starts) {
      steps.push_back(service.StartStep(project, endpoint));
    } else {
      project.SetState(endpoint, "idle", "");
    }
  }
  service.NotePeaks(project);
  service.WatchExpiry(project.id, branch);
  std::vector<OperationPtr> operations = OperationsOf(steps);
  service.operations.Run(std::move(steps), call.fate);

  JsonWriter json;
  json.BeginObject();
  json.Key("branch");
  WriteBranch(json, project, branch);
  json.BeginArray("endpoints");
  for (const std::string &endpoint_id : branch.endpoint_ids) {
    WriteEndpoint(json, project, *project.FindEndpoint(endpoint_id));
  }
  json.EndArray();
  WriteOperations(json, operations);
  WriteRoles(json, branch, false);
  WriteDatabases(json, branch);
  WriteConnectionUris(service, json, project, branch);
  json.EndObject();
  return Answer(json, 201);
}

}  // namespace agent_branch::emulator
