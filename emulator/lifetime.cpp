// What the service does of its own accord: the first projects, expiry, waking and suspending.
#include <algorithm>

#include "emulator/service.hpp"

namespace agent_branch::emulator {
namespace {

constexpr std::chrono::milliseconds kBusyRetry{250};
constexpr std::chrono::milliseconds kBlockedRetry{5000};

}  // namespace

void Service::Boot(std::function<void(const std::string &)> ready) {
  if (!options.keep) return BootNext(0, std::move(ready));
  std::string error = TakeUpKept();
  if (!error.empty()) return ready(error);
  BootNext(0, [this, ready = std::move(ready)](const std::string &failure) {
    Changed();
    SaveIfChanged();
    ready(failure);
  });
}

// One project after the other: production, its compute, development as a copy, its compute.
void Service::BootNext(size_t at, std::function<void(const std::string &)> ready) {
  if (at == options.projects.size()) return ready("");
  const std::string id = options.projects[at];
  if (projects.count(id) > 0) return BootNext(at + 1, std::move(ready));
  Project &project = AddProject(id, id, "production", "neondb_owner", "neondb");
  Branch &root = project.DefaultBranch();
  Branch &child = project.AddBranch(MakeBranch(project, &root, options.parent_name));
  AddEndpoint(project, child, {});
  NotePeaks(project);
  std::string root_id = root.id, child_id = child.id;

  auto settle = [this, id](const std::string &branch_id) {
    Branch *branch = projects[id].FindAnyBranch(branch_id);
    branch->current_state = "ready";
    branch->pending_state.clear();
    Endpoint *endpoint = projects[id].FindReadWriteEndpoint(*branch);
    projects[id].SetState(*endpoint, "active", "");
    endpoint->started_at = Now();
    engine.ServeEndpoint(endpoint->id, branch->timeline);
  };
  std::string root_timeline = root.timeline, child_timeline = child.timeline;
  auto started = [=](const std::string &error) {
    if (!error.empty()) return ready(error);
    settle(root_id);
    settle(child_id);
    BootNext(at + 1, ready);
  };
  auto forked = [=](const std::string &error) {
    if (!error.empty()) return ready(error);
    engine.StartCompute(child_timeline, started);
  };
  auto root_started = [=](const std::string &error) {
    if (!error.empty()) return ready(error);
    engine.Fork({root_timeline, child_timeline, false, {}}, forked);
  };
  const Role &role = root.roles.front();
  engine.Initialize(root_timeline, role.name, role.password, root.databases.front().name,
                    [=](const std::string &error) {
                      if (!error.empty()) return ready(error);
                      engine.StartCompute(root_timeline, root_started);
                    });
}

void Service::ResetLifetime(const Project &project, Branch &branch) {
  if (branch.ttl_seconds == 0) return;
  branch.expires_at = Now() + branch.ttl_seconds * kSecond;
  WatchExpiry(project.id, branch);
}

// Each change of expires_at arms a timer of its own; one that comes early or for nothing does
// nothing, so none is ever cancelled.
void Service::WatchExpiry(const std::string &project_id, const Branch &branch) {
  if (!branch.expires_at) return;
  auto delay = std::chrono::milliseconds((*branch.expires_at - Now()) / 1000 + 1);
  loop.After(std::max(delay, std::chrono::milliseconds(0)),
             [this, project_id, branch_id = branch.id] { Expire(project_id, branch_id); });
}

void Service::Expire(const std::string &project_id, const std::string &branch_id) {
  auto found = projects.find(project_id);
  if (found == projects.end()) return;
  Project &project = found->second;
  Branch *branch = project.FindBranch(branch_id);
  if (branch == nullptr || !branch->expires_at || *branch->expires_at > Now()) return;
  auto again = [this, project_id, branch_id] { Expire(project_id, branch_id); };
  if (branch->children > 0 || branch->is_protected || branch->is_default || branch->is_pinned) {
    return loop.After(kBlockedRetry, again);
  }
  try {
    RequireUnlocked(project, {branch_id});
  } catch (const ApiError &) {
    return loop.After(kBusyRetry, again);
  }
  if (branch->current_state != "ready") return loop.After(kBusyRetry, again);
  operations.Run(DeleteSteps(project, *branch), Fate::kNormal);
}

void Service::Wake(const std::string &endpoint_id) {
  Project *project = ProjectOfEndpoint(endpoint_id);
  if (project == nullptr) return engine.RefuseEndpoint(endpoint_id);
  Endpoint &endpoint = *project->FindEndpoint(endpoint_id);
  if (endpoint.pending_state == "active") return;
  Branch *branch = project->FindBranch(endpoint.branch_id);
  bool exempt = branch != nullptr && branch->is_default;
  if (branch == nullptr || endpoint.disabled || (!exempt && !ComputeSlotFree(*project))) {
    engine.RefuseEndpoint(endpoint_id);                        // ends those that wait …
    if (!endpoint.disabled) engine.HoldEndpoint(endpoint_id);  // … and lets the next one try
    return;
  }
  std::vector<Step> steps;
  steps.push_back(StartStep(*project, endpoint));
  operations.Run(std::move(steps), Fate::kNormal);
}

void Service::Lose(const std::string &timeline) {
  for (auto &[id, project] : projects) {
    for (auto &[endpoint_id, endpoint] : project.endpoints()) {
      Branch *branch = project.FindAnyBranch(endpoint.branch_id);
      if (branch == nullptr || branch->timeline != timeline) continue;
      project.SetState(endpoint, "idle", "");
      Changed();
      engine.RefuseEndpoint(endpoint_id);
      engine.HoldEndpoint(endpoint_id);
    }
  }
}

void Service::SuspendIdle() {
  for (auto &[id, project] : projects) {
    for (auto &[endpoint_id, endpoint] : project.endpoints()) {
      Branch *branch = project.FindBranch(endpoint.branch_id);
      auto idle = engine.IdleTime(endpoint_id);
      if (branch == nullptr || branch->current_state != "ready" ||
          endpoint.current_state != "active" || !endpoint.pending_state.empty() || !idle ||
          idle->count() < options.suspend_after_seconds) {
        continue;
      }
      std::vector<Step> steps;
      steps.push_back(SuspendStep(project, endpoint, branch->timeline));
      operations.Run(std::move(steps), Fate::kNormal);
    }
  }
  loop.After(std::chrono::seconds(1), [this] { SuspendIdle(); });
}

}  // namespace agent_branch::emulator
