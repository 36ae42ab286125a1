// Merge by Neon's restore: the parent is replaced by the session's branch.
//
// Restore is an overwrite, not a merge, so it is done only while nothing at all was written to the
// parent since the session began (still_proof.hpp), proved under locks that are held until Neon has
// the request. Whatever moved is a conflict, and nothing is touched. The request is not sent later
// than two seconds after that look.
//
// The order of steps: check the parent, clear the branch's expiry (an expiring branch cannot get
// children, and the restored parent becomes one), compare, restore with the old state preserved
// under a name of this merge's own, wait for the operations, find the backup. That name is also
// what makes a lost answer harmless: the backup exists if and only if the restore was accepted, and
// a second request is refused for it. So a restore whose outcome is unknown may be sent again at
// once, but the merge is not given up before it is certain that the first one does not come any
// more.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "worker/core/merge/gates.hpp"
#include "worker/core/merge/merge_end.hpp"
#include "worker/core/merge/recorded_work.hpp"
#include "worker/core/merge/restore_check.hpp"
#include "worker/core/merge/still_proof.hpp"
#include "worker/core/merge/undo_point.hpp"
#include "worker/core/session/admission.hpp"
#include "worker/core/session/agent_role.hpp"
#include "worker/core/session/connection_uris.hpp"

namespace agent_branch {

// What a merge by restore remembers; found again from the merge's row after a crash.
struct RestoreWork : MergeWork {
  std::string tested;     // the branch's transactions when the gates were asked
  int moved = 0;          // how often there were others when it was to be restored from
  bool known = true;      // where the parent stood when the session's branch was made
  std::string fence;      // why the parent is another one than the session began with, if it is
  Instant late_until{0};  // a restore that was sent may come until then: late_step
  int backup_lookups = 0;
  std::string backup_created_at;
  bool expiry_cleared_again = false;  // after a restore was refused
  bool ended = false;                 // the restore is known to have come to its end
  // The parent's last_reset_at since the restore; empty: it was not told.
  std::string reset_at;
  std::optional<MergeRefusal> refusal;
};

class RestoreMerge {
 public:
  RestoreMerge(SessionContext *context, ConnectionUris *uris, Admission *admission, MergeEnd *end,
               GateKeeper *gates, UndoPoints *undo_points)
      : context_(context),
        uris_(uris),
        admission_(admission),
        end_(end),
        gates_(gates),
        undo_points_(undo_points),
        parent_(context, uris),
        role_(context, uris),
        still_(context, &parent_),
        checker_(context, uris, undo_points) {}

  // The session holds its project's merge turn.
  Flow<Next> Run(Session &session);
  // Nothing: the parent may be replaced. Else why not: Neon does not, or there is no room.
  Flow<Result<std::optional<Status>>> WhyNotRestorable(Session &session);
  // The restore is refused because somebody wrote to the parent; forgets that it is.
  bool WasOvertaken(Session &session);

 private:
  static RestoreWork &WorkOf(Session &session);

  // --- restore_merge.cpp: up to the restore.
  Flow<Next> Check(Session &session);
  Flow<Next> LookForForgotten(Session &session);
  Flow<Next> ClearExpiry(Session &session);
  // Takes the agents' login roles from the branch, which the parent is about to become. Nothing:
  // nobody can log in there but who could before. A status: somebody could.
  Flow<Result<std::optional<Status>>> LeaveAgentsBehind(Session &session);
  Flow<Next> CompareAndRestore(Session &session);
  // What transactions the branch shows, where there are gates; whether these are still all. What
  // comes later was not tested, and has the gates asked again.
  Flow<Result<std::string>> BranchSnapshot(Session &session);
  Flow<Result<bool>> IsAsTested(Session &session);
  Flow<Next> Restore(Session &session, Instant proven_at);
  Next OnNotRestored(Session &session, const ApiAnswer &answer);
  void Refuse(Session &session, const Status &why, std::vector<ConflictRow> conflicts);

  // --- restore_proof.cpp: whether the parent is what the session began with.
  // The transaction that holds the locks; it is to be ended after the proof's use.
  RunningTask LockTables(Session &session);
  // When the look that proved it began; nothing: the merge was refused, or is to be tried again.
  Flow<Result<std::optional<Instant>>> Compare(Session &session);
  Flow<Next> ExplainAndRefuse(Session &session, std::string moved);
  void RefuseMoved(Session &session, const std::string &moved, const std::string &parent_objects);

  // --- restore_outcome.cpp: what became of a restore.
  Flow<Next> Reconcile(Session &session);
  // Whether the backup is there, so that a restore of this merge was done.
  Flow<Result<bool>> IsDone(Session &session);
  // Of a merge that is refused or given up: makes sure that no restore of it was done, nor will be.
  Flow<Next> RuleOut(Session &session);
  void Accept(Session &session);
  void OnOperations(Session &session, const std::vector<NeonOperation> &failed);
  Flow<Next> Complete(Session &session);
  Flow<Next> FindBackup(Session &session);
  Flow<Next> Confirm(Session &session);
  void Merged(Session &session);
  // Sessions that began before this merge have another parent from now on.
  void FenceTheOthers(Session &session);

  SessionContext *context_;
  ConnectionUris *uris_;
  Admission *admission_;
  MergeEnd *end_;
  GateKeeper *gates_;
  UndoPoints *undo_points_;
  ParentReader parent_;
  AgentRole role_;
  StillProver still_;
  RestoreChecker checker_;
};

}  // namespace agent_branch
