// Merge piece by piece, for projects that allow it: migrations that are not one transaction run on
// the parent as the transactions and statements that they are, one after the other.
//
// Only after all of it has been tried on a branch of the parent as it is now, the candidate, and
// behind a backup of the parent. Each piece is a step of the journal: what became of the one under
// way is found out before anything else, by its transaction's id or by what the statement was
// about. Others may see the parent between two pieces. Should one fail, what is in effect is told,
// and stays, until it is undone.
#pragma once

#include <string>
#include <vector>

#include "worker/core/flow/transaction_run.hpp"
#include "worker/core/merge/gates.hpp"
#include "worker/core/merge/merge_end.hpp"
#include "worker/core/merge/parent_now.hpp"
#include "worker/core/merge/pieces.hpp"
#include "worker/core/merge/recorded_work.hpp"
#include "worker/core/merge/undo_point.hpp"

namespace agent_branch {

struct PiecesWork : MergeWork {
  int lock_timeouts = 0;
  int lost_connections = 0;
};

class PiecesMerge {
 public:
  PiecesMerge(SessionContext *context, ConnectionUris *uris, MergeEnd *end, GateKeeper *gates,
              UndoPoints *undo_points)
      : context_(context),
        end_(end),
        gates_(gates),
        undo_points_(undo_points),
        parent_(context, uris),
        record_(context, uris) {}

  // The session holds its project's merge turn, and its branch is a candidate on which all of it
  // has run. moved: the parent is not what the candidate was made of any more.
  Flow<Next> Run(Session &session, bool *moved);

 private:
  static PiecesWork &WorkOf(Session &session);
  Flow<Result<std::vector<Piece>>> Read(Session &session);
  // Gates, the parent's schema, the backup; then the pieces are in the merge's row.
  Flow<Next> Begin(Session &session, std::vector<Piece> pieces, bool *moved);
  Flow<Next> RunPiece(Session &session, Piece piece, size_t number);
  Flow<Next> RunTogether(Session &session, Piece piece, size_t number);
  Flow<Next> RunAlone(Session &session, Piece piece, size_t number);
  Flow<Next> Reconcile(Session &session, Piece piece, size_t number);
  Flow<Next> LookAfter(Session &session, Piece piece, size_t number);
  Flow<Next> CleanUp(Session &session, Piece piece, std::string name);
  // All pieces are in effect.
  Flow<Next> Complete(Session &session);
  Flow<Next> OnRejected(Session &session, size_t number, BranchEvent event);
  Next OnNotRun(Session &session, size_t number, const BranchEvent &event);
  BranchTask TaskFor(const Session &session, const Piece &piece) const;
  Flow<BranchEvent> Look(Session &session, Piece piece);
  void Set(Session &session, size_t number, PieceStatus status, const std::string &transaction_id,
           const std::string &before);
  void Done(Session &session, size_t number, const std::string &outcome);
  void Fail(Session &session, size_t number, const Status &why);

  SessionContext *context_;
  MergeEnd *end_;
  GateKeeper *gates_;
  UndoPoints *undo_points_;
  ParentReader parent_;
  RecordedWorkReader record_;
};

}  // namespace agent_branch
