// The bodies of the model's answers, in the shapes of Neon's API reference.
#include <set>

#include "tests/simulation/model_neon.hpp"
#include "worker/core/base/timestamp.hpp"

namespace agent_branch::simulation {
namespace {

// Names are made by the simulation and need no escaping.
void Add(std::string &json, const char *name, std::string_view value) {
  if (json.back() != '{') json += ',';
  json += '"';
  json += name;
  json += "\":\"";
  json += value;
  json += '"';
}

void AddTime(std::string &json, const char *name, int64_t time) {
  if (time != 0) Add(json, name, FormatTimestamp(time));
}

const char *StateText(ModelBranch::State state) {
  switch (state) {
    case ModelBranch::State::kInit:
      return "init";
    case ModelBranch::State::kResetting:
      return "resetting";
    case ModelBranch::State::kReady:
      break;
  }
  return "ready";
}

}  // namespace

std::string BranchJson(const ModelProject &project, const ModelBranch &branch) {
  std::string json = "{";
  Add(json, "id", branch.id);
  Add(json, "project_id", project.id);
  if (!branch.parent_id.empty()) Add(json, "parent_id", branch.parent_id);
  Add(json, "name", branch.name);
  Add(json, "current_state", StateText(branch.state));
  AddTime(json, "created_at", branch.created_at);
  AddTime(json, "expires_at", branch.expires_at);
  AddTime(json, "last_reset_at", branch.last_reset_at);
  json += branch.is_default ? ",\"default\":true" : ",\"default\":false";
  json += branch.is_protected ? ",\"protected\":true}" : ",\"protected\":false}";
  return json;
}

std::string AnnotationJson(const ModelBranch &branch) {
  std::string json = "{\"object\":{\"type\":\"console/branch\"},\"value\":{";
  for (const auto &[key, value] : branch.annotation)
    Add(json, key.c_str(), value);
  return json + "}}";
}

std::string OperationJson(const ModelProject &project, const ModelOperation &operation) {
  std::string json = "{";
  Add(json, "id", operation.id);
  Add(json, "project_id", project.id);
  if (!operation.branch_id.empty()) Add(json, "branch_id", operation.branch_id);
  Add(json, "action", operation.action);
  Add(json, "status", operation.ended ? operation.outcome.c_str() : "running");
  return json + ",\"failures_count\":0}";
}

std::string HostOf(const ModelBranch &branch, bool pooled) {
  return "ep-" + branch.id + (pooled ? "-pooler.neon.test" : ".neon.test");
}

std::string UriOf(const ModelBranch &branch, bool pooled) {
  return "postgresql://owner:secret@" + HostOf(branch, pooled) + "/app?sslmode=require";
}

// Of what is there, in whatever order it came.
std::string Content::Fingerprint() const {
  uint64_t hash = 0xCBF29CE484222325;
  const std::set<int64_t> sorted(migrations.begin(), migrations.end());
  for (int64_t migration : sorted)
    hash = (hash ^ static_cast<uint64_t>(migration)) * 0x100000001B3;
  std::string digits;
  for (int n = 0; n < 32; ++n)
    digits += "0123456789abcdef"[(hash >> (n * 2)) & 15];
  return digits;
}

std::string Content::Objects() const {
  std::string json = R"({"fingerprint":"0.2")";
  for (int64_t migration : migrations)
    Add(json, ("table public.t" + std::to_string(migration)).c_str(), std::to_string(migration));
  return json + "}";
}

ModelNeon::Answer ModelNeon::Refuse(int status, const std::string &message,
                                    const std::string &code) const {
  Answer answer;
  answer.status = status;
  answer.body = "{\"code\":\"" + code + "\",\"message\":\"" + message + "\"}";
  return answer;
}

ModelNeon::Answer ModelNeon::Changed(ModelProject &project, const ModelBranch &branch,
                                     const std::vector<std::string> &operations, bool created) {
  Answer answer;
  answer.operations = operations;
  std::string &json = answer.body;
  json = "{\"branch\":" + BranchJson(project, branch) + ",\"operations\":[";
  for (size_t n = 0; n < operations.size(); ++n) {
    if (n > 0) json += ',';
    const size_t at = project.operations.size() - operations.size() + n;
    json += OperationJson(project, project.operations[at]);
  }
  json += "]";
  if (created) {
    json += ",\"endpoints\":[{\"id\":\"ep-" + branch.id + "\",\"type\":\"read_write\",\"host\":\"" +
            HostOf(branch, false) + "\"}]";
  }
  if (created && project.tells_uris) {
    json += ",\"connection_uris\":[{\"connection_uri\":\"" + UriOf(branch, false) +
            "\",\"connection_parameters\":{\"database\":\"app\",\"role\":\"owner\",\"host\":\"" +
            HostOf(branch, false) + "\",\"pooler_host\":\"" + HostOf(branch, true) + "\"}}]";
  }
  json += "}";
  return answer;
}

}  // namespace agent_branch::simulation
