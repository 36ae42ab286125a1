// Merge by Neon's restore: the parent is replaced by the session's branch.
//
// Restore is an overwrite, not a merge, so it is done only while the parent is what it was when the
// session began: not restored since (its last_reset_at), and with the same schema (fingerprint,
// taken right before). Whatever differs is a conflict, and nothing is touched.
//
// The order of steps: check the parent, clear the branch's expiry (an expiring branch cannot get
// children, and the restored parent becomes one), compare, restore with the old state preserved
// under a name of this merge's own, wait for the operations, find the backup. That name is also the
// proof when an answer is lost: the backup exists if and only if the restore was done.
#pragma once

#include "worker/core/create_flow.hpp"
#include "worker/core/merge_strategy.hpp"

namespace agent_branch {

class RestoreMerge : public MergeStrategy {
 public:
  RestoreMerge(Desk *desk, CreateFlow *creator, MergeDesk *merges)
      : desk_(desk), creator_(creator), merges_(merges) {}

  std::string_view name() const override { return "restore"; }
  void Drive(Session &session) override;

 private:
  void Check(Session &session);
  void OnParent(Session &session, const NeonBranch &parent);
  void ClearExpiry(Session &session);
  void Compare(Session &session);
  void OnCompared(Session &session, const BranchEvent &event);
  void RefuseDrift(Session &session, const std::string &parent_objects);
  void Restore(Session &session);
  void OnRestored(Session &session, const ApiAnswer &answer);
  void OnOperations(Session &session, const std::vector<NeonOperation> &failed);
  void AwaitParent(Session &session);
  // failure: what is known to have failed; empty: nothing.
  void CheckRestored(Session &session, const std::string &failure);
  void AskParent(Session &session, Desk::OnAnswer then);
  void Reconcile(Session &session);
  void ConfirmNotDone(Session &session);
  void FindBackup(Session &session);

  Desk *desk_;
  CreateFlow *creator_;
  MergeDesk *merges_;
};

}  // namespace agent_branch
