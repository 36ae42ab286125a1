#include "worker/core/merge/restore_merge.hpp"

#include <utility>

#include "worker/core/merge/fence.hpp"
#include "worker/core/merge/rebase_flow.hpp"
#include "worker/core/merge/reservation.hpp"
#include "worker/core/neon/parent.hpp"

namespace agent_branch {
namespace {

// A restore overwrites what was written after the look that proved the parent unchanged.
constexpr milliseconds kLongestSinceProof{2'000};

std::string BackupName(const Project &project, const Session &session) {
  // Unique to the merge, and to this control database.
  constexpr size_t kLongestName = 256;  // that Neon takes
  const std::string suffix =
      "-before-" + session.row.uuid.substr(0, 8) + "-" + std::to_string(session.merge->id);
  return project.row.parent.substr(0, kLongestName - suffix.size()) + suffix;
}

// Whether the restore that the parent had may be this merge's own, though nothing says that one was
// sent: a standby that lagged when it was promoted lacks what was committed last. After another
// session's merge none was sent.
bool MayBeForgotten(const Session &session, const RestoreWork &work) {
  return !work.fence.empty() && !session.may_have_restored() && work.backup_lookups == 0 &&
         session.row.parent_reset_at.rfind(kFenced, 0) != 0;
}

std::string Fence(const Session &session, const NeonBranch &parent) {
  if (parent.id != session.row.parent_branch_id) {
    return "Another branch has the parent's name now: " + parent.id;
  }
  if (parent.last_reset_at != session.row.parent_reset_at) {
    return "The parent was restored at " +
           (parent.last_reset_at.empty() ? "an unknown time" : parent.last_reset_at) +
           ", after the session began";
  }
  return {};
}

std::optional<Status> TooManyPinned(const Project &project) {
  if (!project.row.max_pinned) return std::nullopt;
  size_t pinned = 0;
  for (const auto &[id, kept] : project.kept)
    pinned += kept.kind == "pinned" || kept.holds_parent ? 1 : 0;
  if (pinned < static_cast<size_t>(*project.row.max_pinned)) return std::nullopt;
  return Status::Error(
      "53400", "the project has its max_pinned of pinned branches",
      std::to_string(pinned) + " branches of earlier merges cannot be deleted at Neon yet.",
      "Merge by replay (strategy => 'replay'), which adds none. To let them go: make a new parent "
      "at "
      "Neon below the root, bring the present schema and rows there, register it with "
      "agent_project_register(), delete the old parent, and call agent_reap(). Or raise the "
      "project's max_pinned.");
}

}  // namespace

RestoreWork &RestoreMerge::WorkOf(Session &session) {
  auto *work = dynamic_cast<RestoreWork *>(session.merge_work.get());
  if (work == nullptr) {
    auto made = std::make_unique<RestoreWork>();
    work = made.get();
    session.merge_work = std::move(made);
  }
  return *work;
}

Flow<Next> RestoreMerge::Run(Session &session) {
  RestoreWork &work = WorkOf(session);
  if (session.uncertain) {
    Next next = co_await Reconcile(session);
    if (next.fails()) co_return next;
  }
  if (!session.row.operations.empty()) {
    std::vector<NeonOperation> failed = co_await context_->AwaitNotedBefore(session);
    OnOperations(session, failed);
  }
  Next next;
  if (session.merge->accepted) {
    next = co_await Complete(session);
  } else if (session.may_have_restored() &&
             (work.refusal || session.branch_gone || session.given_up())) {
    next = co_await RuleOut(session);
  } else if (session.given_up()) {
    end_->Cancel(session);
  } else if (work.refusal) {
    const MergeRefusal refusal = std::move(*work.refusal);
    end_->Refuse(session, refusal.why, refusal.conflicts);
  } else if (session.branch_gone) {
    end_->Broken(session, Status::Error("55000", "the branch no longer exists at Neon", {},
                                        "Discard the session and create it again."));
  } else {
    next = co_await Check(session);
  }
  co_return next;
}

Flow<Result<std::optional<Status>>> RestoreMerge::WhyNotRestorable(Session &session) {
  const Project &project = context_->ProjectOf(session);
  const std::string name = project.row.parent;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return named.status();
  Result<NeonBranch> parent = CheckRestorable(project.row, named.value());
  if (!parent.ok()) co_return std::optional<Status>(parent.status());
  co_return TooManyPinned(project);
}

bool RestoreMerge::WasOvertaken(Session &session) {
  const RestoreWork &work = WorkOf(session);
  const bool overtaken =
      work.refusal && work.refusal->why.sqlstate() == "40001" && !session.may_have_restored();
  if (overtaken) session.merge_work.reset();
  return overtaken;
}

Flow<Next> RestoreMerge::Check(Session &session) {
  Project &project = context_->ProjectOf(session);
  const std::string name = project.row.parent;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return Next::Again(named.status());
  Result<NeonBranch> parent = CheckRestorable(project.row, named.value());
  if (!parent.ok()) {
    Refuse(session, parent.status(), {});
    co_return Next::Look();
  }
  if (std::optional<Status> full = TooManyPinned(project)) {
    Refuse(session, *full, {});
    co_return Next::Look();
  }
  RestoreWork &work = WorkOf(session);
  work.fence = Fence(session, parent.value());
  project.parent_seen = {parent->id, parent->last_reset_at, context_->now()};
  session.merge->parent_reset_at = parent->last_reset_at;
  session.merge->base_fingerprint = session.row.base_fingerprint;
  context_->journal().Add(*session.merge);
  if (!work.fence.empty() && session.may_have_restored()) {
    // It may have been our own restore.
    Next next = co_await RuleOut(session);
    if (next.fails() || session.merge->accepted || session.may_have_restored()) co_return next;
  } else if (MayBeForgotten(session, work)) {
    Next next = co_await LookForForgotten(session);
    if (next.fails() || session.merge->accepted) co_return next;
  }
  // What has moved is refused for that.
  if (work.fence.empty()) {
    Result<std::string> snapshot = co_await BranchSnapshot(session);
    if (!snapshot.ok()) co_return end_->Again(session, snapshot.status());
    work.tested = std::move(*snapshot);
    Result<std::optional<MergeRefusal>> shut = co_await gates_->Ask(session);
    if (!shut.ok()) co_return end_->Again(session, shut.status());
    if (shut->has_value()) {
      Refuse(session, (*shut)->why, std::move((*shut)->conflicts));
      co_return Next::Look();
    }
  }
  if (session.row.branch_expires_at != 0 && work.fence.empty()) {
    Next next = co_await ClearExpiry(session);
    if (next.fails() || session.row.branch_expires_at != 0) co_return next;
  }
  // The URIs are those of the branch that has the parent's name now.
  Next next = co_await uris_->FetchParents(session, parent->id);
  if (next.fails()) co_return next;
  if (work.fence.empty()) {
    // Dropping the agent's role is a transaction on the branch, too: what the gates were asked of
    // is looked at before it, and noted anew behind it, as is where the branch stands for an undo.
    Result<bool> tested = co_await IsAsTested(session);
    if (!tested.ok()) co_return end_->Again(session, tested.status());
    if (!*tested) co_return Next::Look();
    Result<std::optional<Status>> kept = co_await LeaveAgentsBehind(session);
    if (!kept.ok()) co_return end_->Again(session, kept.status());
    if (kept->has_value()) {
      Refuse(session, **kept, {});
      co_return Next::Look();
    }
    // The branch may have been found gone, and the merge with it.
    if (!session.merge || session.branch_gone) co_return Next::Look();
    Result<std::string> snapshot = co_await BranchSnapshot(session);
    if (!snapshot.ok()) co_return end_->Again(session, snapshot.status());
    work.tested = std::move(*snapshot);
    next = co_await undo_points_->BeforeRestore(session);
  }
  if (next.fails() || !session.merge || session.branch_gone) co_return next;
  next = co_await CompareAndRestore(session);
  co_return next;
}

Flow<Next> RestoreMerge::LookForForgotten(Session &session) {
  RestoreWork &work = WorkOf(session);
  const std::string name = BackupName(context_->ProjectOf(session), session);
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return Next::Again(named.status());
  ++work.backup_lookups;
  if (named->has_value()) {
    session.merge->backup_name = name;
    Accept(session);
  }
  co_return Next::Look();
}

Flow<Next> RestoreMerge::ClearExpiry(Session &session) {
  const Project &project = context_->ProjectOf(session);
  const std::string id = session.row.branch_id;
  NeonRequest request = SetExpiryRequest(project.row.neon_id, id, {});
  ApiAnswer answer = co_await context_->Change(session, Priority::kMerge, std::move(request),
                                               StepKind::kSetExpiry, id);
  if (answer.classified.kind == ResponseKind::kRefused) {
    Refuse(session, answer.classified.why, {});
    co_return Next::Look();
  }
  if (answer.classified.kind != ResponseKind::kDone) {
    Next next = co_await context_->AfterBranchFailure(session, answer.classified.why);
    co_return next;
  }
  session.row.branch_expires_at = 0;
  session.expiry_asked = 0;
  context_->Save(session);
  co_return Next::Look();
}

Flow<Next> RestoreMerge::CompareAndRestore(Session &session) {
  Project &project = context_->ProjectOf(session);
  // What is compared now is to be what is replaced: no change of the project comes in between.
  Reservation reservation(&project, &session);
  while (project.busy()) {
    co_await ConditionWait(&session, &project.changes_possible,
                           "other changes of the project at Neon to end");
  }
  RunningTask locks = LockTables(session);
  BranchEvent locked = co_await locks.Event();
  if (locked.kind != BranchEvent::Kind::kReadyToCommit)
    co_return Next::Again(parent_.Trouble(session, locked));
  Result<std::optional<Instant>> proven = co_await Compare(session);
  if (!proven.ok()) co_return Next::Again(proven.status());
  if (!proven->has_value()) co_return Next::Look();
  Result<bool> tested = co_await IsAsTested(session);
  if (!tested.ok()) co_return end_->Again(session, tested.status());
  if (!*tested) co_return Next::Look();
  // The locks are held until Neon has answered: whoever wants to write gets an error, and no answer
  // that is lost.
  Next next = co_await Restore(session, **proven);
  co_return next;
}

Flow<Result<std::string>> RestoreMerge::BranchSnapshot(Session &session) {
  if (context_->ProjectOf(session).row.gates.empty()) co_return std::string();
  BranchTask task;
  task.kind = BranchTaskKind::kGate;
  task.sql = SnapshotQuery();
  BranchEvent event =
      co_await gates_->AskBranch(session, std::move(task), "the branch to say whether it is still");
  if (event.outcome != BranchOutcome::kDone) co_return event.error;
  co_return event.answer;
}

Flow<Result<bool>> RestoreMerge::IsAsTested(Session &session) {
  Result<std::string> snapshot = co_await BranchSnapshot(session);
  if (!snapshot.ok()) co_return snapshot.status();
  RestoreWork &work = WorkOf(session);
  if (*snapshot == work.tested) co_return true;
  constexpr int kMostMoves = 5;
  if (++work.moved >= kMostMoves) {
    Refuse(session,
           Status::Error("55006", "the branch is written to while it is merged", {},
                         "Nothing was touched. Merge once nobody works on the branch any more."),
           {});
  }
  co_return false;
}

Flow<Next> RestoreMerge::Restore(Session &session, Instant proven_at) {
  const Project &project = context_->ProjectOf(session);
  RestoreWork &work = WorkOf(session);
  // Written with the step that sends it, so that a merge that got no further names no backup.
  session.merge->backup_name = BackupName(project, session);
  work.backup_lookups = 0;
  context_->journal().Add(*session.merge);
  const std::string parent_id = session.row.parent_branch_id;
  ApiCall call =
      context_->MakeChange(session, Priority::kMerge,
                           RestoreRequest(project.row.neon_id, parent_id, session.row.branch_id,
                                          session.merge->backup_name),
                           StepKind::kRestore, parent_id);
  call.returns_unsent = true;
  call.valid_until = proven_at + kLongestSinceProof;
  ApiAnswer answer = co_await context_->Call(session, std::move(call));
  const ResponseKind kind = answer.classified.kind;
  if (kind == ResponseKind::kUnknown) co_return Next::Again(answer.classified.why);
  // The backup's name is this merge's own: if it exists, an earlier request of ours was done.
  if (kind != ResponseKind::kDone && kind != ResponseKind::kExists) {
    co_return OnNotRestored(session, answer);
  }
  Accept(session);
  if (kind != ResponseKind::kDone) co_return Next::Look();
  Result<NeonChange> restored = ParseChange(answer.body);
  const bool ours = restored.ok() && restored->branch.id == parent_id;
  if (!ours || restored->operations.empty()) co_return Next::Look();
  // The restored parent hangs under our branch, which therefore cannot be deleted yet.
  session.row.pinned = restored->branch.parent_id == session.row.branch_id;
  WorkOf(session).reset_at = restored->branch.last_reset_at;
  std::vector<NeonOperation> failed =
      co_await context_->AwaitNoted(session, std::move(restored->operations));
  OnOperations(session, failed);
  co_return Next::Look();
}

Next RestoreMerge::OnNotRestored(Session &session, const ApiAnswer &answer) {
  switch (answer.classified.kind) {
    case ResponseKind::kLimit:
      admission_->MakeRoom(context_->ProjectOf(session));
      [[fallthrough]];
    case ResponseKind::kBusy:
    case ResponseKind::kThrottled:
    case ResponseKind::kUnavailable:
    case ResponseKind::kKey:
    case ResponseKind::kForbidden:
    case ResponseKind::kUnreachable:
      // Nothing has happened, and what was compared may be another thing when it is tried again.
      return Next::Again(answer.classified.why);
    default:
      break;
  }
  // An expiry that was asked for before may come after it was cleared.
  RestoreWork &work = WorkOf(session);
  const bool expiring = answer.classified.why.message().find("expir") != std::string::npos;
  if (expiring && !work.expiry_cleared_again) {
    work.expiry_cleared_again = true;
    context_->ForgetExpiry(session);
    return Next::Again(answer.classified.why);
  }
  Refuse(session, answer.classified.why, {});
  return Next::Look();
}

void RestoreMerge::Refuse(Session &session, const Status &why, std::vector<ConflictRow> conflicts) {
  // Of a candidate another one may be made.
  if (!session.may_have_restored() && session.merge->chosen != "candidate") {
    end_->Refuse(session, why, std::move(conflicts));
    return;
  }
  // What looks like a reason may be the work of our own restore. One that was refused may have been
  // done as well: when something on the way repeats a request, the answer is that to the last one.
  context_->ShowTrouble(session, why);
  WorkOf(session).refusal = MergeRefusal{why, std::move(conflicts)};
}

}  // namespace agent_branch
