#include "emulator/handlers.hpp"
#include "emulator/render.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {
namespace {

struct Change {
  std::string name;
  std::optional<bool> is_protected;
  bool sets_expiry = false;
  std::optional<Microseconds> expires_at;  // with sets_expiry: nothing clears it
};

Change ReadChange(const Call &call) {
  rapidjson::Document document = ParseBody(call);
  ObjectReader body(document, "", {"branch"});
  const rapidjson::Value *value = body.Find("branch");
  if (value == nullptr) body.RejectMissing("branch");
  ObjectReader branch(*value, "branch", {"name", "protected", "expires_at"});
  Change change;
  change.name = NameField(branch, "name", 256);
  change.is_protected = branch.Bool("protected");
  change.sets_expiry = branch.Has("expires_at");
  if (!branch.IsNull("expires_at")) change.expires_at = ExpiryField(branch);
  return change;
}

void CheckChange(Service &service, Project &project, const Branch &branch, const Change &change) {
  bool protected_after = change.is_protected.value_or(branch.is_protected);
  auto expiry_after = change.sets_expiry ? change.expires_at : branch.expires_at;
  if (expiry_after && protected_after) {
    throw ApiError(422, "a protected branch cannot have an expiration time");
  }
  if (change.expires_at && (branch.is_default || branch.is_pinned)) {
    throw ApiError(422, "the default branch cannot have an expiration time");
  }
  if (change.expires_at && branch.children > 0) {
    throw ApiError(422, "a branch with children cannot have an expiration time");
  }
  if (protected_after && !branch.is_protected) service.RequireProtectedSlot(project);
  if (!change.name.empty() && change.name != branch.name) {
    service.RequireFreeName(project, change.name);
  }
  service.RequireUnlocked(project, {branch.id});
  service.RequireReady(branch);
}

Response BranchAnswer(const Project &project, const Branch &branch) {
  JsonWriter json;
  json.BeginObject();
  json.Key("branch");
  WriteBranch(json, project, branch);
  WriteOperations(json, {});
  json.EndObject();
  return Answer(json);
}

}  // namespace

Response UpdateBranch(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  Change change = ReadChange(call);
  CheckChange(service, project, branch, change);
  if (!change.name.empty()) project.RenameBranch(branch, change.name);
  if (change.is_protected) branch.is_protected = *change.is_protected;
  branch.updated_at = Now();
  if (change.sets_expiry) {
    branch.expires_at = change.expires_at;
    branch.ttl_seconds =
        change.expires_at ? (*change.expires_at - Now() + kSecond - 1) / kSecond : 0;
    service.WatchExpiry(project.id, branch);
  }
  return BranchAnswer(project, branch);
}

Response SetDefaultBranch(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  if (branch.expires_at) {
    throw ApiError(422, "a branch with an expiration time cannot become the default branch");
  }
  service.RequireUnlocked(project, {branch.id});
  service.RequireReady(branch);
  project.SetDefaultBranch(branch);
  branch.updated_at = Now();
  return BranchAnswer(project, branch);
}

Response DeleteBranch(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch *branch = nullptr;
  try {
    branch = &service.RequireBranch(project, call.arguments[1]);
  } catch (const ApiError &error) {
    if (error.message != "branch not found") throw;
    Response gone;
    gone.status = 204;
    return gone;
  }
  if (branch->is_default) throw ApiError(422, "cannot delete the default branch");
  if (branch->is_pinned) throw ApiError(422, "cannot delete the root branch of the project");
  if (branch->is_protected) throw ApiError(422, "cannot delete protected branch");
  if (branch->children > 0) throw ApiError(422, "cannot delete branch that has children");
  service.RequireUnlocked(project, {branch->id});
  // One whose creation failed stays in `init` for good; nothing runs on it, so it may go.
  bool busy = false;
  for (const OperationPtr &operation : project.running()) {
    busy = busy || operation->branch_id == branch->id;
  }
  if (busy) service.RequireReady(*branch);

  auto steps = service.DeleteSteps(project, *branch);
  std::vector<OperationPtr> operations = OperationsOf(steps);
  JsonWriter json;
  json.BeginObject();
  json.Key("branch");
  WriteBranch(json, project, *branch);
  service.operations.Run(std::move(steps), call.fate);
  WriteOperations(json, operations);
  json.EndObject();
  return Answer(json);
}

}  // namespace agent_branch::emulator
