#include "worker/core/merge/undo_flow.hpp"

#include <memory>
#include <utility>

#include "worker/core/base/json.hpp"
#include "worker/core/merge/rebase_flow.hpp"
#include "worker/core/merge/recorded_work.hpp"
#include "worker/core/merge/reservation.hpp"
#include "worker/core/merge/standpoint.hpp"
#include "worker/core/merge/still_proof.hpp"
#include "worker/core/neon/parent.hpp"

namespace agent_branch {
namespace {

constexpr milliseconds kLongestSinceProof{2'000};
constexpr milliseconds kLockTimeout{2'000};
constexpr size_t kMostNamed = 100;

std::string PreservedName(const Project &project, const Session &session) {
  constexpr size_t kLongestName = 256;  // that Neon takes
  const std::string suffix =
      "-undone-" + session.row.uuid.substr(0, 8) + "-" + std::to_string(session.undo->id);
  return project.row.parent.substr(0, kLongestName - suffix.size()) + suffix;
}

// A parent that a restore made has statistics of its own, which begin with it: all that they count
// of VACUUM and ANALYZE came since, also what came before they were noted.
bool IsMaintainedSinceRestore(const UndoPointRow &point, std::string_view unrecorded) {
  Result<JsonDocument> before = ParseJson(point.standpoint);
  Result<JsonDocument> noted = ParseJson(point.statistics);
  Result<JsonDocument> now = ParseJson(unrecorded);
  if (!before.ok() || !noted.ok() || !now.ok()) return false;
  const std::string since = JsonString(&*now, "statistics_since");
  const bool began = since == JsonString(&*noted, "statistics_since") &&
                     since != JsonString(&*before, "statistics_since");
  const std::optional<int64_t> foreign = JsonInteger(&*now, "foreign_count");
  const std::optional<int64_t> maintained = JsonInteger(&*now, "maintained");
  return began && foreign && maintained && *foreign <= *maintained &&
         JsonInteger(&*now, "catalogs") == 0 &&
         JsonInteger(&*now, "elsewhere") == JsonInteger(&*noted, "elsewhere");
}

}  // namespace

UndoWork &UndoFlow::WorkOf(Session &session) {
  auto *work = dynamic_cast<UndoWork *>(session.merge_work.get());
  if (work == nullptr) {
    auto made = std::make_unique<UndoWork>();
    work = made.get();
    session.merge_work = std::move(made);
  }
  return *work;
}

Flow<Next> UndoFlow::Run(Session &session) {
  context_->ProjectOf(session).merge_queue[session.undo->id] = session.row.id;
  co_await turn_.Await(session);
  if (session.undo->status == "queued") {
    session.undo->status = "running";
    context_->journal().Add(*session.undo);
  }
  if (!session.undo_point) {
    Result<std::optional<UndoPointRow>> point = context_->store().UndoPoint(session.undo->merge_id);
    if (!point.ok()) co_return Next::Again(point.status());
    session.undo_point = std::move(*point);
  }
  UndoWork &work = WorkOf(session);
  if (session.uncertain) {
    Next next = co_await Reconcile(session);
    if (next.fails()) co_return next;
  }
  if (!session.row.operations.empty()) {
    std::vector<NeonOperation> failed = co_await context_->AwaitNotedBefore(session);
    work.ended = failed.empty();
  }
  Next next;
  if (session.undo->accepted) {
    next = co_await Complete(session);
  } else if (work.refusal && session.may_have_undone()) {
    next = co_await RuleOut(session);
  } else if (work.refusal) {
    const Status why = *work.refusal;
    End(session, "refused", why);
    co_await context_->Commit(session);
  } else {
    next = co_await Check(session);
  }
  co_return next;
}

std::optional<Status> UndoFlow::WhyNot(const Session &session) const {
  if (!session.undo_point) {
    return Status::Error("55000", "no backup was kept for an undo of the merge", {},
                         "Give the project an undo_window before it merges.");
  }
  const UndoPointRow &point = *session.undo_point;
  if (!point.why_not.empty()) {
    return Status::Error("55000", "the merge cannot be undone", point.why_not + ".");
  }
  if (context_->unix_time() > point.until) {
    return Status::Error("55000", "the merge's undo_window is over", {},
                         "The project's option undo_window says how long merges can be undone.");
  }
  return std::nullopt;
}

void UndoFlow::Refuse(Session &session, const Status &why) {
  // What looks like a reason may be the work of our own restore: that is ruled out first.
  WorkOf(session).refusal = why;
  WorkOf(session).lookups = 0;
}

Flow<Next> UndoFlow::Check(Session &session) {
  if (std::optional<Status> why = WhyNot(session)) {
    Refuse(session, *why);
    co_return Next::Look();
  }
  Project &project = context_->ProjectOf(session);
  const std::string name = project.row.parent;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return Next::Again(named.status());
  Result<NeonBranch> parent = CheckRestorable(project.row, named.value());
  if (parent.ok() && parent->id != session.row.parent_branch_id) {
    parent = Status::Error("55000", "another branch has the parent's name now", {},
                           "Give the branch " + session.row.parent_branch_id + " its name back.");
  }
  if (!parent.ok()) {
    Refuse(session, parent.status());
    co_return Next::Look();
  }
  const std::string backup_id = session.undo_point->backup_branch_id;
  // Nobody deletes it meanwhile, nor has it expire (Project::IsWantedByUndo); an expiry that is
  // being set is waited for. With no change to come before this one, a busy project comes to rest.
  Reservation reservation(&project, &session);
  while (project.busy()) {
    co_await ConditionWait(&session, &project.changes_possible,
                           "other changes of the project at Neon to end");
  }
  ApiCall like = context_->MakeCall(session, Priority::kMerge);
  Result<std::optional<NeonBranch>> backup =
      co_await context_->ReadBranch(session, std::move(like), backup_id);
  if (!backup.ok()) co_return Next::Again(backup.status());
  if (!backup->has_value()) {
    Refuse(session, Status::Error("55000", "the merge's backup is gone",
                                  "Neon has no branch " + backup_id + " any more."));
    co_return Next::Look();
  }
  if (!(*backup)->expires_at.empty()) {
    const std::string expires_at = (*backup)->expires_at;
    Next next = co_await ClearExpiry(session, expires_at);
    if (next.fails() || WorkOf(session).refusal) co_return next;
  }
  WorkOf(session).seen_reset_at = parent->last_reset_at;
  // A restore of ours may have come since it was sent: what it is known by is how the parent was
  // before.
  if (!session.may_have_undone()) session.undo->parent_reset_at = parent->last_reset_at;
  context_->journal().Add(*session.undo);
  Next next = co_await uris_->FetchParents(session, parent->id);
  if (next.fails() && !session.undo->forced) co_return next;
  next = co_await CompareAndRestore(session);
  co_return next;
}

// An expiring branch gets no children, and the restored parent is to be one.
Flow<Next> UndoFlow::ClearExpiry(Session &session, std::string expires_at) {
  const Project &project = context_->ProjectOf(session);
  const std::string id = session.undo_point->backup_branch_id;
  NeonRequest request = SetExpiryRequest(project.row.neon_id, id, {});
  ApiAnswer answer = co_await context_->Change(session, Priority::kMerge, std::move(request),
                                               StepKind::kSetExpiry, id);
  if (answer.classified.kind == ResponseKind::kDone) co_return Next::Look();
  if (answer.classified.kind == ResponseKind::kRefused) {
    Refuse(session,
           Status::Error("55000", "the backup's expiry cannot be cleared",
                         "It expires at " + expires_at + ". " + answer.classified.why.message()));
    co_return Next::Look();
  }
  co_return Next::Again(answer.classified.why);
}

Flow<Next> UndoFlow::CompareAndRestore(Session &session) {
  Project &project = context_->ProjectOf(session);
  // What is looked at now is to be what is replaced: no change of the project comes in between.
  Reservation reservation(&project, &session);
  while (project.busy()) {
    co_await ConditionWait(&session, &project.changes_possible,
                           "other changes of the project at Neon to end");
  }
  const bool forced = session.undo->forced;
  const Instant began = context_->now();
  std::unique_ptr<RunningTask> locks;
  std::vector<std::string> lost;
  if (project.parent_uris.complete_for(session.row.parent_branch_id)) {
    BranchTask task;
    task.kind = BranchTaskKind::kMigrate;
    task.connection_key = project.parent_connection_key();
    task.uri = project.parent_uris.direct;
    task.sql = LockTablesScript();
    task.longest_lock_wait = kLockTimeout;
    locks.reset(new RunningTask(
        context_->Start(session, project, std::move(task), "locks on the parent's tables")));
    BranchEvent locked = co_await locks->Event();
    if (locked.kind != BranchEvent::Kind::kReadyToCommit && !forced)
      co_return Next::Again(parent_.Trouble(session, locked));
    Result<std::vector<std::string>> found = co_await FindLost(session);
    if (!found.ok() && !forced) co_return Next::Again(found.status());
    if (found.ok()) {
      lost = std::move(*found);
    } else {
      lost.push_back("what was written since the merge cannot be told: " +
                     found.status().message());
    }
  } else {
    lost.push_back("what was written since the merge cannot be told: the parent is not reached");
  }
  session.undo->lost = lost;
  context_->journal().Add(*session.undo);
  if (!lost.empty() && !forced) {
    Refuse(session,
           Status::Error("40001", "the undo would drop what was written since the merge",
                         Listed(lost) + ".",
                         "Nothing was touched. agent_merge_undo(…, force => true) drops it; "
                         "agent_merges.undo_lost names all of it."));
    co_return Next::Look();
  }
  Next next = co_await Restore(session, forced ? context_->now() : began);
  co_return next;
}

Flow<Result<std::vector<std::string>>> UndoFlow::FindLost(Session &session) {
  Project &project = context_->ProjectOf(session);
  const UndoPointRow &point = *session.undo_point;
  const std::string &at = WorkOf(session).seen_reset_at;
  if (at != point.parent_reset_at) {
    co_return std::vector<std::string>{"the parent was restored at " +
                                       (at.empty() ? "an unknown time" : at) +
                                       ", by a later merge or by hand"};
  }
  Result<Standpoint> stood = ReadStandpoint(point.standpoint);
  if (!stood.ok()) co_return stood.status();
  ChangedRows recorded;
  Status status;
  if (!point.record.empty()) status = AddRecord(point.record, &recorded);
  if (!status.ok()) co_return status;
  BranchTask task;
  task.kind = BranchTaskKind::kUnrecorded;
  task.connection_key = project.parent_connection_key() + ", beside";
  task.uri = project.parent_uris.direct;
  task.transaction_id = stood->next_xid;
  task.sql = "[" + recorded.transactions + "]";
  BranchTask stands = task;
  stands.kind = BranchTaskKind::kStandpoint;
  BranchEvent now = co_await context_->Run(session, project, std::move(stands),
                                           "the parent to say where it stands");
  if (now.outcome != BranchOutcome::kDone) co_return parent_.Trouble(session, now);
  // Last, since the locks keep nobody from making a table: this look sees every transaction.
  BranchEvent rows = co_await context_->Run(session, project, std::move(task),
                                            "the parent to say what was written since the merge");
  if (rows.outcome != BranchOutcome::kDone) co_return parent_.Trouble(session, rows);
  co_return WrittenSince(point, rows.answer, now.answer);
}

Result<std::vector<std::string>> WrittenSince(const UndoPointRow &point,
                                              std::string_view unrecorded,
                                              std::string_view standpoint) {
  Result<Standpoint> then = ReadStandpoint(point.standpoint);
  if (!then.ok()) return then.status();
  Result<Standpoint> now = ReadStandpoint(standpoint);
  if (!now.ok()) return now.status();
  if (then->system_identifier != now->system_identifier)
    return std::vector<std::string>{"the parent is another cluster than it was"};
  ChangedRows recorded;
  if (!point.record.empty()) {
    Status read = AddRecord(point.record, &recorded);
    if (!read.ok()) return read;
  }
  const std::string &statistics = point.statistics.empty() ? point.standpoint : point.statistics;
  Result<UnrecordedRows> rows = JudgeUnrecorded(unrecorded, statistics, recorded);
  if (!rows.ok()) return rows.status();
  std::vector<std::string> lost = std::move(rows->tables);
  const bool maintained = rows->only_maintained || IsMaintainedSinceRestore(point, unrecorded);
  if (rows->any_transaction && lost.empty() && !maintained) {
    lost.push_back(
        "transactions that left no row behind: deletions, changes of the schema or of another "
        "database");
  }
  for (const auto &[name, value] : now->sequences) {
    const auto before = then->sequences.find(name);
    const bool ours = recorded.sequences.count(name) > 0;
    if (before == then->sequences.end() || before->second == value || ours) continue;
    lost.push_back("sequence " + name + ": from " +
                   (before->second.empty() ? "its start" : before->second) + " to " +
                   (value.empty() ? "its start" : value));
  }
  if (lost.size() > kMostNamed) lost.resize(kMostNamed);
  return lost;
}

Flow<Next> UndoFlow::Restore(Session &session, Instant proven_at) {
  const Project &project = context_->ProjectOf(session);
  // Written with the step that sends it.
  session.undo->preserved_name = PreservedName(project, session);
  WorkOf(session).lookups = 0;
  context_->journal().Add(*session.undo);
  const std::string parent_id = session.row.parent_branch_id;
  ApiCall call = context_->MakeChange(
      session, Priority::kMerge,
      RestoreRequest(project.row.neon_id, parent_id, session.undo_point->backup_branch_id,
                     session.undo->preserved_name),
      StepKind::kUndo, parent_id);
  call.returns_unsent = true;
  call.valid_until = proven_at + kLongestSinceProof;
  ApiAnswer answer = co_await context_->Call(session, std::move(call));
  const ResponseKind kind = answer.classified.kind;
  if (kind == ResponseKind::kUnknown) co_return Next::Again(answer.classified.why);
  // The name is this undo's own: if it is taken, an earlier request of ours was done.
  if (kind != ResponseKind::kDone && kind != ResponseKind::kExists)
    co_return OnNotRestored(session, answer);
  Accept(session);
  if (kind != ResponseKind::kDone) co_return Next::Look();
  Result<NeonChange> restored = ParseChange(answer.body);
  const bool ours = restored.ok() && restored->branch.id == parent_id;
  if (!ours || restored->operations.empty()) co_return Next::Look();
  WorkOf(session).reset_at = restored->branch.last_reset_at;
  std::vector<NeonOperation> failed =
      co_await context_->AwaitNoted(session, std::move(restored->operations));
  WorkOf(session).ended = failed.empty();
  co_return Next::Look();
}

Next UndoFlow::OnNotRestored(Session &session, const ApiAnswer &answer) {
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
      // Nothing has happened, and what was looked at may be another thing when it is tried again.
      return Next::Again(answer.classified.why);
    default:
      break;
  }
  // An expiry that was on its way to the backup when the undo began may come after it was cleared.
  constexpr int kMostExpiries = 5;
  const bool expiring = answer.classified.why.message().find("expir") != std::string::npos;
  if (expiring && ++WorkOf(session).expiries < kMostExpiries)
    return Next::Again(answer.classified.why);
  Refuse(session, answer.classified.why);
  return Next::Look();
}

}  // namespace agent_branch
