// The part of the service that turns wishes into operations on computes and timelines.
#include <algorithm>

#include "emulator/service.hpp"

namespace agent_branch::emulator {
Step Service::StartStep(Project &project, Endpoint &endpoint) {
  project.SetState(endpoint, endpoint.current_state, "active");
  peaks.active_computes = std::max(peaks.active_computes, project.CountActiveComputes());
  Step step;
  step.operation = NewOperation(project, "start_compute", endpoint.branch_id, endpoint.id);
  std::string project_id = project.id, endpoint_id = endpoint.id;
  auto timeline = [this, project_id, endpoint_id]() -> std::string {
    auto found = projects.find(project_id);
    if (found == projects.end()) return "";
    Endpoint *target = found->second.FindEndpoint(endpoint_id);
    Branch *branch = target == nullptr ? nullptr : found->second.FindAnyBranch(target->branch_id);
    return branch == nullptr ? "" : branch->timeline;
  };
  auto settle = [this, project_id, endpoint_id, timeline](bool started) {
    auto found = projects.find(project_id);
    if (found == projects.end()) return;
    Endpoint *target = found->second.FindEndpoint(endpoint_id);
    if (target == nullptr) return;
    found->second.SetState(*target, started ? "active" : "idle", "");
    target->updated_at = Now();
    if (started) target->started_at = target->updated_at;
    if (started) {
      engine.ServeEndpoint(endpoint_id, timeline());
    } else {
      engine.RefuseEndpoint(endpoint_id);
      engine.HoldEndpoint(endpoint_id);
    }
  };
  step.work = [this, timeline](Engine::Done done) {
    std::string name = timeline();
    if (name.empty()) return done("the endpoint is gone");
    engine.StartCompute(name, std::move(done));
  };
  step.succeeded = [settle] { settle(true); };
  step.failed = [settle] { settle(false); };
  return step;
}

Step Service::SuspendStep(Project &project, Endpoint &endpoint, const std::string &timeline) {
  project.SetState(endpoint, endpoint.current_state, "idle");
  Step step;
  step.operation = NewOperation(project, "suspend_compute", endpoint.branch_id, endpoint.id);
  std::string project_id = project.id, endpoint_id = endpoint.id;
  step.work = [this, endpoint_id, timeline](Engine::Done done) {
    engine.RefuseEndpoint(endpoint_id);
    engine.StopCompute(timeline, std::move(done));
  };
  auto settle = [this, project_id, endpoint_id](bool suspended) {
    auto found = projects.find(project_id);
    if (found == projects.end()) return;
    Endpoint *target = found->second.FindEndpoint(endpoint_id);
    if (target == nullptr) return;
    found->second.SetState(*target, suspended ? "idle" : target->current_state, "");
    target->updated_at = Now();
    if (!suspended) return;
    target->suspended_at = target->updated_at;
    if (!target->disabled) engine.HoldEndpoint(endpoint_id);
  };
  step.succeeded = [settle] { settle(true); };
  step.failed = [settle] { settle(false); };
  return step;
}

std::vector<Step> Service::DeleteSteps(Project &project, Branch &branch) {
  std::vector<Step> steps;
  branch.is_deleting = true;
  branch.pending_state = "storage_deleted";
  branch.updated_at = Now();
  for (const std::string &endpoint_id : branch.endpoint_ids) {
    Endpoint *endpoint = project.FindEndpoint(endpoint_id);
    if (endpoint != nullptr && endpoint->current_state == "active") {
      steps.push_back(SuspendStep(project, *endpoint, branch.timeline));
    }
  }
  Step step;
  step.operation = NewOperation(project, "delete_timeline", branch.id);
  std::string project_id = project.id, branch_id = branch.id, timeline = branch.timeline;
  step.work = [this, project_id, branch_id, timeline](Engine::Done done) {
    Branch *gone = projects[project_id].FindAnyBranch(branch_id);
    if (gone != nullptr) {
      for (const std::string &endpoint_id : gone->endpoint_ids)
        engine.RefuseEndpoint(endpoint_id);
    }
    engine.Drop(timeline, std::move(done));
  };
  step.succeeded = [this, project_id, branch_id] {
    Project &owner = projects[project_id];
    Branch *gone = owner.FindAnyBranch(branch_id);
    if (gone == nullptr) return;
    auto endpoint_ids = gone->endpoint_ids;
    for (const std::string &endpoint_id : endpoint_ids) {
      engine.CloseEndpoint(endpoint_id);
      owner.EraseEndpoint(endpoint_id);
    }
    owner.EraseBranch(branch_id);
  };
  step.failed = [this, project_id, branch_id] {
    Branch *kept = projects[project_id].FindAnyBranch(branch_id);
    if (kept == nullptr) return;
    kept->is_deleting = false;
    kept->pending_state.clear();
  };
  steps.push_back(std::move(step));
  return steps;
}

Step Service::ApplyStep(Project &project, Branch &branch, std::vector<std::string> statements,
                        Contents before) {
  Step step;
  step.operation = NewOperation(project, "apply_config", branch.id);
  step.delay_first = true;
  std::string timeline = branch.timeline;
  auto endpoint_ids = branch.endpoint_ids;
  step.work = [this, timeline, statements, endpoint_ids](Engine::Done done) {
    for (const std::string &endpoint_id : endpoint_ids)
      engine.DropConnections(endpoint_id);
    engine.Execute(timeline, "postgres", statements, done);
  };
  step.failed = [this, project_id = project.id, branch_id = branch.id, before] {
    Branch *unchanged = projects[project_id].FindAnyBranch(branch_id);
    if (unchanged == nullptr) return;
    unchanged->roles = before.roles;
    unchanged->databases = before.databases;
  };
  return step;
}

std::vector<Step> Service::InitializeSteps(Project &project) {
  Branch &root = project.DefaultBranch();
  Step create;
  create.operation = NewOperation(project, "create_timeline", root.id);
  std::string project_id = project.id, root_id = root.id;
  create.work = [this, project_id, root_id](Engine::Done done) {
    Branch *branch = projects[project_id].FindAnyBranch(root_id);
    if (branch == nullptr) return done("the project is gone");
    const Role &role = branch->roles.front();
    engine.Initialize(branch->timeline, role.name, role.password, branch->databases.front().name,
                      std::move(done));
  };
  create.succeeded = [this, project_id, root_id] {
    Branch *branch = projects[project_id].FindAnyBranch(root_id);
    if (branch == nullptr) return;
    branch->current_state = "ready";
    branch->pending_state.clear();
    branch->state_changed_at = branch->updated_at = Now();
  };
  std::vector<Step> steps;
  steps.push_back(std::move(create));
  for (const std::string &endpoint_id : root.endpoint_ids) {
    steps.push_back(StartStep(project, *project.FindEndpoint(endpoint_id)));
  }
  return steps;
}

}  // namespace agent_branch::emulator
