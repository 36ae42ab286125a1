// From queued to ready: the branch is made, its operations end, its URIs and base are known.
//
// The name and the annotation are what makes this exactly-once, since the API has no idempotency
// key: a create whose answer was lost, or that is told "already exists", is looked up by exact
// name, and adopted only when the annotation says that it is this session's.
#pragma once

#include "worker/core/session/admission.hpp"

namespace agent_branch {

class CreateFlow {
 public:
  CreateFlow(Desk *desk, Admission *admission) : desk_(desk), admission_(admission) {}

  // state kCreating, nothing under way.
  void Drive(Session &session);
  // Fetches what is missing of the branch's and the parent's URIs; true when nothing is. Also for
  // sessions of later states, whose credentials a crash of the server took away.
  bool HaveUris(Session &session);

 private:
  void CheckParentBranch(Session &session);
  void Create(Session &session);
  void OnCreated(Session &session, const ApiAnswer &answer);
  void OnRefused(Session &session, const ApiAnswer &answer);
  void TakeUris(Session &session, const NeonChange &created);
  void Reconcile(Session &session);
  void Adopt(Session &session, const NeonBranch &branch);
  void FreeName(Session &session, const KeptBranchRow &kept);
  void OnOperations(Session &session, const std::vector<NeonOperation> &failed);
  bool FetchedByAnother(const Session &session);
  void FetchUri(Session &session, bool pooled);
  void FetchParentUri(Session &session, bool pooled);
  void SaveUri(Session &session, bool pooled, Secret uri);
  void TakeVersion(Session &session);
  void TakeBase(Session &session);

  Desk *desk_;
  Admission *admission_;
};

}  // namespace agent_branch
