// Makes the projects that agent_project_create() asked for: at Neon the project with its first
// branch, production, then the branch that sessions fork from; then it is registered.
//
// A project whose creation nobody answered is looked for by its name and by what is written into
// its first branch, which nobody else has; the branch by its name, the project being ours. What
// Neon refuses is shown, and tried again with growing intervals until agent_project_remove() gives
// it up: there is never half a project that nobody knows.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "worker/core/neon/project_api.hpp"
#include "worker/core/session/session_context.hpp"
#include "worker/core/upkeep/provision_store.hpp"

namespace agent_branch {

class ProvisionFlow {
 public:
  // store: null where no project is ever made.
  ProvisionFlow(SessionContext *context, Scheduler *scheduler, ProvisionStore *store)
      : context_(context), scheduler_(scheduler), store_(store) {}

  // Rows may have come or gone.
  void Look();
  // Ends all flows before what they use goes.
  void End();

 private:
  struct Made {
    ProvisionRow row;
    Project project;  // what calls are made for; it is in no table
    std::unique_ptr<UpkeepActor> actor;
    Status shown;
    bool done = false;
  };

  Flow<> Next(Made &made);
  Flow<> Run(Made &made);
  Flow<Status> Advance(Made &made);
  Flow<Status> MakeProject(Made &made);
  // After a creation whose outcome is not known.
  Flow<Status> LookForProject(Made &made);
  // The project of that name whose first branch has our mark; its id is empty when there is none.
  Flow<Result<NeonProject>> FindProject(Made &made);
  Flow<Result<bool>> HasMark(Made &made, std::string id);
  Flow<Status> MakeParent(Made &made);
  // A change: noted before it is sent, recorded unless its outcome is unknown.
  Flow<Result<ApiAnswer>> Change(Made &made, NeonRequest request);
  Flow<Status> AwaitEnd(Made &made, std::vector<NeonOperation> operations);
  Status Record(Made &made, const std::string &outcome, const std::string &request_id);
  void Show(Made &made, const Status &why);
  ApiCall MakeCall(Made &made, NeonRequest request);

  SessionContext *context_;
  Scheduler *scheduler_;
  ProvisionStore *store_;
  std::map<int64_t, std::unique_ptr<Made>> made_;  // by the row's id
};

}  // namespace agent_branch
