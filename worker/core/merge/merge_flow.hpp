// Merges into one parent queue, and run one at a time, in the order they were asked for. Each is
// carried out by the strategy that was asked for, or by the first that can carry it.
#pragma once

#include <string>

#include "worker/core/merge/gates.hpp"
#include "worker/core/merge/merge_end.hpp"
#include "worker/core/merge/merge_turn.hpp"
#include "worker/core/merge/pieces_merge.hpp"
#include "worker/core/merge/rebase_flow.hpp"
#include "worker/core/merge/replay_merge.hpp"
#include "worker/core/merge/restore_merge.hpp"

namespace agent_branch {

class MergeFlow {
 public:
  MergeFlow(SessionContext *context, ConnectionUris *uris, Admission *admission, RebaseFlow *rebase)
      : context_(context),
        rebase_(rebase),
        turn_(context),
        end_(context),
        undo_points_(context, uris),
        parent_(context, uris),
        record_(context, uris),
        still_(context, &parent_),
        gates_(context, &parent_, &record_),
        replay_(context, uris, &end_, &gates_, &undo_points_),
        restore_(context, uris, admission, &end_, &gates_, &undo_points_),
        pieces_(context, uris, &end_, &gates_, &undo_points_) {}

  // state kMerging.
  Flow<Next> Run(Session &session);
  // Before the parent is changed, or may be, a merge can still be given up.
  bool MayBeGivenUp(const Session &session) const;

 private:
  // --- The choice of a strategy.
  Flow<Next> Choose(Session &session);
  // Whether the branch is what it was when it was made; in doubt it is not.
  Flow<Result<bool>> ChangedNothing(Session &session);
  void SetChosen(Session &session, const std::string &strategy, const std::string &reason);
  Flow<Next> Replay(Session &session);
  // The replay cannot carry the merge: what can, if anything.
  Flow<Next> ChooseAnother(Session &session, MergeRefusal refusal);
  // A candidate can: unless the parent cannot be restored, or was changed in a way that is not
  // wanted, or the branch holds what no candidate would.
  Flow<Next> ChooseCandidate(Session &session, MergeRefusal otherwise);

  // Nothing else can carry it: piece by piece, if the project allows that. Else it is refused.
  Flow<Next> ChoosePieces(Session &session, MergeRefusal otherwise);
  Flow<Next> ByPieces(Session &session);

  // The session's branch was made anew: by a candidate, or because its owner asked for it.
  Flow<Next> FinishRebase(Session &session);

  // --- Strategy candidate: the session's branch is made anew, and then restored from.
  Flow<Next> ByCandidate(Session &session);
  Flow<Next> MakeCandidate(Session &session);

  SessionContext *context_;
  RebaseFlow *rebase_;
  MergeTurn turn_;
  MergeEnd end_;
  UndoPoints undo_points_;
  ParentReader parent_;
  RecordedWorkReader record_;
  StillProver still_;
  GateKeeper gates_;
  ReplayMerge replay_;
  RestoreMerge restore_;
  PiecesMerge pieces_;
};

}  // namespace agent_branch
