// Undo of a merge: the parent is restored from the backup that was made for it.
//
// That is an overwrite as any restore is, so it is done only while nothing was written to the
// parent since the merge, proved under locks that are held until Neon has the request; or when
// whoever asks has said that what was written is to be lost. What that is, is named by table either
// way.
//
// The session that was merged is finished. It comes back for its undo alone, and takes its turn
// among the merges into the parent. The restore preserves the parent as it was before under a name
// of this undo's own: that makes a lost answer harmless, as with a merge by restore
// (restore_merge.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "worker/core/merge/merge_turn.hpp"
#include "worker/core/merge/parent_now.hpp"
#include "worker/core/session/admission.hpp"

namespace agent_branch {

struct UndoWork : MergeWork {
  Instant late_until{0};  // a restore that was sent may come until then
  int lookups = 0;
  int expiries = 0;           // how often the backup expired again
  bool ended = false;         // the restore is known to have come to its end
  std::string seen_reset_at;  // the parent's last_reset_at when it was looked at
  std::string reset_at;       // and after the restore
  std::optional<Status> refusal;
};

// What was written to the parent since the merge, a clause each: "table public.t: 3 rows written".
// unrecorded, standpoint: what the parent answered to these tasks now. Fails with 22P02 when an
// answer has another form.
Result<std::vector<std::string>> WrittenSince(const UndoPointRow &point,
                                              std::string_view unrecorded,
                                              std::string_view standpoint);

class UndoFlow {
 public:
  UndoFlow(SessionContext *context, ConnectionUris *uris, Admission *admission)
      : context_(context),
        uris_(uris),
        admission_(admission),
        turn_(context),
        parent_(context, uris) {}

  // The session is finished, and has an undo.
  Flow<Next> Run(Session &session);

 private:
  static UndoWork &WorkOf(Session &session);

  // --- undo_flow.cpp: up to the restore.
  Flow<Next> Check(Session &session);
  // Nothing: goes on. Else why the undo cannot be done.
  std::optional<Status> WhyNot(const Session &session) const;
  Flow<Next> ClearExpiry(Session &session, std::string expires_at);
  Flow<Next> CompareAndRestore(Session &session);
  // Empty: nothing.
  Flow<Result<std::vector<std::string>>> FindLost(Session &session);
  Flow<Next> Restore(Session &session, Instant proven_at);
  Next OnNotRestored(Session &session, const ApiAnswer &answer);
  void Refuse(Session &session, const Status &why);

  // --- undo_outcome.cpp: what became of it.
  Flow<Next> Reconcile(Session &session);
  Flow<Result<bool>> IsDone(Session &session);
  Flow<Next> RuleOut(Session &session);
  void Accept(Session &session);
  Flow<Next> Complete(Session &session);
  Flow<Next> Confirm(Session &session);
  Flow<Next> FindPreserved(Session &session);
  void Undone(Session &session);
  void End(Session &session, const std::string &status, const Status &why);

  SessionContext *context_;
  ConnectionUris *uris_;
  Admission *admission_;
  MergeTurn turn_;
  ParentReader parent_;
};

}  // namespace agent_branch
