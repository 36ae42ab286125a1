#include "worker/core/base/json.hpp"
#include "worker/core/neon/neon_api.hpp"

namespace agent_branch {
namespace {

// Percent-encodes everything but RFC 3986's unreserved characters.
std::string Escape(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string escaped;
  for (unsigned char byte : text) {
    bool unreserved = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                      (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
                      byte == '~';
    if (unreserved) {
      escaped += static_cast<char>(byte);
      continue;
    }
    escaped += '%';
    escaped += kHex[byte >> 4];
    escaped += kHex[byte & 15];
  }
  return escaped;
}

std::string ProjectPath(std::string_view project) {
  return "/projects/" + Escape(project);
}

std::string BranchPath(std::string_view project, std::string_view branch_id) {
  return ProjectPath(project) + "/branches/" + Escape(branch_id);
}

NeonRequest Get(std::string path, std::string route) {
  return {"GET", std::move(path), {}, std::move(route)};
}

}  // namespace

NeonRequest CreateBranchRequest(std::string_view project, const BranchSpecification &branch) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("branch");
  writer.StartObject();
  WriteMember(writer, "parent_id", branch.parent_id);
  WriteMember(writer, "name", branch.name);
  if (!branch.expires_at.empty()) WriteMember(writer, "expires_at", branch.expires_at);
  writer.EndObject();
  if (!branch.no_compute) {
    writer.Key("endpoints");
    writer.StartArray();
    writer.StartObject();
    WriteMember(writer, "type", "read_write");
    if (!branch.bare_compute) {
      writer.Key("autoscaling_limit_min_cu");
      writer.Double(branch.min_cu);
      writer.Key("autoscaling_limit_max_cu");
      writer.Double(branch.max_cu);
    }
    writer.EndObject();
    writer.EndArray();
  }
  writer.Key("annotation_value");
  writer.StartObject();
  for (const auto &[key, value] : branch.annotation)
    WriteMember(writer, key.c_str(), value);
  writer.EndObject();
  writer.EndObject();
  return {"POST", ProjectPath(project) + "/branches", buffer.GetString(), "POST branches"};
}

NeonRequest GetBranchRequest(std::string_view project, std::string_view branch_id) {
  return Get(BranchPath(project, branch_id), "GET branch");
}

NeonRequest ListBranchesRequest(std::string_view project, std::string_view search,
                                std::string_view cursor, int limit) {
  std::string path = ProjectPath(project) + "/branches?limit=" + std::to_string(limit);
  // By the time of creation, which never changes: by the default, that of the last update, a branch
  // that changes between two pages is on neither.
  path += "&sort_by=created_at&sort_order=asc";
  if (!search.empty()) path += "&search=" + Escape(search);
  if (!cursor.empty()) path += "&cursor=" + Escape(cursor);
  return Get(std::move(path), "GET branches");
}

NeonRequest ListEndpointsRequest(std::string_view project, std::string_view branch_id) {
  return Get(BranchPath(project, branch_id) + "/endpoints", "GET branch endpoints");
}

NeonRequest SetExpiryRequest(std::string_view project, std::string_view branch_id,
                             std::string_view expires_at) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("branch");
  writer.StartObject();
  writer.Key("expires_at");
  if (expires_at.empty()) {
    writer.Null();
  } else {
    WriteString(writer, expires_at);
  }
  writer.EndObject();
  writer.EndObject();
  return {"PATCH", BranchPath(project, branch_id), buffer.GetString(), "PATCH branch"};
}

NeonRequest RenameBranchRequest(std::string_view project, std::string_view branch_id,
                                std::string_view name) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("branch");
  writer.StartObject();
  WriteMember(writer, "name", name);
  writer.EndObject();
  writer.EndObject();
  return {"PATCH", BranchPath(project, branch_id), buffer.GetString(), "PATCH branch"};
}

NeonRequest DeleteBranchRequest(std::string_view project, std::string_view branch_id) {
  return {"DELETE", BranchPath(project, branch_id), {}, "DELETE branch"};
}

NeonRequest RestoreRequest(std::string_view project, std::string_view target_id,
                           std::string_view source_id, std::string_view preserve_under_name) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  WriteMember(writer, "source_branch_id", source_id);
  WriteMember(writer, "preserve_under_name", preserve_under_name);
  writer.EndObject();
  return {"POST", BranchPath(project, target_id) + "/restore", buffer.GetString(), "POST restore"};
}

NeonRequest CreateEndpointRequest(std::string_view project, std::string_view branch_id) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("endpoint");
  writer.StartObject();
  WriteMember(writer, "branch_id", branch_id);
  WriteMember(writer, "type", "read_write");
  writer.EndObject();
  writer.EndObject();
  return {"POST", ProjectPath(project) + "/endpoints", buffer.GetString(), "POST endpoints"};
}

NeonRequest StartEndpointRequest(std::string_view project, std::string_view endpoint_id) {
  return {"POST",
          ProjectPath(project) + "/endpoints/" + Escape(endpoint_id) + "/start",
          {},
          "POST start"};
}

NeonRequest SuspendEndpointRequest(std::string_view project, std::string_view endpoint_id) {
  return {"POST",
          ProjectPath(project) + "/endpoints/" + Escape(endpoint_id) + "/suspend",
          {},
          "POST suspend"};
}

NeonRequest ConnectionUriRequest(std::string_view project, std::string_view branch_id,
                                 std::string_view database, std::string_view role, bool pooled) {
  // Without branch_id the API answers with the default branch: somebody's production.
  std::string path = ProjectPath(project) + "/connection_uri?branch_id=" + Escape(branch_id) +
                     "&database_name=" + Escape(database) + "&role_name=" + Escape(role);
  if (pooled) path += "&pooled=true";
  return Get(std::move(path), "GET connection_uri");
}

NeonRequest ListOperationsRequest(std::string_view project, std::string_view cursor, int limit) {
  std::string path = ProjectPath(project) + "/operations?limit=" + std::to_string(limit);
  if (!cursor.empty()) path += "&cursor=" + Escape(cursor);
  return Get(std::move(path), "GET operations");
}

NeonRequest GetOperationRequest(std::string_view project, std::string_view operation_id) {
  return Get(ProjectPath(project) + "/operations/" + Escape(operation_id), "GET operation");
}

}  // namespace agent_branch
