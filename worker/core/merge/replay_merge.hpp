// Merge by replay: the recorded migrations, byte for byte as they ran on the branch, run on the
// parent in one transaction.
//
// It commits only if the schema is then what it has to be and the rows by table changed as they did
// on the branch (replay_judgement.hpp). So every row that was written to the parent stays, nothing
// is added to Neon's lineage, no connection is dropped, and no call of the API is made. The
// transaction's id is noted before its COMMIT: that makes a lost answer decidable, as long as the
// parent is not restored meanwhile, which its last_reset_at tells.
#pragma once

#include <string>
#include <vector>

#include "worker/core/flow/transaction_run.hpp"
#include "worker/core/merge/gates.hpp"
#include "worker/core/merge/merge_end.hpp"
#include "worker/core/merge/other_order.hpp"
#include "worker/core/merge/parent_now.hpp"
#include "worker/core/merge/recorded_work.hpp"
#include "worker/core/merge/undo_point.hpp"

namespace agent_branch {

struct ReplayWork : MergeWork {
  bool unasked = false;   // the branch could not say whether it is still
  int lock_timeouts = 0;  // and deadlocks, and other conflicts of its transaction with others'
  int moved = 0;          // how often others changed the parent's schema meanwhile, or the branch
};

class ReplayMerge {
 public:
  using Plan = ReplayPlan;

  ReplayMerge(SessionContext *context, ConnectionUris *uris, MergeEnd *end, GateKeeper *gates,
              UndoPoints *undo_points)
      : context_(context),
        end_(end),
        gates_(gates),
        undo_points_(undo_points),
        parent_(context, uris),
        record_(context, uris),
        other_order_(context, &record_) {}

  // The session holds its project's merge turn.
  Flow<StrategyEnd> Run(Session &session);
  // Whether the parent's schema, as it is now, and what is on the branch let another strategy carry
  // the migrations to it; else why not.
  Flow<Result<std::optional<MergeRefusal>>> WeighDrift(Session &session);
  // The same, of a merge piece by piece: which takes nothing away that others may write to.
  Flow<Result<std::optional<MergeRefusal>>> WeighPieces(Session &session);
  // Looks at both sides. rows_count: see RecordedWorkReader::LookAtBranch().
  Flow<Result<Plan>> Prepare(Session &session, bool rows_count);
  // What speaks against the plan; nothing: it can be carried out. wishes: the strategy, and what to
  // do about drift.
  std::optional<MergeRefusal> Weigh(const Session &session, const MergeRow &wishes,
                                    Plan *plan) const;
  // Of these, what speaks against any strategy that keeps what others changed in the schema.
  std::optional<MergeRefusal> WeighSchema(const Session &session, const MergeRow &wishes,
                                          Plan *plan) const;
  // Where both sides changed the schema: whether one uses what the other changed, or acts on its
  // rows. others: receives what OtherOrder::FindOthers() finds.
  Flow<Result<std::optional<MergeRefusal>>> WeighDependences(Session &session, const Plan *plan,
                                                             std::vector<RecordedWork> *others);
  // What became of a replay whose COMMIT may have been sent, or of a step that was left open.
  Flow<Next> Reconcile(Session &session);

 private:
  static ReplayWork &WorkOf(Session &session);
  Flow<Result<std::optional<MergeRefusal>>> WeighPlan(Session &session, bool takes_nothing);
  std::string FindGuard(const Session &session, const Plan &plan) const;
  Flow<StrategyEnd> Replay(Session &session, Plan plan);
  static std::vector<ReplayScript> ScriptsOf(const Plan &plan, milliseconds statement_timeout);
  BranchTask TaskFor(const Session &session, const Plan &plan) const;
  // Whether something was committed on the branch since the plan was made: it would be left behind.
  Flow<Status> SeeBranchStill(Session &session, const Plan *plan);
  Status JudgeDone(const Session &session, const Plan &plan, const BranchEvent &ready) const;
  // What is on the branch and in no migration was dropped, or nothing is there.
  StrategyEnd EndWithoutMigrations(Session &session, const Plan &plan);
  Flow<StrategyEnd> OnRefused(Session &session, Plan plan, Status why);
  Flow<StrategyEnd> OnEnd(Session &session, Plan plan, TransactionEnd end);
  Flow<StrategyEnd> OnRejected(Session &session, Plan plan, BranchEvent event);
  void OnGate(Session &session, const Plan &plan, const ReplayScript &gate,
              const ServerError &error);
  void Unknown(Session &session, const std::string &detail);
  void Merged(Session &session);

  SessionContext *context_;
  MergeEnd *end_;
  GateKeeper *gates_;
  UndoPoints *undo_points_;
  ParentReader parent_;
  RecordedWorkReader record_;
  OtherOrder other_order_;
};

}  // namespace agent_branch
