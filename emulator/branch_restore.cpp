// Restore: the target keeps its id, name and endpoints and gets the source's data.
//
// Which branch the target hangs under afterwards is the question Neon does not document for every
// case. `lineage`: under the source (under the backup when it was restored from itself), as
// storage forks. `flat`: where it was. Roots stay roots in both.
#include <memory>

#include "emulator/handlers.hpp"
#include "emulator/render.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {
namespace {

struct RestoreWish {
  std::string source_id;
  std::string source_lsn;
  std::optional<Microseconds> source_timestamp;
  std::string preserve_under_name;

  bool AtHead() const { return source_lsn.empty() && !source_timestamp; }
};

// What an operation that fails puts back: the restore then never happened.
struct Before {
  std::string parent_id;
  std::string parent_lsn;
  std::optional<Microseconds> parent_timestamp;
  std::string timeline;
  std::optional<Microseconds> last_reset_at;
  std::optional<Microseconds> expires_at;
  std::vector<Role> roles;
  std::vector<Database> databases;
  std::string backup_id;
  std::vector<std::string> moved_children;
};

RestoreWish ReadWish(const Call &call) {
  rapidjson::Document document = ParseBody(call);
  ObjectReader body(document, "",
                    {"source_branch_id", "source_lsn", "source_timestamp", "preserve_under_name"});
  RestoreWish wish;
  auto source_id = body.Text("source_branch_id");
  if (!source_id) body.RejectMissing("source_branch_id");
  wish.source_id = *source_id;
  wish.source_lsn = body.Text("source_lsn").value_or("");
  wish.source_timestamp = TimeField(body, "source_timestamp");
  wish.preserve_under_name = NameField(body, "preserve_under_name", 256);
  if (!wish.source_lsn.empty() && wish.source_timestamp) {
    throw ApiError(400, "source_lsn and source_timestamp are mutually exclusive");
  }
  if (wish.source_timestamp && *wish.source_timestamp > Now()) {
    throw ApiError(400, "source_timestamp must not be in the future");
  }
  return wish;
}

void CheckWish(Service &service, Project &project, const Branch &target, const Branch &source,
               const RestoreWish &wish) {
  bool preserve = !wish.preserve_under_name.empty();
  if (target.is_protected) throw ApiError(422, "cannot reset protected branch");
  if (&source == &target && (wish.AtHead() || !preserve)) {
    throw ApiError(422,
                   "restoring a branch to itself needs source_lsn or source_timestamp, and "
                   "preserve_under_name");
  }
  if (target.children > 0 && !preserve) {
    throw ApiError(422, "preserve_under_name is required: the branch has children");
  }
  if (source.expires_at && !service.options.allow_restore_from_expiring) {
    throw ApiError(422, "cannot restore from a branch that has an expiration time");
  }
  if (service.engine.KeepsData() && !wish.AtHead()) {
    throw ApiError(422, "engine postgres of neon-emulator keeps no history, only branches' heads");
  }
  if (preserve) {
    service.RequireBranchSlot(project, target.parent_id.empty());
    service.RequireFreeName(project, wish.preserve_under_name);
  }
  service.RequireUnlocked(project, {target.id, source.id});
  service.RequireReady(target);
  service.RequireReady(source);
}

std::string AddBackup(Service &service, Project &project, const Branch &target, bool pinned,
                      const Call &call, const std::string &name) {
  Branch backup = service.MakeBranch(project, nullptr, name);
  backup.parent_id = target.parent_id;
  backup.parent_lsn = target.parent_lsn;
  backup.roles = target.roles;
  backup.databases = target.databases;
  backup.timeline = target.timeline;
  backup.current_state = "ready";
  backup.pending_state.clear();
  backup.is_pinned = pinned;
  backup.hidden_gets = call.hide_created ? 1 : 0;
  return project.AddBranch(std::move(backup)).id;
}

// Roles come with the data. From a protected source only those the target has no password for.
std::vector<std::pair<std::string, std::string>> TakeRoles(Branch &target, const Branch &source) {
  std::vector<std::pair<std::string, std::string>> kept;
  std::vector<Role> roles = source.roles;
  for (Role &role : roles) {
    const Role *own = source.is_protected ? target.FindRole(role.name) : nullptr;
    if (own == nullptr || own->password == role.password) continue;
    role.password = own->password;
    kept.emplace_back(role.name, role.password);
  }
  target.roles = std::move(roles);
  target.databases = source.databases;
  return kept;
}

void MoveChildren(Project &project, const std::string &from_id, const std::string &to_id,
                  std::vector<std::string> *moved) {
  for (auto &[id, child] : project.branches()) {
    if (child.parent_id != from_id || id == to_id) continue;
    moved->push_back(id);
    project.SetParent(child, to_id);
  }
}

void Undo(Service &service, const std::string &project_id, const std::string &target_id,
          const Before &before) {
  Project &project = service.projects[project_id];
  Branch *target = project.FindAnyBranch(target_id);
  if (target == nullptr) return;
  service.engine.Drop(target->timeline, [](const std::string &) {});
  for (const std::string &child_id : before.moved_children) {
    if (Branch *child = project.FindAnyBranch(child_id)) project.SetParent(*child, target_id);
  }
  if (!before.backup_id.empty()) project.EraseBranch(before.backup_id);
  project.SetParent(*target, before.parent_id);
  target->parent_lsn = before.parent_lsn;
  target->parent_timestamp = before.parent_timestamp;
  target->timeline = before.timeline;
  target->last_reset_at = before.last_reset_at;
  target->expires_at = before.expires_at;
  target->roles = before.roles;
  target->databases = before.databases;
  target->current_state = "ready";
  target->pending_state.clear();
}

Step DataStep(Service &service, Project &project, const Branch &target, const Branch &source,
              ForkRequest fork) {
  Step step;
  step.operation = service.NewOperation(project, "create_timeline", target.id);
  step.operation->other_branch_id = source.id;
  step.work = [&service, fork = std::move(fork)](Engine::Done done) {
    service.engine.Fork(fork, std::move(done));
  };
  return step;
}

// The old compute goes only once the copy is complete: who connects in between sees the old data.
std::vector<Step> RestoreSteps(Service &service, Project &project, Branch &target,
                               const Branch &source, const Before &before, ForkRequest fork) {
  std::vector<Step> steps;
  steps.push_back(DataStep(service, project, target, source, std::move(fork)));
  for (const std::string &endpoint_id : target.endpoint_ids) {
    Endpoint &endpoint = *project.FindEndpoint(endpoint_id);
    if (endpoint.current_state != "active") continue;
    steps.push_back(service.SuspendStep(project, endpoint, before.timeline));
    // The endpoint waits for its new compute without waking anything by itself.
    auto settle = std::move(steps.back().succeeded);
    steps.back().succeeded = [&service, settle, endpoint_id] {
      settle();
      service.engine.RefuseEndpoint(endpoint_id);
    };
    steps.push_back(service.StartStep(project, endpoint));
  }
  if (target.parent_id.empty() && &source != &target) {
    Step detach;
    detach.operation = service.NewOperation(project, "detach_parent_branch", target.id);
    steps.push_back(std::move(detach));
  }
  bool keep_old = !before.backup_id.empty();
  auto last = std::move(steps.back().succeeded);
  steps.back().succeeded = [&service, last, keep_old, old_timeline = before.timeline,
                            project_id = project.id, target_id = target.id] {
    if (last) last();
    if (!keep_old) service.engine.Drop(old_timeline, [](const std::string &) {});
    service.BranchRestored(project_id, target_id);
  };
  auto undone = std::make_shared<bool>(false);
  for (Step &step : steps) {
    auto failed = std::move(step.failed);
    step.failed = [&service, failed, undone, before, project_id = project.id,
                   target_id = target.id] {
      if (failed) failed();
      if (!*undone) Undo(service, project_id, target_id, before);
      *undone = true;
    };
  }
  return steps;
}

Before Change(Service &service, Project &project, Branch &target, Branch &source,
              const RestoreWish &wish, const Call &call, ForkRequest *fork) {
  Before before{target.parent_id,
                target.parent_lsn,
                target.parent_timestamp,
                target.timeline,
                target.last_reset_at,
                target.expires_at,
                target.roles,
                target.databases,
                "",
                {}};
  bool root = target.parent_id.empty();
  bool itself = &source == &target;
  fork->source = source.timeline;
  fork->passwords = TakeRoles(target, source);
  if (!wish.preserve_under_name.empty()) {
    before.backup_id =
        AddBackup(service, project, target, root && !itself, call, wish.preserve_under_name);
    MoveChildren(project, target.id, before.backup_id, &before.moved_children);
  }
  if (!root && itself) project.SetParent(target, before.backup_id);
  if (!root && !itself && service.options.topology == "lineage") {
    project.SetParent(target, source.id);
  }
  target.timeline = fork->target = service.NewTimeline();
  target.parent_lsn = wish.source_lsn.empty() ? service.NextLsn() : wish.source_lsn;
  target.parent_timestamp = wish.source_timestamp;
  target.current_state = "resetting";
  target.pending_state = "ready";
  target.last_reset_at = target.state_changed_at = target.updated_at = Now();
  service.ResetLifetime(project, target);
  return before;
}

}  // namespace

Response RestoreBranch(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &target = service.RequireBranch(project, call.arguments[1]);
  RestoreWish wish = ReadWish(call);
  Branch &source = service.RequireBranch(project, wish.source_id);
  CheckWish(service, project, target, source, wish);

  ForkRequest fork;
  Before before = Change(service, project, target, source, wish, call, &fork);
  auto steps = RestoreSteps(service, project, target, source, before, std::move(fork));
  std::vector<OperationPtr> operations = OperationsOf(steps);
  service.operations.Run(std::move(steps), call.fate);

  JsonWriter json;
  json.BeginObject();
  json.Key("branch");
  WriteBranch(json, project, target);
  WriteOperations(json, operations);
  json.EndObject();
  return Answer(json);
}

}  // namespace agent_branch::emulator
