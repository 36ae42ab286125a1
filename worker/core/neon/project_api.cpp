#include "worker/core/neon/project_api.hpp"

#include <algorithm>

#include "worker/core/base/json.hpp"

namespace agent_branch {
namespace {

// As a part of a query: everything but RFC 3986's unreserved characters is percent-encoded.
std::string Escape(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  static constexpr std::string_view kPlain = "-._~";
  std::string escaped;
  for (unsigned char byte : text) {
    const bool letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
    const bool digit = byte >= '0' && byte <= '9';
    if (letter || digit || kPlain.find(static_cast<char>(byte)) != std::string_view::npos) {
      escaped += static_cast<char>(byte);
      continue;
    }
    escaped += '%';
    escaped += kHex[byte >> 4];
    escaped += kHex[byte & 15];
  }
  return escaped;
}

Status Malformed(const char *what) {
  return Status::Error("08P01", std::string("the Neon API's answer has no ") + what,
                       "The answer is JSON, but not of the documented shape.");
}

// It becomes a part of paths: what could be no id is read as missing.
NeonProject ReadProject(const JsonValue *value) {
  constexpr size_t kLongest = 128;
  NeonProject project{JsonString(value, "id"), JsonString(value, "name")};
  const bool fit =
      project.id.size() <= kLongest && project.id != "." && project.id != ".." &&
      std::all_of(project.id.begin(), project.id.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!fit) project.id.clear();
  return project;
}

void WriteComputes(JsonWriter &writer, const ProjectSpecification &project) {
  if (project.bare_compute) return;
  writer.Key("default_endpoint_settings");
  writer.StartObject();
  writer.Key("autoscaling_limit_min_cu");
  writer.Double(project.min_cu);
  writer.Key("autoscaling_limit_max_cu");
  writer.Double(project.max_cu);
  writer.EndObject();
}

}  // namespace

NeonRequest CreateProjectRequest(const ProjectSpecification &project) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  const auto unless_empty = [&writer](const char *key, const std::string &value) {
    if (!value.empty()) WriteMember(writer, key, value);
  };
  writer.StartObject();
  writer.Key("project");
  writer.StartObject();
  WriteMember(writer, "name", project.name);
  unless_empty("region_id", project.region);
  unless_empty("org_id", project.organization);
  if (project.postgres_version != 0) {
    writer.Key("pg_version");
    writer.Int(project.postgres_version);
  }
  WriteComputes(writer, project);
  writer.Key("branch");
  writer.StartObject();
  WriteMember(writer, "name", project.branch);
  unless_empty("database_name", project.database);
  unless_empty("role_name", project.role);
  writer.Key("annotations");
  writer.StartObject();
  for (const auto &[key, value] : project.annotation)
    WriteMember(writer, key.c_str(), value);
  writer.EndObject();
  writer.EndObject();
  writer.EndObject();
  writer.EndObject();
  return {"POST", "/projects", buffer.GetString(), "POST projects"};
}

NeonRequest ListProjectsRequest(std::string_view search, std::string_view organization,
                                std::string_view cursor, int limit) {
  std::string path = "/projects?limit=" + std::to_string(limit) + "&search=" + Escape(search);
  if (!organization.empty()) path += "&org_id=" + Escape(organization);
  if (!cursor.empty()) path += "&cursor=" + Escape(cursor);
  return {"GET", std::move(path), {}, "GET projects"};
}

Result<NeonProject> ParseProject(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  NeonProject project = ReadProject(JsonMember(&document.value(), "project"));
  if (project.id.empty()) return Malformed("project");
  return project;
}

Result<NeonProjectPage> ParseProjectPage(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  const JsonValue *array = JsonArray(&document.value(), "projects");
  if (array == nullptr) return Malformed("list of projects");
  NeonProjectPage page;
  for (const JsonValue &value : array->GetArray()) {
    NeonProject project = ReadProject(&value);
    if (project.id.empty()) return Malformed("id for each project");
    page.projects.push_back(std::move(project));
  }
  page.next = JsonString(JsonMember(&document.value(), "pagination"), "cursor");
  return page;
}

}  // namespace agent_branch
