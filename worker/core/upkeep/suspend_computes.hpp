// Computes of kept branches are suspended when others need their place among the active ones.
//
// A branch that a merge left behind (KeptBranches) keeps its compute, which Neon suspends by itself
// after some minutes without a connection. Only when a session waits for it is it told to at once.
#pragma once

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

class SuspendComputes {
 public:
  explicit SuspendComputes(SessionContext *context) : context_(context) {}

  // What the project's suspender does next: suspends one compute, if one is wanted.
  Flow<> Next(Project &project);

 private:
  Flow<> Run(Project &project);
  Flow<Status> Suspend(Project &project, KeptBranchRow kept);
  // After a 404, which a key that lost its scope is answered, too.
  Flow<Status> ConfirmGone(Project &project, KeptBranchRow kept);
  void NoteSuspended(Project &project, const std::string &branch_id);

  SessionContext *context_;
};

}  // namespace agent_branch
