// The part of ReplayMerge that deals with how the replay's transaction ended.
#include <set>
#include <utility>

#include "worker/core/flow/require.hpp"
#include "worker/core/merge/gate_script.hpp"
#include "worker/core/merge/replay_merge.hpp"

namespace agent_branch {
namespace {

constexpr milliseconds kFateInterval{200};

constexpr int kMostLockTimeouts = 5;

constexpr BackoffPolicy kLockBackoff{milliseconds(200), milliseconds(5'000)};

constexpr char kNoLock[] = "55P03";  // lock_timeout

// XX000 is what the server says of a catalog that others change while it is described: "could not
// open relation with OID 16384".
bool MayPass(const std::string &sqlstate) {
  return sqlstate == kNoLock || sqlstate == "40P01" || sqlstate == "40001" || sqlstate == "XX000";
}

std::vector<std::string> LockedTables(const ReplayPlan &plan) {
  std::set<std::string> tables;
  for (const HeldLocks &held : plan.recorded.rows.locks) {
    for (const auto &[table, lock] : held.strongest)
      tables.insert(table);
  }
  return {tables.begin(), tables.end()};
}

}  // namespace

Flow<StrategyEnd> ReplayMerge::OnRefused(Session &session, Plan plan, Status why) {
  context_->CloseStep(session, false, "rolled back: " + why.message());
  // The branch that was looked at may have been found gone, and the merge with it.
  if (!session.merge) co_return StrategyEnd();
  session.merge->transaction_id.clear();
  context_->journal().Add(*session.merge);
  if (std::exchange(WorkOf(session).unasked, false)) {
    StrategyEnd again{end_->Again(session, why), {}};
    co_return again;
  }
  // Between the look at the parent and the transaction others may have changed its schema.
  Result<ParentNow> parent = co_await parent_.Look(session);
  if (!parent.ok()) {
    StrategyEnd again{end_->Again(session, parent.status()), {}};
    co_return again;
  }
  const bool moved =
      parent->fingerprint != plan.parent.fingerprint || why.sqlstate() == kBranchMoved;
  if (moved && ++WorkOf(session).moved < kMostMoves) co_return StrategyEnd();
  co_return StrategyEnd::Cannot(std::move(why));
}

Flow<StrategyEnd> ReplayMerge::OnEnd(Session &session, Plan plan, TransactionEnd end) {
  StrategyEnd ended;
  if (!end.refusal.ok()) {
    ended = co_await OnRefused(session, std::move(plan), std::move(end.refusal));
    co_return ended;
  }
  switch (end.event.outcome) {
    case BranchOutcome::kDone:
      context_->CloseStep(session, true, "committed");
      Merged(session);
      break;
    case BranchOutcome::kRejected:
      ended = co_await OnRejected(session, std::move(plan), std::move(end.event));
      break;
    case BranchOutcome::kNotRun:
      session.merge->transaction_id.clear();
      context_->journal().Add(*session.merge);
      context_->CloseStep(session, false, "not run: " + end.event.error.message());
      ended.next = end_->Again(session, parent_.Trouble(session, end.event));
      break;
    case BranchOutcome::kCommitUnknown:
      session.uncertain = true;
      ended.next = end_->Again(session, end.event.error);
      break;
  }
  co_return ended;
}

Flow<StrategyEnd> ReplayMerge::OnRejected(Session &session, Plan plan, BranchEvent event) {
  const ServerError &error = event.server_error;
  session.merge->transaction_id.clear();
  context_->journal().Add(*session.merge);
  context_->CloseStep(session, false, "SQLSTATE " + error.sqlstate);
  std::string detail = error.detail;
  if (error.sqlstate == kNoLock) {
    const std::string blockers = co_await parent_.Blockers(session, LockedTables(plan));
    if (!session.merge) co_return StrategyEnd();
    if (!blockers.empty()) detail += (detail.empty() ? "" : "\n") + blockers;
  }
  if (MayPass(error.sqlstate) && ++WorkOf(session).lock_timeouts < kMostLockTimeouts) {
    const milliseconds delay = context_->Backoff(kLockBackoff, WorkOf(session).lock_timeouts);
    context_->ShowTrouble(session,
                          Status::Error(error.sqlstate, error.message, detail, error.hint));
    co_await context_->Pause(session, delay,
                             error.sqlstate == kNoLock
                                 ? "a lock on the parent, to be asked for again"
                                 : "others' changes of the parent, to run the migrations again");
    co_return StrategyEnd();
  }
  ReplayScript failed;
  if (event.script < plan.scripts.size()) failed = plan.scripts[event.script];
  if (failed.kind == ReplayScript::Kind::kGate) {
    OnGate(session, plan, failed, error);
    co_return StrategyEnd();
  }
  if (failed.kind == ReplayScript::Kind::kGuard) {
    Status why =
        Status::Error(error.sqlstate, error.message, detail,
                      "Nothing was touched. Call agent_rebase(), which runs the migrations "
                      "on the parent as it is now, or discard the session.");
    co_return StrategyEnd::Cannot(std::move(why));
  }
  std::string which = "the migrations";
  if (failed.number < plan.recorded.migrations.size() && event.completed >= 0)
    which = "migration " + std::to_string(plan.recorded.migrations[failed.number].ordinal);
  Status why = Status::Error(error.sqlstate, which + " failed on the parent: " + error.message,
                             detail, error.hint.empty() ? "Nothing was touched." : error.hint);
  co_return StrategyEnd::Cannot(std::move(why));
}

void ReplayMerge::OnGate(Session &session, const Plan &plan, const ReplayScript &gate,
                         const ServerError &error) {
  const std::vector<GateAnswer> answers{ReadGateError(plan.gates[gate.number], error)};
  session.merge->gates = GatesJson(answers);
  std::optional<MergeRefusal> refusal = JudgeGates(answers);
  Require(refusal.has_value(), "a gate that ended a replay does not hold");
  end_->Refuse(session, refusal->why, std::move(refusal->conflicts));
}

void ReplayMerge::Merged(Session &session) {
  context_->Progress(session);
  end_->Merged(session);
}

void ReplayMerge::Unknown(Session &session, const std::string &detail) {
  context_->CloseStep(session, false, "outcome unknown");
  end_->Broken(session,
               Status::Error("08007", "it is not known whether the replay was committed", detail,
                             "Compare the parent with the branch, which is kept."));
}

Flow<Next> ReplayMerge::Reconcile(Session &session) {
  if (session.merge->transaction_id.empty()) {
    // COMMIT is never sent before the id is noted, so whatever ran was rolled back.
    context_->CloseStep(session, false, "ended before its commit");
    co_return Next::Look();
  }
  Project &project = context_->ProjectOf(session);
  Result<ParentNow> parent = co_await parent_.Find(session);
  if (!parent.ok() && parent.status().sqlstate() != "55000")
    co_return end_->Again(session, parent.status());
  if (!parent.ok() || parent->last_reset_at != session.merge->parent_reset_at) {
    Unknown(session, "The parent is another branch now, or was restored since.");
    co_return Next::Look();
  }
  BranchTask task;
  task.kind = BranchTaskKind::kTransactionStatus;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  task.transaction_id = session.merge->transaction_id;
  BranchEvent event = co_await context_->Run(session, project, std::move(task),
                                             "the parent to say what was committed");
  if (event.outcome == BranchOutcome::kNotRun)
    co_return end_->Again(session, parent_.Trouble(session, event));
  const bool decided = event.outcome == BranchOutcome::kDone;
  if (decided && event.fate == TransactionFate::kCommitted) {
    context_->CloseStep(session, true, "found committed");
    Merged(session);
  } else if (decided && event.fate == TransactionFate::kAborted) {
    session.merge->transaction_id.clear();
    context_->journal().Add(*session.merge);
    context_->CloseStep(session, false, "found rolled back");
  } else if (decided && event.fate == TransactionFate::kInProgress) {
    co_await context_->Pause(session, kFateInterval, "a transaction on the parent to end");
  } else {
    Unknown(session,
            "The parent no longer knows transaction " + session.merge->transaction_id + ".");
  }
  co_return Next::Look();
}

}  // namespace agent_branch
