// The changes that FakeNeon knows.
#include <algorithm>

#include "tests/unit/core/fake_neon.hpp"
#include "worker/core/base/timestamp.hpp"

namespace agent_branch {

bool FakeNeon::Locked() const {
  return std::any_of(operations_.begin(), operations_.end(),
                     [this](const auto &operation) { return operation.ends_at > clock_->Now(); });
}

bool FakeNeon::HasChildren(const std::string &id) const {
  return std::any_of(branches.begin(), branches.end(),
                     [&](const auto &branch) { return branch.second.parent_id == id; });
}

std::string FakeNeon::OperationJson(const FakeOperation &operation) const {
  bool ended = operation.ends_at <= clock_->Now();
  return "{" + JsonText("id", operation.id) + "," + JsonText("branch_id", operation.branch_id) +
         "," + JsonText("action", operation.action) + "," +
         JsonText("status", ended ? operation.end_status : "running") + "}";
}

std::string FakeNeon::Operation(const std::string &branch_id) {
  FakeOperation operation;
  operation.id = "op-" + std::to_string(operations_.size() + 1);
  operation.branch_id = branch_id;
  operation.end_status = std::exchange(next_operation_status, "finished");
  operation.action = std::exchange(next_operation_action, "some_action");
  operation.ends_at = clock_->Now() + operation_time;
  operations_.push_back(operation);
  return "\"operations\":[" + OperationJson(operation) + "]";
}

HttpResponse FakeNeon::ListOperations() {
  std::string list;
  for (auto operation = operations_.rbegin(); operation != operations_.rend(); ++operation)
    list += (list.empty() ? "" : ",") + OperationJson(*operation);
  return Answered(200, "{\"operations\":[" + list + "]}");
}

HttpResponse FakeNeon::Change(const FakeCall &call) {
  if (Locked()) return Refused(423, "project already has running conflicting operations");
  if (call.path == "/branches") return Create(call);
  if (call.path.rfind("/endpoints/", 0) == 0) {
    // "/endpoints/ep-br-1/start"
    const std::string name = call.path.substr(std::string("/endpoints/ep-").size());
    const size_t end = name.find('/');
    if (name.substr(end) == "/start" && failing_starts > 0) {
      --failing_starts;
      next_operation_status = "failed";
      next_operation_action = "start_compute";
    } else if (name.substr(end) == "/start") {
      asleep.erase(name.substr(0, end));
    }
    return Answered(200, "{\"endpoint\":{}," + Operation("") + "}");
  }
  std::string id = call.path.substr(std::string("/branches/").size());
  id = id.substr(0, id.find('/'));
  auto found = branches.find(id);
  if (found == branches.end()) return Refused(404, "branch not found");
  if (call.method == "DELETE") return Delete(found->second);
  if (call.method == "PATCH") return Patch(call, found->second);
  return Restore(call, found->second);
}

HttpResponse FakeNeon::Create(const FakeCall &call) {
  auto parent = branches.find(call.Of("branch", "parent_id"));
  if (parent == branches.end()) return Refused(404, "branch not found");
  if (!parent->second.expires_at.empty()) return Refused(422, "the parent expires");
  if (branches.size() >= branch_limit)
    return Refused(422, "branches limit exceeded", "BRANCHES_LIMIT_EXCEEDED");
  FakeBranch branch;
  branch.name = call.Of("branch", "name");
  if (Named(branch.name) != nullptr) return Refused(409, "branch already exists");
  branch.id = "br-" + std::to_string(next_branch_++);
  branch.parent_id = parent->first;
  branch.expires_at = call.Of("branch", "expires_at");
  branch.data = parent->second.data;
  branch.roles = parent->second.roles;
  const JsonValue *annotation = JsonMember(&call.body, "annotation_value");
  for (const auto &member : annotation->GetObject())
    branch.annotation[member.name.GetString()] = member.value.GetString();
  branches[branch.id] = branch;
  std::string uris;
  if (!omit_uris) {
    uris = ",\"connection_uris\":[{" + JsonText("connection_uri", FakeUri(branch.id, false)) +
           ",\"connection_parameters\":{" + JsonText("database", "shop") + "," +
           JsonText("role", "owner") + "," + JsonText("host", "ep-" + branch.id + ".test") + "," +
           JsonText("pooler_host", "ep-" + branch.id + "-pooler.test") + "}}]";
  }
  return Answered(201, "{\"branch\":" + BranchJson(branch) + ",\"endpoints\":[{" +
                           JsonText("type", "read_write") + "," +
                           JsonText("id", "ep-" + branch.id) + "}]," + Operation(branch.id) + uris +
                           "}");
}

HttpResponse FakeNeon::Restore(const FakeCall &call, FakeBranch &target) {
  auto source = branches.find(JsonString(&call.body, "source_branch_id"));
  std::string backup_name = JsonString(&call.body, "preserve_under_name");
  if (source == branches.end()) return Refused(404, "branch not found");
  if (target.is_protected) return Refused(422, "cannot reset protected branch");
  if (!source->second.expires_at.empty()) return Refused(422, "the source expires");
  if (Named(backup_name) != nullptr) return Refused(409, "branch already exists");
  if (branches.size() >= branch_limit)
    return Refused(422, "branches limit exceeded", "BRANCHES_LIMIT_EXCEEDED");
  FakeBranch backup = target;
  backup.id = "br-" + std::to_string(next_branch_++);
  backup.name = backup_name;
  for (auto &[id, branch] : branches) {
    if (branch.parent_id == target.id) branch.parent_id = backup.id;
  }
  branches[backup.id] = backup;
  if (restores_fail) {
    next_operation_status = "failed";
  } else {
    target.data = source->second.data;
    target.roles = source->second.roles;
    target.last_reset_at = FormatTimestamp(clock_->UnixTime());
    if (!flat) target.parent_id = source->first;
  }
  return Answered(200, "{\"branch\":" + BranchJson(target) + "," + Operation(target.id) + "}");
}

HttpResponse FakeNeon::Patch(const FakeCall &call, FakeBranch &branch) {
  const JsonValue *fields = JsonMember(&call.body, "branch");
  if (const JsonValue *expiry = JsonMember(fields, "expires_at")) {
    if (!expiry->IsNull() && HasChildren(branch.id)) return Refused(422, "it has children");
    branch.expires_at = expiry->IsNull() ? "" : expiry->GetString();
  }
  std::string name = JsonString(fields, "name");
  if (!name.empty() && Named(name) != nullptr) return Refused(409, "branch already exists");
  if (!name.empty()) branch.name = name;
  return Answered(200, "{\"branch\":" + BranchJson(branch) + ",\"operations\":[]}");
}

HttpResponse FakeNeon::Delete(FakeBranch &branch) {
  if (branch.is_protected) return Refused(422, "cannot delete protected branch");
  if (branch.is_default || HasChildren(branch.id)) return Refused(422, "it has children");
  const bool fails = next_operation_status == "failed";
  std::string answer = "{\"branch\":" + BranchJson(branch) + "," + Operation(branch.id) + "}";
  if (!fails) branches.erase(branch.id);
  return Answered(200, answer);
}

}  // namespace agent_branch
