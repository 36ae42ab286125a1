// Makes the projects that agent_project_create() asked for: at Neon the project with its first
// branch, production, then the branch that sessions fork from.
//
// Both are steps of the journal. A project whose creation nobody answered is looked for by its name
// and by what is written into its first branch, which nobody else has; the branch by its name, the
// project being ours. What Neon refuses is shown with the project, and tried again with growing
// intervals until agent_project_remove() gives it up: there is never half a project that nobody
// knows.
#pragma once

#include <string>

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

class ProvisionFlow {
 public:
  explicit ProvisionFlow(SessionContext *context) : context_(context) {}

  // What the project's provisioner does next: nothing for one that is there.
  Flow<> Next(Project &project);

 private:
  Flow<> Run(Project &project);
  Flow<Status> Advance(Project &project);
  Flow<Status> MakeProject(Project &project);
  // After a creation whose outcome is not known.
  Flow<Status> LookForProject(Project &project);
  // The project of that name whose first branch has our mark; its id is empty when there is none.
  Flow<Result<NeonProject>> FindProject(Project &project);
  Flow<Result<bool>> HasMark(Project &project, std::string id);
  Flow<Status> MakeParent(Project &project);
  Flow<Status> AwaitEnd(Project &project, std::vector<NeonOperation> operations);
  void Reached(Project &project, Provision provision);
  void Show(Project &project, const Status &why);
  ApiCall MakeCall(Project &project, NeonRequest request);

  SessionContext *context_;
};

}  // namespace agent_branch
