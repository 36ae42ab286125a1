#include "worker/core/merge/pieces_merge.hpp"

#include <memory>
#include <utility>

#include "worker/core/flow/require.hpp"
#include "worker/core/merge/rebase_flow.hpp"
#include "worker/core/merge/replay_judgement.hpp"

namespace agent_branch {
namespace {

constexpr milliseconds kLockTimeout{2'000};
constexpr milliseconds kInterval{500};
constexpr int kMostLockTimeouts = 5;
constexpr int kMostLostConnections = 5;
constexpr BackoffPolicy kLockBackoff{milliseconds(200), milliseconds(5'000)};
constexpr size_t kMostNamed = 100;
constexpr int64_t kTimeToDecide = 86'400;  // seconds that the backup is kept in any case
constexpr char kRepeatable[] = "repeatable";

bool MayPass(const std::string &sqlstate) {
  return sqlstate == "55P03" || sqlstate == "40P01" || sqlstate == "40001";
}

// "there schema.name" is a state and the object's own name.
std::pair<std::string, std::string> SplitState(const std::string &answer) {
  const size_t blank = answer.find(' ');
  if (blank == std::string::npos) return {answer, ""};
  return {answer.substr(0, blank), answer.substr(blank + 1)};
}

}  // namespace

PiecesWork &PiecesMerge::WorkOf(Session &session) {
  auto *work = dynamic_cast<PiecesWork *>(session.merge_work.get());
  if (work == nullptr) {
    auto made = std::make_unique<PiecesWork>();
    work = made.get();
    session.merge_work = std::move(made);
  }
  return *work;
}

Flow<Next> PiecesMerge::Run(Session &session, bool *moved) {
  Result<std::vector<Piece>> read = co_await Read(session);
  if (!read.ok()) co_return end_->Again(session, read.status());
  std::vector<Piece> pieces = std::move(*read);
  if (session.merge->pieces.empty()) {
    Next next = co_await Begin(session, std::move(pieces), moved);
    co_return next;
  }
  const std::vector<PieceState> states = ReadPieces(session.merge->pieces);
  if (states.size() != pieces.size()) {
    Fail(session, states.size(),
         Status::Error("XX000", "the migrations are not read as they were when the merge began"));
    co_return Next::Look();
  }
  const size_t number = NextPiece(states);
  if (number == states.size()) {
    Next next = co_await Complete(session);
    co_return next;
  }
  Piece piece = std::move(pieces[number]);
  if (states[number].status == PieceStatus::kRunning) {
    Next next = co_await Reconcile(session, std::move(piece), number);
    co_return next;
  }
  Next next = co_await RunPiece(session, std::move(piece), number);
  co_return next;
}

Flow<Result<std::vector<Piece>>> PiecesMerge::Read(Session &session) {
  co_await context_->Commit(session);
  Result<std::vector<AppliedMigration>> applied =
      context_->store().AppliedMigrations(session.row.id);
  if (!applied.ok()) co_return applied.status();
  std::vector<Piece> pieces;
  for (const AppliedMigration &migration : *applied) {
    Result<Script> script = co_await record_.ScriptOf(session, migration);
    if (!script.ok()) co_return script.status();
    AddPieces(session.merge->id, migration, *script, &pieces);
  }
  co_return pieces;
}

Flow<Next> PiecesMerge::Begin(Session &session, std::vector<Piece> pieces, bool *moved) {
  Result<std::optional<MergeRefusal>> shut = co_await gates_->Ask(session);
  if (!shut.ok()) co_return end_->Again(session, shut.status());
  if (shut->has_value()) {
    end_->Refuse(session, (*shut)->why, std::move((*shut)->conflicts));
    co_return Next::Look();
  }
  Result<bool> backed_up = co_await undo_points_->BackUpAnyway(session);
  if (!backed_up.ok()) co_return end_->Again(session, backed_up.status());
  if (!*backed_up || !session.merge) co_return Next::Look();
  if (session.undo_point->backup_branch_id.empty()) {
    end_->Refuse(session,
                 Status::Error("53000", "there is no backup to merge piece by piece behind",
                               session.undo_point->why_not + ".",
                               "Nothing was touched. Make room for a branch at Neon."),
                 {});
    co_return Next::Look();
  }
  Result<ParentNow> parent = co_await parent_.Look(session);
  if (!parent.ok()) co_return end_->Again(session, parent.status());
  if (parent->fingerprint != session.row.base_fingerprint) {
    *moved = true;
    co_return Next::Look();
  }
  if (session.given_up()) co_return Next::Look();
  undo_points_->KeepAtLeast(session, kTimeToDecide);
  session.merge->base_fingerprint = session.row.base_fingerprint;
  session.merge->parent_fingerprint = parent->fingerprint;
  session.merge->parent_reset_at = parent->last_reset_at;
  session.merge->pieces = PiecesJson(BeginPieces(pieces));
  context_->journal().Add(*session.merge);
  co_await context_->Commit(session);
  co_return Next::Look();
}

BranchTask PiecesMerge::TaskFor(const Session &session, const Piece &piece) const {
  const Project &project = *context_->inventory().FindProject(session.row.project_id);
  BranchTask task;
  const bool together = piece.segment.non_transactional == NonTransactional::kNo;
  task.kind = together ? BranchTaskKind::kMigrate : BranchTaskKind::kRunOutsideTransaction;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  task.settings = piece.segment.settings;
  task.record = together;
  task.sql = piece.sql;
  task.statements = piece.statements;
  task.longest_lock_wait = kLockTimeout;
  task.non_transactional = {piece.segment.non_transactional, piece.segment.object,
                            piece.segment.relation, piece.token};
  return task;
}

Flow<Next> PiecesMerge::RunPiece(Session &session, Piece piece, size_t number) {
  Result<ParentNow> parent = co_await parent_.Find(session);
  if (!parent.ok() && parent.status().sqlstate() == "55000") {
    Fail(session, number, parent.status());
    co_return Next::Look();
  }
  if (!parent.ok()) co_return end_->Again(session, parent.status());
  if (piece.segment.non_transactional == NonTransactional::kNo) {
    Next next = co_await RunTogether(session, std::move(piece), number);
    co_return next;
  }
  Next next = co_await RunAlone(session, std::move(piece), number);
  co_return next;
}

Flow<Next> PiecesMerge::RunTogether(Session &session, Piece piece, size_t number) {
  Set(session, number, PieceStatus::kRunning, {}, {});
  co_await context_->IntendAndCommit(session, StepKind::kRunPiece, piece.what);
  TransactionCalls calls;
  calls.hold = true;
  calls.judge = [](const BranchEvent &) { return Status(); };
  calls.note = [this, &session, number](const BranchEvent &ready) {
    Set(session, number, PieceStatus::kRunning, ready.transaction_id, {});
    undo_points_->AddReplay(session, ready);
  };
  BranchTask task = TaskFor(session, piece);
  TransactionEnd end =
      co_await RunTransaction(*context_, session, context_->ProjectOf(session), std::move(task),
                              piece.what + " to run on the parent", std::move(calls));
  switch (end.event.outcome) {
    case BranchOutcome::kDone:
      Done(session, number, "committed");
      co_return Next::Look();
    case BranchOutcome::kRejected: {
      BranchEvent event = std::move(end.event);
      Next next = co_await OnRejected(session, number, std::move(event));
      co_return next;
    }
    case BranchOutcome::kNotRun:
      co_return OnNotRun(session, number, end.event);
    case BranchOutcome::kCommitUnknown:
      break;
  }
  co_return end_->Again(session, end.event.error);
}

Flow<BranchEvent> PiecesMerge::Look(Session &session, Piece piece) {
  BranchTask task = TaskFor(session, piece);
  task.kind = BranchTaskKind::kInspectOutsideTransaction;
  task.record = false;
  BranchEvent event = co_await context_->Run(session, context_->ProjectOf(session), std::move(task),
                                             "the parent to say what there is");
  co_return event;
}

Flow<Next> PiecesMerge::RunAlone(Session &session, Piece piece, size_t number) {
  std::string before = kRepeatable;
  const NonTransactional alone = piece.segment.non_transactional;
  if (alone != NonTransactional::kRepeatable && alone != NonTransactional::kOnce) {
    Piece copy = piece;
    BranchEvent event = co_await Look(session, std::move(copy));
    if (event.outcome == BranchOutcome::kNotRun)
      co_return end_->Again(session, parent_.Trouble(session, event));
    if (event.outcome != BranchOutcome::kDone) {
      Fail(session, number, event.error);
      co_return Next::Look();
    }
    before = SplitState(event.answer).first;
  }
  Set(session, number, PieceStatus::kRunning, {}, before);
  co_await context_->IntendAndCommit(session, StepKind::kRunPiece, piece.what);
  BranchTask task = TaskFor(session, piece);
  BranchEvent event = co_await context_->Run(session, context_->ProjectOf(session), std::move(task),
                                             piece.what + " to run on the parent");
  if (event.outcome == BranchOutcome::kDone) {
    Done(session, number, "done");
    co_return Next::Look();
  }
  if (event.outcome == BranchOutcome::kNotRun) co_return OnNotRun(session, number, event);
  if (event.outcome == BranchOutcome::kCommitUnknown) co_return end_->Again(session, event.error);
  if (alone == NonTransactional::kCreateIndex || alone == NonTransactional::kReindex) {
    Piece copy = piece;
    BranchEvent left = co_await Look(session, std::move(copy));
    const auto [state, name] = SplitState(left.answer);
    const bool half = left.outcome == BranchOutcome::kDone && state == kAloneHalf;
    if (half && before != kAloneHalf) co_await CleanUp(session, std::move(piece), name);
  }
  Next next = co_await OnRejected(session, number, std::move(event));
  co_return next;
}

Flow<Next> PiecesMerge::CleanUp(Session &session, Piece piece, std::string name) {
  BranchTask task = TaskFor(session, piece);
  task.sql = "DROP INDEX CONCURRENTLY IF EXISTS " + name;
  BranchEvent event = co_await context_->Run(session, context_->ProjectOf(session), std::move(task),
                                             "the parent to be cleaned up");
  if (event.outcome == BranchOutcome::kDone) co_return Next::Look();
  co_return end_->Again(session, event.error);
}

Flow<Next> PiecesMerge::Reconcile(Session &session, Piece piece, size_t number) {
  const PieceState state = ReadPieces(session.merge->pieces)[number];
  Result<ParentNow> parent = co_await parent_.Find(session);
  const bool another = parent.ok() ? parent->last_reset_at != session.merge->parent_reset_at
                                   : parent.status().sqlstate() == "55000";
  if (another) {
    Fail(session, number,
         Status::Error("08007", "it is not known whether a piece was carried out",
                       "The parent is another branch now, or was restored since."));
    co_return Next::Look();
  }
  if (!parent.ok()) co_return end_->Again(session, parent.status());
  if (!state.before.empty()) {
    Next next = co_await LookAfter(session, std::move(piece), number);
    co_return next;
  }
  if (state.transaction_id.empty()) {
    // COMMIT is never sent before the id is noted, so whatever ran was rolled back.
    context_->CloseStep(session, false, "ended before its commit");
    Set(session, number, PieceStatus::kWaiting, {}, {});
    co_return Next::Look();
  }
  Project &project = context_->ProjectOf(session);
  BranchTask task;
  task.kind = BranchTaskKind::kTransactionStatus;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  task.transaction_id = state.transaction_id;
  BranchEvent event = co_await context_->Run(session, project, std::move(task),
                                             "the parent to say what was committed");
  if (event.outcome == BranchOutcome::kNotRun)
    co_return end_->Again(session, parent_.Trouble(session, event));
  const bool decided = event.outcome == BranchOutcome::kDone;
  if (decided && event.fate == TransactionFate::kCommitted) {
    Done(session, number, "found committed");
  } else if (decided && event.fate == TransactionFate::kAborted) {
    context_->CloseStep(session, false, "found rolled back");
    Set(session, number, PieceStatus::kWaiting, {}, {});
  } else if (decided && event.fate == TransactionFate::kInProgress) {
    co_await context_->Pause(session, kInterval, "a transaction on the parent to end");
  } else {
    Fail(session, number,
         Status::Error("08007", "it is not known whether a piece was carried out",
                       "The parent no longer knows transaction " + state.transaction_id + "."));
  }
  co_return Next::Look();
}

Flow<Next> PiecesMerge::LookAfter(Session &session, Piece piece, size_t number) {
  const std::string before = ReadPieces(session.merge->pieces)[number].before;
  const NonTransactional alone = piece.segment.non_transactional;
  if (alone == NonTransactional::kOnce) {
    Fail(session, number,
         Status::Error("08007", "it is not known whether a piece was carried out",
                       "What commits as it goes leaves nothing to be asked for."));
    co_return Next::Look();
  }
  Piece copy = piece;
  BranchEvent event = co_await Look(session, std::move(copy));
  if (event.outcome == BranchOutcome::kNotRun)
    co_return end_->Again(session, parent_.Trouble(session, event));
  if (event.outcome != BranchOutcome::kDone) {
    Fail(session, number, event.error);
    co_return Next::Look();
  }
  const auto [state, name] = SplitState(event.answer);
  if (state == kAloneRunning) {
    co_await context_->Pause(session, kInterval, "a statement on the parent to end");
    co_return Next::Look();
  }
  if (HadEffect(alone, before, state)) {
    Done(session, number, "found in effect");
    co_return Next::Look();
  }
  const bool left =
      state == kAloneHalf && before != kAloneHalf &&
      (alone == NonTransactional::kCreateIndex || alone == NonTransactional::kReindex);
  if (left) {
    Next next = co_await CleanUp(session, std::move(piece), name);
    co_return next;
  }
  context_->CloseStep(session, false, "found without effect");
  Set(session, number, PieceStatus::kWaiting, {}, {});
  co_return Next::Look();
}

Flow<Next> PiecesMerge::OnRejected(Session &session, size_t number, BranchEvent event) {
  context_->CloseStep(session, false, "SQLSTATE " + event.server_error.sqlstate);
  if (MayPass(event.server_error.sqlstate) && ++WorkOf(session).lock_timeouts < kMostLockTimeouts) {
    Set(session, number, PieceStatus::kWaiting, {}, {});
    const milliseconds delay = context_->Backoff(kLockBackoff, WorkOf(session).lock_timeouts);
    context_->ShowTrouble(session, event.error);
    co_await context_->Pause(session, delay, "a lock on the parent, to be asked for again");
    co_return Next::Look();
  }
  Fail(session, number, event.error);
  co_return Next::Look();
}

Next PiecesMerge::OnNotRun(Session &session, size_t number, const BranchEvent &event) {
  context_->CloseStep(session, false, "not run: " + event.error.message());
  Set(session, number, PieceStatus::kWaiting, {}, {});
  const Status why = parent_.Trouble(session, event);
  if (!event.sent || ++WorkOf(session).lost_connections < kMostLostConnections)
    return end_->Again(session, why);
  Fail(session, number, why);
  return Next::Look();
}

Flow<Next> PiecesMerge::Complete(Session &session) {
  Result<ParentNow> parent = co_await parent_.Look(session);
  if (!parent.ok()) co_return end_->Again(session, parent.status());
  RecordedWork nothing;
  Result<BranchNow> branch = co_await record_.LookAtBranch(session, std::move(nothing), false);
  if (!branch.ok()) co_return end_->Again(session, branch.status());
  const auto &managed = context_->ProjectOf(session).row.managed_schemas;
  const std::vector<std::string> unlike =
      FindUnexpected(WithoutManaged(branch->objects, managed),
                     WithoutManaged(parent->objects, managed), kMostNamed);
  Status but;
  if (!unlike.empty()) {
    but = Status::Error("AB005", "the parent is not what the branch is, though every piece ran",
                        "These differ: " + Listed(unlike) + ".",
                        "Others may have changed them meanwhile. Compare both.");
  }
  context_->Progress(session);
  end_->Merged(session, but);
  co_return Next::Look();
}

void PiecesMerge::Set(Session &session, size_t number, PieceStatus status,
                      const std::string &transaction_id, const std::string &before) {
  std::vector<PieceState> states = ReadPieces(session.merge->pieces);
  Require(number < states.size(), "a piece is one of the merge's");
  states[number].status = status;
  states[number].transaction_id = transaction_id;
  states[number].before = before;
  session.merge->pieces = PiecesJson(states);
  context_->journal().Add(*session.merge);
}

void PiecesMerge::Done(Session &session, size_t number, const std::string &outcome) {
  context_->CloseStep(session, true, outcome);
  Set(session, number, PieceStatus::kDone, ReadPieces(session.merge->pieces)[number].transaction_id,
      {});
  WorkOf(session).lock_timeouts = 0;
  context_->Progress(session);
}

void PiecesMerge::Fail(Session &session, size_t number, const Status &why) {
  std::vector<PieceState> states = ReadPieces(session.merge->pieces);
  if (number < states.size()) Set(session, number, PieceStatus::kFailed, {}, {});
  states = ReadPieces(session.merge->pieces);
  context_->CloseStep(session, false, "failed");
  const bool none = NextPiece(states) == 0;
  const std::string which = number < states.size() ? states[number].what : "a piece";
  const std::string backup = session.undo_point ? session.undo_point->backup_name : "";
  Status status = Status::Error(
      why.sqlstate(), which + " failed on the parent: " + why.message(),
      InEffect(states) + (why.detail().empty() ? "" : " " + why.detail()),
      none ? "Nothing is in effect. Mend it with agent_migrate() and merge again."
           : "agent_discard() this session and then agent_merge_undo() takes back what is in "
             "effect; the branch \"" +
                 backup + "\" holds the parent as it was before.");
  end_->Broken(session, status);
}

}  // namespace agent_branch
