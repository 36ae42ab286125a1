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
  step.work = [this, project_id, endpoint_id](Engine::Done done) {
    std::string timeline = TimelineOf(project_id, endpoint_id);
    if (timeline.empty()) return done("the endpoint is gone");
    engine.StartCompute(timeline, std::move(done));
  };
  step.succeeded = [=] { ComputeStarted(project_id, endpoint_id, true); };
  step.failed = [=] { ComputeStarted(project_id, endpoint_id, false); };
  return step;
}

std::string Service::TimelineOf(const std::string &project_id, const std::string &endpoint_id) {
  auto found = projects.find(project_id);
  if (found == projects.end()) return "";
  Endpoint *endpoint = found->second.FindEndpoint(endpoint_id);
  Branch *branch = endpoint == nullptr ? nullptr : found->second.FindAnyBranch(endpoint->branch_id);
  return branch == nullptr ? "" : branch->timeline;
}

void Service::ComputeStarted(const std::string &project_id, const std::string &endpoint_id,
                             bool started) {
  auto found = projects.find(project_id);
  if (found == projects.end()) return;
  Endpoint *endpoint = found->second.FindEndpoint(endpoint_id);
  if (endpoint == nullptr) return;
  found->second.SetState(*endpoint, started ? "active" : "idle", "");
  endpoint->updated_at = Now();
  if (started) endpoint->started_at = endpoint->updated_at;
  if (started) {
    engine.ServeEndpoint(endpoint_id, TimelineOf(project_id, endpoint_id));
  } else {
    engine.RefuseEndpoint(endpoint_id);
    engine.HoldEndpoint(endpoint_id);
  }
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
  step.succeeded = [=] { ComputeSuspended(project_id, endpoint_id, true); };
  step.failed = [=] { ComputeSuspended(project_id, endpoint_id, false); };
  return step;
}

void Service::ComputeSuspended(const std::string &project_id, const std::string &endpoint_id,
                               bool suspended) {
  auto found = projects.find(project_id);
  if (found == projects.end()) return;
  Endpoint *endpoint = found->second.FindEndpoint(endpoint_id);
  if (endpoint == nullptr) return;
  found->second.SetState(*endpoint, suspended ? "idle" : endpoint->current_state, "");
  endpoint->updated_at = Now();
  if (!suspended) {
    endpoint->is_deleting = false;
    return;
  }
  endpoint->suspended_at = endpoint->updated_at;
  if (endpoint->is_deleting) {
    engine.CloseEndpoint(endpoint_id);
    found->second.EraseEndpoint(endpoint_id);
  } else if (!endpoint->disabled) {
    engine.HoldEndpoint(endpoint_id);
  }
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
  step.succeeded = [=] { BranchDeleted(project_id, branch_id); };
  step.failed = [this, project_id, branch_id] {
    Branch *kept = projects[project_id].FindAnyBranch(branch_id);
    if (kept == nullptr) return;
    kept->is_deleting = false;
    kept->pending_state.clear();
  };
  steps.push_back(std::move(step));
  return steps;
}

void Service::BranchDeleted(const std::string &project_id, const std::string &branch_id) {
  Project &project = projects[project_id];
  Branch *branch = project.FindAnyBranch(branch_id);
  if (branch == nullptr) return;
  auto endpoint_ids = branch->endpoint_ids;
  for (const std::string &endpoint_id : endpoint_ids) {
    engine.CloseEndpoint(endpoint_id);
    project.EraseEndpoint(endpoint_id);
  }
  project.EraseBranch(branch_id);
}

void Service::BranchCreated(const std::string &project_id, const std::string &branch_id) {
  Project &project = projects[project_id];
  Branch *branch = project.FindAnyBranch(branch_id);
  if (branch == nullptr) return;
  BranchRestored(project_id, branch_id);
  for (const std::string &endpoint_id : branch->endpoint_ids) {
    Endpoint *endpoint = project.FindEndpoint(endpoint_id);
    if (endpoint != nullptr && endpoint->current_state == "idle") engine.HoldEndpoint(endpoint_id);
  }
}

void Service::BranchRestored(const std::string &project_id, const std::string &branch_id) {
  Branch *branch = projects[project_id].FindAnyBranch(branch_id);
  if (branch == nullptr) return;
  branch->current_state = "ready";
  branch->pending_state.clear();
  branch->state_changed_at = branch->updated_at = Now();
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
  create.succeeded = [=] { BranchCreated(project_id, root_id); };
  std::vector<Step> steps;
  steps.push_back(std::move(create));
  for (const std::string &endpoint_id : root.endpoint_ids) {
    steps.push_back(StartStep(project, *project.FindEndpoint(endpoint_id)));
  }
  return steps;
}

}  // namespace agent_branch::emulator
