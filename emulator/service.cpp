#include "emulator/service.hpp"

#include <algorithm>
#include <cstdio>

namespace agent_branch::emulator {
namespace {

bool IsId(const std::string &text) {
  return !text.empty() && text.size() <= 60 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

void RequireId(const std::string &id) {
  if (!IsId(id)) throw ApiError(404, "this route does not exist");
}

}  // namespace

Service::Service(Options &options_in, Loop &loop_in, Engine &engine_in, uint64_t seed)
    : options(options_in),
      loop(loop_in),
      engine(engine_in),
      ids(seed),
      operations(loop_in, options_in.durations, projects),
      seed_(seed) {
  if (options.keep) kept_ = std::make_unique<KeptState>(options.data_directory);
  operations.on_ended = [this] { Changed(); };
  engine.on_wake = [this](const std::string &endpoint_id) { Wake(endpoint_id); };
  engine.on_lost = [this](const std::string &timeline) { Lose(timeline); };
  if (options.suspend_after_seconds > 0) {
    loop.After(std::chrono::seconds(1), [this] { SuspendIdle(); });
  }
}

Project &Service::RequireProject(const std::string &id) {
  RequireId(id);
  auto found = projects.find(id);
  if (found == projects.end()) throw ApiError(404, "project not found");
  return found->second;
}

Branch &Service::RequireBranch(Project &project, const std::string &id) {
  RequireId(id);
  Branch *branch = project.FindBranch(id);
  if (branch == nullptr) throw ApiError(404, "branch not found");
  return *branch;
}

Endpoint &Service::RequireEndpoint(Project &project, const std::string &id) {
  RequireId(id);
  Endpoint *endpoint = project.FindEndpoint(id);
  if (endpoint == nullptr || project.FindBranch(endpoint->branch_id) == nullptr) {
    throw ApiError(404, "endpoint not found");
  }
  return *endpoint;
}

void Service::RequireUnlocked(Project &project, std::initializer_list<std::string> branch_ids) {
  if (options.lock == "none") return;
  auto involves = [&](const OperationPtr &operation) {
    if (options.lock == "project") return true;
    return std::any_of(branch_ids.begin(), branch_ids.end(), [&](const std::string &id) {
      return !id.empty() && (id == operation->branch_id || id == operation->other_branch_id);
    });
  };
  if (std::any_of(project.running().begin(), project.running().end(), involves)) {
    throw ApiError(423,
                   "project already has running conflicting operations, scheduling of new ones is "
                   "prohibited");
  }
}

void Service::RequireReady(const Branch &branch) {
  if (branch.current_state != "ready") throw ApiError(422, "branch not ready yet");
}

void Service::RequireBranchSlot(Project &project, bool root) {
  if (static_cast<int64_t>(project.branches().size()) >= options.limits.branches) {
    throw ApiError(422, "branches limit exceeded", "BRANCHES_LIMIT_EXCEEDED");
  }
  if (root && static_cast<int64_t>(project.CountRoots()) >= options.limits.root_branches) {
    throw ApiError(422, "root branches limit exceeded", "ROOT_BRANCHES_LIMIT_EXCEEDED");
  }
}

void Service::RequireProtectedSlot(Project &project) {
  if (static_cast<int64_t>(project.CountProtected()) < options.limits.protected_branches) return;
  throw ApiError(
      422,
      "You have reached the maximum number of protected branches for your current plan. "
      "To protect this branch, either upgrade your plan or reduce the number of existing "
      "protected branches.",
      "BRANCHES_PROTECTED_LIMIT_EXCEEDED");
}

void Service::RequireFreeName(Project &project, const std::string &name) {
  if (project.NameTaken(name)) {
    throw ApiError(409, "branch already exists; branch_name:\"" + name + "\"");
  }
}

bool Service::ComputeSlotFree(Project &project) {
  return static_cast<int64_t>(project.CountActiveComputes()) < options.limits.active_computes;
}

Branch Service::MakeBranch(Project &project, const Branch *parent, const std::string &name) {
  Branch branch;
  do
    branch.id = ids.Branch();
  while (project.FindAnyBranch(branch.id) != nullptr);
  branch.name = name.empty() ? branch.id : name;
  branch.timeline = NewTimeline();
  branch.pending_state = "ready";
  branch.created_at = branch.updated_at = branch.state_changed_at = Now();
  if (parent == nullptr) return branch;
  branch.parent_id = parent->id;
  branch.parent_lsn = NextLsn();
  branch.roles = parent->roles;
  branch.databases = parent->databases;
  for (Database &database : branch.databases)
    database.id = NextDatabaseId();
  return branch;
}

Endpoint &Service::AddEndpoint(Project &project, Branch &branch, const EndpointWish &wish) {
  Endpoint endpoint;
  do
    endpoint.id = ids.Endpoint();
  while (ProjectOfEndpoint(endpoint.id) != nullptr);
  EndpointAddress address = engine.OpenEndpoint(endpoint.id);
  endpoint.branch_id = branch.id;
  endpoint.host = address.host;
  endpoint.pooler_host = address.pooler_host;
  endpoint.type = wish.type;
  endpoint.name = wish.name;
  endpoint.min_cu = wish.min_cu;
  endpoint.max_cu = wish.max_cu;
  endpoint.suspend_timeout_seconds = wish.suspend_timeout_seconds;
  endpoint.provisioner = wish.provisioner;
  endpoint.settings = wish.settings;
  endpoint.disabled = wish.disabled;
  endpoint.passwordless_access = wish.passwordless_access;
  endpoint.created_at = endpoint.updated_at = Now();
  return project.AddEndpoint(std::move(endpoint));
}

Project &Service::AddProject(const std::string &id, const std::string &name,
                             const std::string &branch_name, const std::string &role,
                             const std::string &database) {
  Project &project = projects[id];
  project.id = id;
  project.name = name;
  project.pg_version = engine.PostgresVersion();
  project.created_at = project.updated_at = Now();
  Branch root = MakeBranch(project, nullptr, branch_name);
  root.is_pinned = true;
  root.roles.push_back({role, ids.Password(), root.created_at, root.created_at});
  root.databases.push_back({NextDatabaseId(), database, role, root.created_at, root.created_at});
  Branch &added = project.AddBranch(std::move(root));
  project.SetDefaultBranch(added);
  AddEndpoint(project, added, {});
  return project;
}

std::string Service::NextLsn() {
  lsn_ += 0x128 + ids.Small() * 8;
  char text[32];
  std::snprintf(text, sizeof text, "%X/%X", static_cast<unsigned>(lsn_ >> 32),
                static_cast<unsigned>(lsn_));
  return text;
}

OperationPtr Service::NewOperation(Project &project, const std::string &action,
                                   const std::string &branch_id, const std::string &endpoint_id) {
  auto operation = std::make_shared<Operation>();
  operation->number = ++operations_made_;
  operation->id = ids.Uuid();
  operation->project_id = project.id;
  operation->branch_id = branch_id;
  operation->endpoint_id = endpoint_id;
  operation->action = action;
  operation->created_at = operation->updated_at = Now();
  project.AddOperation(operation);
  NotePeaks(project);
  Changed();
  return operation;
}

void Service::NotePeaks(Project &project) {
  peaks.branches = std::max(peaks.branches, project.branches().size());
  peaks.root_branches = std::max(peaks.root_branches, project.CountRoots());
  peaks.running_operations = std::max(peaks.running_operations, project.running().size());
}

Project *Service::ProjectOfEndpoint(const std::string &endpoint_id) {
  for (auto &[id, project] : projects) {
    if (project.FindEndpoint(endpoint_id) != nullptr) return &project;
  }
  return nullptr;
}

}  // namespace agent_branch::emulator
