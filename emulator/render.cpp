#include "emulator/render.hpp"

namespace agent_branch::emulator {
namespace {

constexpr char kRegion[] = "aws-us-east-2";
constexpr char kProxyHost[] = "c-2.us-east-2.aws.neon.tech";
constexpr char kOwner[] = "11111111-2222-4333-8444-555555555555";
constexpr int64_t kLogicalSizeLimitBytes = 536'870'912;

// What a Project and a ProjectListItem have in common.
void WriteProjectBasics(JsonWriter &json, const Project &project) {
  json.Field("id", project.id);
  json.Field("platform_id", "aws");
  json.Field("region_id", kRegion);
  json.Field("name", project.name);
  json.Field("provisioner", "k8s-neonvm");
  json.BeginObject("default_endpoint_settings");
  json.Field("autoscaling_limit_min_cu", 0.25);
  json.Field("autoscaling_limit_max_cu", 0.25);
  json.Field("suspend_timeout_seconds", 0);
  json.EndObject();
  json.Field("pg_version", project.pg_version);
  json.Field("proxy_host", kProxyHost);
  json.Field("branch_logical_size_limit", kLogicalSizeLimitBytes / 1'048'576);
  json.Field("branch_logical_size_limit_bytes", kLogicalSizeLimitBytes);
  json.Field("store_passwords", true);
  json.Field("cpu_used_sec", 0);
  json.Field("creation_source", "console");
  json.Field("history_retention_seconds", project.history_retention_seconds);
  json.Field("created_at", FormatTime(project.created_at));
  json.Field("updated_at", FormatTime(project.updated_at));
  json.Field("owner_id", kOwner);
}

}  // namespace

void WriteBranch(JsonWriter &json, const Project &project, const Branch &branch) {
  json.BeginObject();
  json.Field("id", branch.id);
  json.Field("project_id", project.id);
  if (!branch.parent_id.empty()) json.Field("parent_id", branch.parent_id);
  if (!branch.parent_id.empty()) json.Field("parent_lsn", branch.parent_lsn);
  if (branch.parent_timestamp && branch.current_state == "ready") {
    json.Field("parent_timestamp", FormatTime(*branch.parent_timestamp));
  }
  json.Field("name", branch.name);
  json.Field("current_state", branch.current_state);
  if (!branch.pending_state.empty()) json.Field("pending_state", branch.pending_state);
  json.Field("state_changed_at", FormatTime(branch.state_changed_at));
  json.Field("creation_source", "console");
  json.Field("primary", branch.is_default);
  json.Field("default", branch.is_default);
  json.Field("protected", branch.is_protected);
  json.Field("cpu_used_sec", 0);
  json.Field("compute_time_seconds", 0);
  json.Field("active_time_seconds", 0);
  json.Field("written_data_bytes", 0);
  json.Field("data_transfer_bytes", 0);
  json.Field("created_at", FormatTime(branch.created_at));
  json.Field("updated_at", FormatTime(branch.updated_at));
  if (branch.expires_at) {
    json.Field("ttl_interval_seconds", branch.ttl_seconds);
    json.Field("expires_at", FormatTime(*branch.expires_at));
  }
  if (branch.last_reset_at) json.Field("last_reset_at", FormatTime(*branch.last_reset_at));
  json.BeginObject("created_by");
  json.Field("name", "emulator");
  json.Field("image", "");
  json.EndObject();
  json.Field("init_source", branch.init_source);
  json.EndObject();
}

void WriteAnnotation(JsonWriter &json, const Branch &branch) {
  json.BeginObject();
  json.BeginObject("object");
  json.Field("type", "console/branch");
  json.Field("id", branch.id);
  json.EndObject();
  json.BeginObject("value");
  for (const auto &[key, value] : branch.annotation)
    json.Field(key, value);
  json.EndObject();
  json.Field("created_at", FormatTime(branch.created_at));
  json.Field("updated_at", FormatTime(branch.created_at));
  json.EndObject();
}

void WriteEndpoint(JsonWriter &json, const Project &project, const Endpoint &endpoint) {
  json.BeginObject();
  json.Field("host", endpoint.host);
  json.Field("id", endpoint.id);
  if (!endpoint.name.empty()) json.Field("name", endpoint.name);
  json.Field("project_id", project.id);
  json.Field("branch_id", endpoint.branch_id);
  json.Field("autoscaling_limit_min_cu", endpoint.min_cu);
  json.Field("autoscaling_limit_max_cu", endpoint.max_cu);
  json.Field("region_id", kRegion);
  json.Field("type", endpoint.type);
  json.Field("current_state", endpoint.current_state);
  if (!endpoint.pending_state.empty()) json.Field("pending_state", endpoint.pending_state);
  json.Key("settings");
  json.Raw(endpoint.settings);
  json.Field("pooler_enabled", false);
  json.Field("pooler_mode", "transaction");
  json.Field("disabled", endpoint.disabled);
  json.Field("passwordless_access", endpoint.passwordless_access);
  json.Field("creation_source", "console");
  json.Field("created_at", FormatTime(endpoint.created_at));
  json.Field("updated_at", FormatTime(endpoint.updated_at));
  if (endpoint.started_at) json.Field("started_at", FormatTime(*endpoint.started_at));
  if (endpoint.suspended_at) json.Field("suspended_at", FormatTime(*endpoint.suspended_at));
  json.Field("proxy_host", kProxyHost);
  json.Field("suspend_timeout_seconds", endpoint.suspend_timeout_seconds);
  json.Field("provisioner", endpoint.provisioner);
  json.EndObject();
}

void WriteOperation(JsonWriter &json, const Operation &operation) {
  json.BeginObject();
  json.Field("id", operation.id);
  json.Field("project_id", operation.project_id);
  if (!operation.branch_id.empty()) json.Field("branch_id", operation.branch_id);
  if (!operation.endpoint_id.empty()) json.Field("endpoint_id", operation.endpoint_id);
  json.Field("action", operation.action);
  json.Field("status", operation.status);
  if (!operation.error.empty()) json.Field("error", operation.error);
  json.Field("failures_count", operation.failures_count);
  json.Field("created_at", FormatTime(operation.created_at));
  json.Field("updated_at", FormatTime(operation.updated_at));
  json.Field("total_duration_ms", operation.total_duration_ms);
  json.EndObject();
}

void WriteRole(JsonWriter &json, const Branch &branch, const Role &role, bool with_password) {
  json.BeginObject();
  json.Field("branch_id", branch.id);
  json.Field("name", role.name);
  if (with_password) json.Field("password", role.password);
  json.Field("protected", false);
  json.Field("authentication_method", "password");
  json.Field("created_at", FormatTime(role.created_at));
  json.Field("updated_at", FormatTime(role.updated_at));
  json.EndObject();
}

void WriteDatabase(JsonWriter &json, const Branch &branch, const Database &database) {
  json.BeginObject();
  json.Field("id", database.id);
  json.Field("branch_id", branch.id);
  json.Field("name", database.name);
  json.Field("owner_name", database.owner_name);
  json.Field("created_at", FormatTime(database.created_at));
  json.Field("updated_at", FormatTime(database.updated_at));
  json.EndObject();
}

void WriteProject(JsonWriter &json, const Project &project) {
  json.BeginObject();
  WriteProjectBasics(json, project);
  for (const char *name : {"data_storage_bytes_hour", "data_transfer_bytes", "written_data_bytes",
                           "compute_time_seconds", "active_time_seconds"}) {
    json.Field(name, 0);
  }
  json.Field("consumption_period_start", FormatTime(project.created_at));
  json.Field("consumption_period_end", FormatTime(project.created_at + 30 * 86400 * kSecond));
  json.EndObject();
}

void WriteProjectListItem(JsonWriter &json, const Project &project) {
  json.BeginObject();
  WriteProjectBasics(json, project);
  json.Field("active_time", 0);
  json.EndObject();
}

void WriteOperations(JsonWriter &json, const std::vector<OperationPtr> &operations) {
  json.BeginArray("operations");
  for (const OperationPtr &operation : operations)
    WriteOperation(json, *operation);
  json.EndArray();
}

void WriteRoles(JsonWriter &json, const Branch &branch, bool with_passwords) {
  json.BeginArray("roles");
  for (const Role &role : branch.roles)
    WriteRole(json, branch, role, with_passwords);
  json.EndArray();
}

void WriteDatabases(JsonWriter &json, const Branch &branch) {
  json.BeginArray("databases");
  for (const Database &database : branch.databases)
    WriteDatabase(json, branch, database);
  json.EndArray();
}

std::vector<OperationPtr> OperationsOf(const std::vector<Step> &steps) {
  std::vector<OperationPtr> operations;
  operations.reserve(steps.size());
  for (const Step &step : steps)
    operations.push_back(step.operation);
  return operations;
}

Response ErrorResponse(const ApiError &error) {
  JsonWriter json;
  json.BeginObject();
  json.Field("code", error.code);
  json.Field("message", error.message);
  json.EndObject();
  return Answer(json, error.status);
}

Response Answer(JsonWriter &json, int status) {
  Response response;
  response.status = status;
  response.body = json.Take();
  return response;
}

}  // namespace agent_branch::emulator
