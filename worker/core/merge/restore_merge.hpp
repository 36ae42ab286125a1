// Merge by Neon's restore: the parent is replaced by the session's branch.
//
// Restore is an overwrite, not a merge, so it is done only while the parent is what it was when the
// session began: not restored since (its last_reset_at), and with the same schema (fingerprint,
// taken right before). Whatever differs is a conflict, and nothing is touched.
//
// The order of steps: check the parent, clear the branch's expiry (an expiring branch cannot get
// children, and the restored parent becomes one), compare, restore with the old state preserved
// under a name of this merge's own, wait for the operations, find the backup. That name is also
// what makes a lost answer harmless: the backup exists if and only if the restore was accepted, and
// a second request is refused for it. So a restore whose outcome is unknown may be sent again at
// once, but the merge is not given up before it is certain that the first one does not come any
// more.
#pragma once

#include "worker/core/merge/merge_strategy.hpp"
#include "worker/core/session/create_flow.hpp"

namespace agent_branch {

class RestoreMerge : public MergeStrategy {
 public:
  // In the place of the parent's last_reset_at: it was restored by the merge of another session.
  static constexpr char kFenced[] = "before merge ";

  RestoreMerge(Desk *desk, CreateFlow *creator, Admission *admission, MergeDesk *merges)
      : desk_(desk), creator_(creator), admission_(admission), merges_(merges) {}

  std::string_view name() const override { return "restore"; }
  void Drive(Session &session) override;

 private:
  void Check(Session &session);
  void OnParent(Session &session, const NeonBranch &parent);
  void ClearExpiry(Session &session);
  void Compare(Session &session);
  void OnVersion(Session &session, const BranchEvent &event);
  void OnCompared(Session &session, const BranchEvent &event);
  void RefuseDrift(Session &session, const std::string &parent_objects);
  void Restore(Session &session);
  // Sessions that began before this merge have another parent from now on.
  void FenceOthers(const Session &session);
  void OnRestored(Session &session, const ApiAnswer &answer);
  void OnOperations(Session &session, const std::vector<NeonOperation> &failed);
  void Accept(Session &session);
  void Complete(Session &session);
  void FindBackup(Session &session);
  void Confirm(Session &session);
  void ReadParent(Session &session);
  void OnParentRead(Session &session, const ApiAnswer &answer);
  void Reconcile(Session &session);
  // A restore that no step tells of: once, by the backup's name.
  void LookForForgotten(Session &session);
  // otherwise: when the backup is not there.
  void AcceptIfDone(Session &session, Desk::OnSession otherwise);
  // Of a merge that is refused or given up: makes sure that no restore of it was done, nor will be.
  void RuleOut(Session &session);
  void Refuse(Session &session, const Status &why, std::vector<ConflictRow> conflicts);

  Desk *desk_;
  CreateFlow *creator_;
  Admission *admission_;
  MergeDesk *merges_;
};

}  // namespace agent_branch
