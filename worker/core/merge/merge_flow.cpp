#include "worker/core/merge/merge_flow.hpp"

#include <utility>

#include "worker/core/flow/require.hpp"

namespace agent_branch {

bool MergeFlow::MayBeGivenUp(const Session &session) const {
  return !session.may_have_merged();
}

Flow<Next> MergeFlow::Run(Session &session) {
  if (!session.merge) {
    context_->Fail(session, Status::Error("XX000", "the merge's row is missing"));
    co_return Next::Look();
  }
  if (session.given_up() && MayBeGivenUp(session)) {
    // What a replay's transaction did was rolled back with its connection. A backup that was made
    // for it says whose it is, so that a sweep finds it.
    const bool replays = session.step && (session.step->kind == StepKind::kReplay ||
                                          session.step->kind == StepKind::kBackUp);
    if (replays) context_->CloseStep(session, false, "given up before its commit");
    end_.Cancel(session);
    co_return Next::Look();
  }
  co_await turn_.Await(session);
  if (session.merge->status != "running") {
    session.merge->status = "running";
    context_->journal().Add(*session.merge);
  }
  if (session.step && session.step->kind == StepKind::kBackUp) {
    Next next = co_await undo_points_.Reconcile(session);
    co_return next;
  }
  // Before a restore is sent, the only operations are those of a replay's backup.
  const bool backs_up = (session.merge->chosen == "replay" || session.merge->chosen == "pieces") &&
                        !session.row.operations.empty();
  if (backs_up) co_await context_->AwaitNotedBefore(session);
  const bool replaying = session.step && session.step->kind == StepKind::kReplay;
  if (replaying || session.may_have_replayed()) {
    Next next = co_await replay_.Reconcile(session);
    co_return next;
  }
  if (session.rebase) {
    Next next = co_await FinishRebase(session);
    co_return next;
  }
  const bool restoring =
      session.may_have_restored() || session.merge->accepted || session.uncertain;
  if (!restoring && session.merge->chosen.empty()) {
    Next next = co_await Choose(session);
    co_return next;
  }
  if (!restoring && session.merge->chosen == "replay") {
    Next next = co_await Replay(session);
    co_return next;
  }
  if (session.merge->chosen == "pieces") {
    Next next = co_await ByPieces(session);
    co_return next;
  }
  if (!restoring && session.merge->chosen == "candidate") {
    Next next = co_await ByCandidate(session);
    co_return next;
  }
  Next next = co_await restore_.Run(session);
  co_return next;
}

void MergeFlow::SetChosen(Session &session, const std::string &strategy,
                          const std::string &reason) {
  session.merge->chosen = strategy;
  session.merge->chosen_reason = reason;
  context_->journal().Add(*session.merge);
}

Flow<Next> MergeFlow::Choose(Session &session) {
  Result<bool> nothing = co_await ChangedNothing(session);
  if (!nothing.ok()) co_return end_.Again(session, nothing.status());
  const std::string &strategy = session.merge->strategy;
  if (*nothing) {
    SetChosen(session, "nothing", "the session changed nothing");
    end_.Merged(session);
  } else if (strategy == "restore") {
    SetChosen(session, "restore", "it was asked for");
  } else if (strategy == "replay") {
    SetChosen(session, "replay", "it was asked for");
  } else if (strategy == "candidate") {
    MergeRefusal nothing_better;
    Next next = co_await ChooseCandidate(session, std::move(nothing_better));
    co_return next;
  } else {
    SetChosen(session, "replay", "it keeps what others wrote to the parent");
  }
  co_return Next::Look();
}

Flow<Result<bool>> MergeFlow::ChangedNothing(Session &session) {
  Result<RecordedWork> recorded = co_await record_.Read(session);
  if (!recorded.ok()) co_return recorded.status();
  if (!recorded->migrations.empty()) co_return false;
  RecordedWork none = std::move(*recorded);
  // A restore carries them whatever is said of them.
  const bool rows_count =
      session.merge->strategy == "restore" || session.merge->on_unrecorded != "drop";
  Result<BranchNow> now = co_await record_.LookAtBranch(session, std::move(none), rows_count);
  if (!now.ok()) co_return now.status();
  co_return now->unrecorded.empty() && now->fingerprint == session.row.base_fingerprint;
}

Flow<Next> MergeFlow::Replay(Session &session) {
  StrategyEnd end = co_await replay_.Run(session);
  if (!end.cannot) co_return end.next;
  if (session.merge->strategy != "auto") {
    end_.Refuse(session, end.cannot->why, std::move(end.cannot->conflicts));
    co_return Next::Look();
  }
  MergeRefusal refusal = std::move(*end.cannot);
  Next next = co_await ChooseAnother(session, std::move(refusal));
  co_return next;
}

Flow<Next> MergeFlow::ChooseAnother(Session &session, MergeRefusal refusal) {
  Result<StillProof> still = co_await still_.Prove(session);
  if (!still.ok() && still.status().sqlstate() != "55000")
    co_return end_.Again(session, still.status());
  const std::string &sqlstate = refusal.why.sqlstate();
  const bool not_one_piece = sqlstate == "0A000" || sqlstate == "54000";
  if (still.ok() && still->moved.empty()) {
    // A parent that no restore may replace can still be merged into piece by piece.
    if (not_one_piece && context_->ProjectOf(session).row.allow_pieces) {
      Result<std::optional<Status>> unfit = co_await restore_.WhyNotRestorable(session);
      if (!unfit.ok()) co_return end_.Again(session, unfit.status());
      if (unfit->has_value()) {
        Next next = co_await ChoosePieces(session, std::move(refusal));
        co_return next;
      }
    }
    SetChosen(session, "restore",
              "nothing was written to the parent, and a replay is not possible: " +
                  refusal.why.message());
    co_return Next::Look();
  }
  // Others' writes cannot be kept by a replay: it is not possible, or takes longer than it may.
  if (not_one_piece) {
    Next next = co_await ChooseCandidate(session, std::move(refusal));
    co_return next;
  }
  end_.Refuse(session, refusal.why, std::move(refusal.conflicts));
  co_return Next::Look();
}

Flow<Next> MergeFlow::ChooseCandidate(Session &session, MergeRefusal otherwise) {
  const bool asked_for = otherwise.why.ok();
  Result<std::optional<Status>> unfit = co_await restore_.WhyNotRestorable(session);
  if (!unfit.ok()) co_return end_.Again(session, unfit.status());
  if (unfit->has_value()) {
    if (!asked_for) {
      Next next = co_await ChoosePieces(session, std::move(otherwise));
      co_return next;
    }
    end_.Refuse(session, **unfit, {});
    co_return Next::Look();
  }
  Result<std::optional<MergeRefusal>> refusal = co_await replay_.WeighDrift(session);
  if (!refusal.ok()) co_return end_.Again(session, refusal.status());
  if (refusal->has_value()) {
    end_.Refuse(session, (*refusal)->why, std::move((*refusal)->conflicts));
  } else {
    SetChosen(session, "candidate",
              asked_for ? "it was asked for"
                        : "the parent was written to, and a replay is not possible: " +
                              otherwise.why.message());
  }
  co_return Next::Look();
}

Flow<Next> MergeFlow::ChoosePieces(Session &session, MergeRefusal otherwise) {
  if (!context_->ProjectOf(session).row.allow_pieces) {
    end_.Refuse(session, otherwise.why, std::move(otherwise.conflicts));
    co_return Next::Look();
  }
  Result<std::optional<MergeRefusal>> refusal = co_await replay_.WeighPieces(session);
  if (!refusal.ok()) co_return end_.Again(session, refusal.status());
  if (refusal->has_value()) {
    end_.Refuse(session, (*refusal)->why, std::move((*refusal)->conflicts));
  } else {
    SetChosen(session, "pieces",
              "the project allows it, and nothing else is possible: " + otherwise.why.message());
  }
  co_return Next::Look();
}

Flow<Next> MergeFlow::ByPieces(Session &session) {
  constexpr int kMostRehearsals = 3;
  if (session.merge->candidates == 0) {
    Next next = co_await MakeCandidate(session);
    co_return next;
  }
  bool moved = false;
  Next next = co_await pieces_.Run(session, &moved);
  if (!moved) co_return next;
  if (session.merge->candidates < kMostRehearsals) {
    next = co_await MakeCandidate(session);
    co_return next;
  }
  end_.Refuse(session,
              Status::Error("40001", "the parent's schema changed after each rehearsal", {},
                            "Nothing was touched. Merge again when nobody changes it."),
              {});
  co_return Next::Look();
}

Flow<Next> MergeFlow::FinishRebase(Session &session) {
  Result<std::vector<std::string>> missing = co_await rebase_->Finish(session);
  if (!missing.ok()) co_return end_.Again(session, missing.status());
  if (!missing->empty()) end_.Refuse(session, UnrecordedObjects(*missing), {});
  context_->Save(session);
  co_return Next::Look();
}

Flow<Next> MergeFlow::ByCandidate(Session &session) {
  constexpr int kMostCandidates = 3;
  const bool overtaken =
      session.merge->candidates < kMostCandidates && restore_.WasOvertaken(session);
  if (session.merge->candidates == 0 || overtaken) {
    Next next = co_await MakeCandidate(session);
    co_return next;
  }
  // Somebody writes all the time.
  const bool worn_out = session.merge->strategy == "auto" &&
                        context_->ProjectOf(session).row.allow_pieces &&
                        restore_.WasOvertaken(session);
  if (worn_out) {
    MergeRefusal busy{Status::Error("40001", "the parent was written to after each candidate"), {}};
    Next next = co_await ChoosePieces(session, std::move(busy));
    co_return next;
  }
  Next next = co_await restore_.Run(session);
  co_return next;
}

Flow<Next> MergeFlow::MakeCandidate(Session &session) {
  const bool drops = session.merge->on_unrecorded == "drop";
  Result<std::optional<Status>> refused = co_await rebase_->Begin(session, drops);
  if (!refused.ok()) co_return end_.Again(session, refused.status());
  if (refused->has_value()) {
    end_.Refuse(session, **refused, {});
    co_return Next::Look();
  }
  if (!session.rebase) co_return Next::Look();  // it was given up meanwhile
  ++session.merge->candidates;
  context_->journal().Add(*session.merge);
  // Others may go on while it is made: it is proven to be still when it is restored from.
  Project &project = context_->ProjectOf(session);
  project.merging_session = 0;
  project.merge_turn.NotifyAll();
  co_return Next::Look();
}

}  // namespace agent_branch
