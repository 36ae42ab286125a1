// What the model does for each request, in the order in which it refuses.
#include <algorithm>
#include <utility>

#include "tests/simulation/model_neon.hpp"
#include "tests/simulation/trials.hpp"
#include "worker/core/base/timestamp.hpp"

namespace agent_branch::simulation {
namespace {

constexpr std::string_view kPrefix = "https://neon.test/api/v2/projects/";
constexpr const char *kInstallationKey = "agent-branch-installation";
constexpr const char *kSessionKey = "agent-branch-session";

std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t n = 0; n < text.size(); ++n) {
    if (text[n] == '%' && n + 2 < text.size()) {
      plain += static_cast<char>(std::stoi(std::string(text.substr(n + 1, 2)), nullptr, 16));
      n += 2;
    } else {
      plain += text[n];
    }
  }
  return plain;
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    size_t end = text.find(separator);
    parts.push_back(Unescape(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parts;
}

}  // namespace

std::string KeyOf(const HttpRequest &request) {
  constexpr std::string_view kBearer = "Bearer ";
  for (const auto &[name, value] : request.headers) {
    if (name == "Authorization") return std::string(value.Reveal().substr(kBearer.size()));
  }
  return {};
}

ModelNeon::Answer ModelNeon::Handle(const HttpRequest &request, bool on_time, Instant sent_at) {
  Settle();
  ++requests_;
  std::string_view url = request.url;
  if (url.substr(0, kPrefix.size()) != kPrefix) return Refuse(404, "this route does not exist");
  url.remove_prefix(kPrefix.size());
  Call call;
  call.method = request.method;
  call.on_time = on_time;
  call.sent_at = sent_at;
  size_t question = url.find('?');
  if (question != std::string_view::npos) {
    std::string_view query = url.substr(question + 1);
    while (!query.empty()) {
      std::string_view one = query.substr(0, query.find('&'));
      size_t equals = one.find('=');
      call.query[std::string(one.substr(0, equals))] = Unescape(one.substr(equals + 1));
      query.remove_prefix(std::min(query.size(), one.size() + 1));
    }
    url = url.substr(0, question);
  }
  call.path = Split(url, '/');
  auto project = projects.find(call.path.empty() ? "" : call.path[0]);
  if (project == projects.end()) return Refuse(404, "project not found");
  call.project = &project->second;
  ++call.project->requests;
  if (KeyOf(request) != call.project->key) {
    return Refuse(401, "supplied credentials do not pass authentication");
  }
  if (call.project->forbidden) return Refuse(403, "you are not allowed to do this");
  if (!call.project->in_scope) {
    return Refuse(404, "not allowed to perform actions outside the project this key is scoped to");
  }
  if (!request.body.empty()) {
    Result<JsonDocument> body = ParseJson(request.body);
    if (!body.ok()) return Refuse(400, "invalid request: decode application/json");
    call.body = std::move(body.value());
  }
  return Route(call);
}

ModelNeon::Answer ModelNeon::Route(Call &call) {
  const auto &path = call.path;
  bool reads = call.method == "GET";
  if (path.size() == 1 && reads) {
    Answer answer;
    answer.body = "{\"project\":{\"id\":\"" + call.project->id + "\"}}";
    return answer;
  }
  if (path.size() < 2) return Refuse(404, "this route does not exist");
  if (path[1] == "connection_uri" && reads) return ConnectionUri(call);
  if (path[1] == "operations" && reads) {
    return path.size() == 2 ? ListOperations(call) : ReadOperation(call);
  }
  if (path[1] == "branches") return RouteBranch(call);
  if (path.size() == 4 && path[1] == "endpoints" && path[3] == "suspend") return Suspend(call);
  if (path.size() == 4 && path[1] == "endpoints" && path[3] == "start") return StartEndpoint(call);
  return Refuse(404, "this route does not exist");
}

ModelNeon::Answer ModelNeon::RouteBranch(Call &call) {
  const auto &path = call.path;
  if (path.size() == 2) {
    if (call.method == "GET") return List(call);
    if (call.method == "POST") return Create(call);
  } else if (path.size() == 3) {
    if (call.method == "GET") return Read(call);
    if (call.method == "PATCH") return Patch(call);
    if (call.method == "DELETE") return Delete(call);
  } else if (path[3] == "endpoints" && call.method == "GET") {
    return ListEndpoints(call);
  } else if (path[3] == "restore" && call.method == "POST") {
    return Restore(call);
  }
  return Refuse(404, "this route does not exist");
}

std::optional<ModelNeon::Answer> ModelNeon::Locked(const Call &call) const {
  const ModelProject &project = *call.project;
  if (!project.busy()) return std::nullopt;
  return Refuse(423,
                "project already has running conflicting operations, scheduling of new ones is "
                "prohibited");
}

ModelNeon::Answer ModelNeon::Create(Call &call) {
  const JsonValue *wanted = JsonMember(&call.body, "branch");
  std::string name = JsonString(wanted, "name");
  ModelBranch *parent = call.project->Find(JsonString(wanted, "parent_id"));
  if (parent == nullptr) return Refuse(404, "branch not found");
  if (auto refusal = RefuseCreate(call, name, parent)) return *refusal;
  ModelBranch &branch = AddBranch(*call.project, name, parent->id, ModelBranch::Maker::kWorker);
  branch.state = ModelBranch::State::kInit;
  branch.is_awake = true;
  branch.made_late = !call.on_time;
  // Whoever wants the name next finds it taken by a session that has ended.
  if (branch.made_late) harms->Note(Harm::kNameTaken, call.project->id + " " + name);
  branch.expires_at = ParseTimestamp(JsonString(wanted, "expires_at"));
  const JsonValue *annotation = JsonMember(&call.body, "annotation_value");
  branch.annotation[kInstallationKey] = JsonString(annotation, kInstallationKey);
  branch.session_uuid = JsonString(annotation, kSessionKey);
  // A backup is no session's, and has no compute.
  const bool backup = branch.session_uuid.empty();
  branch.is_awake = !backup;
  if (!backup) harms->NoteFork(branch.session_uuid, clock_->Now());
  branch.annotation[kSessionKey] = branch.session_uuid;
  for (const auto &[id, other] : call.project->branches) {
    bool same = !backup && id != branch.id && other.ours() &&
                other.session_uuid == branch.session_uuid && !other.renamed;
    // One that comes late may find the name free again; then its session has ended long ago.
    if (same && call.on_time) {
      witness_->Violation("a session has two branches: " + id + " and " + branch.id);
    }
  }
  if (call.on_time) JudgeComputes(*call.project);
  std::vector<std::string> operations;
  ModelOperation &made =
      AddOperation(*call.project, branch.id, "create_branch", chance_->Delay(500, 1'500));
  made.effect = ModelOperation::Effect::kReady;
  operations.push_back(made.id);
  operations.push_back(
      AddOperation(*call.project, branch.id, "start_compute", chance_->Delay(100, 2'000)).id);
  Answer answer = Changed(*call.project, branch, operations, true);
  answer.status = 201;
  return answer;
}

std::optional<ModelNeon::Answer> ModelNeon::RefuseCreate(Call &call, const std::string &name,
                                                         ModelBranch *parent) {
  ModelProject &project = *call.project;
  auto locked = options.lock_first ? Locked(call) : std::nullopt;
  if (locked) return locked;
  const JsonValue *endpoints = JsonArray(&call.body, "endpoints");
  bool tuned = endpoints != nullptr && !endpoints->Empty() &&
               JsonNumber(&(*endpoints)[0], "autoscaling_limit_min_cu");
  if (project.bare_only && tuned) return Refuse(412, "any explicit value is rejected");
  if (parent->expires_at != 0) return Refuse(422, "the parent branch expires");
  int64_t expires_at = ParseTimestamp(JsonString(JsonMember(&call.body, "branch"), "expires_at"));
  if (expires_at != 0 && expires_at <= clock_->TrueUnixTime()) {
    return Refuse(400, "expires_at must be in the future");
  }
  if (static_cast<int>(project.branches.size()) >= project.branch_limit) {
    return Refuse(422, "branches limit exceeded", "BRANCHES_LIMIT_EXCEEDED");
  }
  if (project.FindByName(name) != nullptr) {
    return Refuse(409, "branch already exists; branch_name:" + name);
  }
  if (auto busy = Locked(call)) return busy;
  if (parent->state != ModelBranch::State::kReady) return Refuse(422, "branch not ready yet");
  return std::nullopt;
}

ModelNeon::Answer ModelNeon::Read(Call &call) {
  const ModelBranch *branch = call.project->Find(call.path[2]);
  if (branch == nullptr || branch->listed_at > clock_->Now()) {
    return Refuse(404, "branch not found");
  }
  Answer answer;
  answer.body = "{\"branch\":" + BranchJson(*call.project, *branch);
  if (!branch->annotation.empty()) answer.body += ",\"annotation\":" + AnnotationJson(*branch);
  answer.body += "}";
  return answer;
}

// In the order that was asked for; Neon's own begins with what was changed last, so that a branch
// that changes while its pages are read may be on none of them.
std::vector<const ModelBranch *> ModelNeon::Listed(Call &call) const {
  const std::string &search = call.query["search"];
  std::vector<const ModelBranch *> listed;
  for (const auto &[id, branch] : call.project->branches) {
    bool found = branch.name.find(search) != std::string::npos ||
                 branch.id.find(search) != std::string::npos;
    if (found && branch.listed_at <= clock_->Now()) listed.push_back(&branch);
  }
  // Ids count up, so they are in the order in which the branches were made.
  if (call.query["sort_by"] == "created_at" || !IsOn(Trial::kListOrder)) {
    if (call.query["sort_order"] == "desc") std::reverse(listed.begin(), listed.end());
    return listed;
  }
  std::sort(listed.begin(), listed.end(),
            [](const ModelBranch *a, const ModelBranch *b) { return a->updated > b->updated; });
  if (call.query["sort_order"] == "asc") std::reverse(listed.begin(), listed.end());
  return listed;
}

ModelNeon::Answer ModelNeon::List(Call &call) {
  const std::string &cursor = call.query["cursor"];
  const size_t limit =
      static_cast<size_t>(std::min(call.project->page_size, std::stoi("0" + call.query["limit"])));
  const std::vector<const ModelBranch *> listed = Listed(call);
  // A cursor is a place in the list as it was then, and the branch that stood there.
  const bool endless = call.project->lists_endless;
  size_t at = cursor.empty() || endless ? 0 : static_cast<size_t>(std::stoi(cursor));
  const bool by_id = call.query["sort_by"] == "created_at" || !IsOn(Trial::kListOrder);
  if (!cursor.empty() && !endless && by_id) {
    const std::string last = cursor.substr(cursor.find(' ') + 1);
    at = 0;
    while (at < listed.size() && listed[at]->id <= last)
      ++at;
  }
  std::string branches;
  std::string annotations;
  size_t count = 0;
  for (; at < listed.size() && count < limit; ++at) {
    const ModelBranch &branch = *listed[at];
    if (count++ > 0) branches += ',';
    branches += BranchJson(*call.project, branch);
    if (branch.annotation.empty() || !options.lists_annotations) continue;
    if (!annotations.empty()) annotations += ',';
    annotations += "\"" + branch.id + "\":" + AnnotationJson(branch);
  }
  Answer answer;
  answer.body = "{\"branches\":[" + branches + "],\"annotations\":{" + annotations + "}";
  std::string next;
  if (count > 0 && (at < listed.size() || call.project->next_on_last_page))
    next = std::to_string(at) + " " + listed[at - 1]->id;
  if (endless) next = cursor == "tick" ? "tock" : "tick";
  if (!next.empty()) answer.body += ",\"pagination\":{\"next\":\"" + next + "\"}";
  answer.body += "}";
  return answer;
}

ModelNeon::Answer ModelNeon::ListEndpoints(Call &call) {
  const ModelBranch *branch = call.project->Find(call.path[2]);
  if (branch == nullptr) return Refuse(404, "branch not found");
  Answer answer;
  answer.body = "{\"endpoints\":[";
  if (branch->maker != ModelBranch::Maker::kBackup) {
    answer.body += "{\"id\":\"ep-" + branch->id + "\",\"type\":\"read_write\"}";
  }
  answer.body += "]}";
  return answer;
}

void ModelNeon::JudgeComputes(const ModelProject &project) {
  // That of the parent is one, unless with that nobody could ever begin.
  int64_t awake = active_computes > 1 ? 1 : 0;
  awake += std::count_if(project.branches.begin(), project.branches.end(), [](const auto &one) {
    // That of a branch which others made their own is theirs.
    return one.second.is_awake && !one.second.made_late && !one.second.disowned_at;
  });
  if (awake <= active_computes) return;
  witness_->Violation(std::to_string(awake) + " computes are active, and the limit is " +
                      std::to_string(active_computes));
}

ModelNeon::Answer ModelNeon::Suspend(Call &call) {
  const std::string &id = call.path[2];
  ModelBranch *branch = id.rfind("ep-", 0) == 0 ? call.project->Find(id.substr(3)) : nullptr;
  if (branch == nullptr) return Refuse(404, "endpoint not found");
  if (branch->maker != ModelBranch::Maker::kWorker) {
    witness_->Violation("the compute of " + branch->id + ", which is not ours, was suspended");
  }
  if (auto locked = Locked(call)) return *locked;
  branch->is_awake = false;
  std::vector<std::string> operations;
  operations.push_back(
      AddOperation(*call.project, branch->id, "suspend_compute", chance_->Delay(100, 500)).id);
  return Changed(*call.project, *branch, operations, false);
}

ModelNeon::Answer ModelNeon::StartEndpoint(Call &call) {
  const std::string &id = call.path[2];
  ModelBranch *branch = id.rfind("ep-", 0) == 0 ? call.project->Find(id.substr(3)) : nullptr;
  if (branch == nullptr) return Refuse(404, "endpoint not found");
  if (branch->maker != ModelBranch::Maker::kWorker) {
    witness_->Violation("the compute of " + branch->id + ", which is not ours, was started");
  }
  if (auto locked = Locked(call)) return *locked;
  branch->is_awake = true;
  std::vector<std::string> operations;
  operations.push_back(
      AddOperation(*call.project, branch->id, "start_compute", chance_->Delay(100, 500)).id);
  return Changed(*call.project, *branch, operations, false);
}

ModelNeon::Answer ModelNeon::ConnectionUri(Call &call) {
  const ModelBranch *branch = call.project->Find(call.query["branch_id"]);
  if (branch == nullptr) return Refuse(404, "branch not found");
  Answer answer;
  answer.body = "{\"uri\":\"" + UriOf(*branch, call.query["pooled"] == "true") + "\"}";
  return answer;
}

bool ModelNeon::IsForgotten(const ModelProject &project, const ModelOperation &operation) const {
  return operation.ended && operation.ends_at + project.operations_known < clock_->Now();
}

ModelNeon::Answer ModelNeon::ListOperations(Call &call) {
  const ModelProject &project = *call.project;
  size_t limit = std::min(project.operations_listed,
                          static_cast<size_t>(std::stoi("0" + call.query["limit"])));
  Answer answer;
  answer.body = "{\"operations\":[";
  size_t listed = 0;
  auto operation = project.operations.rbegin();
  for (; operation != project.operations.rend() && listed < limit; ++operation) {
    bool shown = operation->made_at + project.operations_lag <= clock_->Now();
    if (!shown || IsForgotten(project, *operation)) continue;
    if (listed++ > 0) answer.body += ',';
    answer.body += OperationJson(project, *operation);
  }
  answer.body += "]}";
  return answer;
}

ModelNeon::Answer ModelNeon::ReadOperation(Call &call) {
  for (const ModelOperation &operation : call.project->operations) {
    if (operation.id != call.path[2] || IsForgotten(*call.project, operation)) continue;
    Answer answer;
    answer.body = "{\"operation\":" + OperationJson(*call.project, operation) + "}";
    return answer;
  }
  return Refuse(404, "operation not found");
}

}  // namespace agent_branch::simulation
