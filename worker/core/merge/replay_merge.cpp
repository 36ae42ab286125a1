#include "worker/core/merge/replay_merge.hpp"

#include <memory>
#include <set>
#include <utility>

#include "worker/core/flow/require.hpp"
#include "worker/core/merge/certificate.hpp"
#include "worker/core/merge/conflict_reader.hpp"
#include "worker/core/merge/dependencies.hpp"
#include "worker/core/merge/drift.hpp"
#include "worker/core/merge/gate_script.hpp"
#include "worker/core/merge/rebase_flow.hpp"
#include "worker/core/merge/replay_guard.hpp"
#include "worker/core/merge/standpoint.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxConflicts = 1'000;
constexpr milliseconds kFateInterval{200};
// Others write to the parent: better to come again than to let them wait behind a lock that is
// itself waited for.
constexpr milliseconds kLockTimeout{2'000};
constexpr int kMostLockTimeouts = 5;
constexpr int kMostMoves = 5;
constexpr BackoffPolicy kLockBackoff{milliseconds(200), milliseconds(5'000)};

constexpr char kBranchMoved[] = "55006";
constexpr char kNoLock[] = "55P03";  // lock_timeout

bool MayPass(const std::string &sqlstate) {
  return sqlstate == kNoLock || sqlstate == "40P01" || sqlstate == "40001";
}

Status Drifted(const ProjectRow &project, const std::string &detail) {
  return Status::Error(
      "40001",
      "the schema of parent branch \"" + project.parent + "\" changed since the session began",
      detail,
      "Nothing was touched. Merge with on_drift => 'rebase', call agent_rebase(), "
      "or discard the session.");
}

std::vector<ConflictRow> ConflictsOf(const std::vector<ObjectDifference> &differences) {
  std::vector<ConflictRow> rows;
  for (const ObjectDifference &difference : differences) {
    if (difference.change != ObjectChange::kConflict || rows.size() == kMaxConflicts) continue;
    ConflictRow row;
    row.object = difference.object;
    row.change = difference.parent.empty() ? "dropped"
                 : difference.base.empty() ? "added"
                                           : "changed";
    row.base_hash = difference.base;
    row.branch_hash = difference.branch;
    row.parent_hash = difference.parent;
    rows.push_back(std::move(row));
  }
  return rows;
}

WrittenRows WrittenBy(const RecordedWork &work) {
  WrittenRows written{work.rows, {}};
  for (const RecordedMigration &migration : work.migrations)
    written.texts.push_back(migration.script.sql);
  return written;
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

ReplayWork &ReplayMerge::WorkOf(Session &session) {
  auto *work = dynamic_cast<ReplayWork *>(session.merge_work.get());
  if (work == nullptr) {
    auto made = std::make_unique<ReplayWork>();
    work = made.get();
    session.merge_work = std::move(made);
  }
  return *work;
}

Flow<StrategyEnd> ReplayMerge::Run(Session &session) {
  Result<Plan> plan = co_await Prepare(session, session.merge->on_unrecorded != "drop");
  if (!plan.ok()) {
    // For good: the parent is another branch.
    if (plan.status().sqlstate() == "55000") co_return StrategyEnd::Cannot(plan.status());
    StrategyEnd again{end_->Again(session, plan.status()), {}};
    co_return again;
  }
  std::optional<MergeRefusal> refusal = Weigh(session, *session.merge, &*plan);
  ConflictReader conflicts(context_);
  std::vector<RecordedWork> others;
  if (!refusal && plan->base != plan->parent.objects) {
    Result<std::optional<MergeRefusal>> weighed =
        co_await WeighDependences(session, &*plan, &others);
    if (!weighed.ok()) {
      StrategyEnd again{end_->Again(session, weighed.status()), {}};
      co_return again;
    }
    refusal = std::move(*weighed);
  }
  if (!refusal && plan->base != plan->parent.objects) {
    Result<std::optional<MergeRefusal>> other =
        co_await other_order_.Try(session, &*plan, std::move(others));
    if (!other.ok() && other.status().sqlstate() != kBranchMoved) {
      StrategyEnd again{end_->Again(session, other.status()), {}};
      co_return again;
    }
    if (!other.ok() && ++WorkOf(session).moved < kMostMoves) co_return StrategyEnd();
    if (!other.ok()) co_return StrategyEnd::Cannot(other.status());
    refusal = std::move(*other);
  }
  if (refusal) {
    co_await conflicts.AddDefinitions(session, plan->branch.objects, &refusal->conflicts);
    StrategyEnd cannot{Next::Look(), std::move(refusal)};
    co_return cannot;
  }
  session.merge->base_fingerprint = session.row.base_fingerprint;
  session.merge->parent_fingerprint = plan->parent.fingerprint;
  session.merge->parent_reset_at = plan->parent.last_reset_at;
  if (plan->recorded.migrations.empty()) co_return EndWithoutMigrations(session, *plan);
  Result<std::optional<MergeRefusal>> shut = co_await gates_->Ask(session);
  if (!shut.ok()) {
    StrategyEnd again{end_->Again(session, shut.status()), {}};
    co_return again;
  }
  if (shut->has_value()) {
    end_->Refuse(session, (*shut)->why, std::move((*shut)->conflicts));
    co_return StrategyEnd();
  }
  StrategyEnd end = co_await Replay(session, std::move(*plan));
  co_return end;
}

StrategyEnd ReplayMerge::EndWithoutMigrations(Session &session, const Plan &plan) {
  const std::vector<std::string> unexpected =
      FindUnexpected(plan.expected, plan.parent.objects, 100);
  if (!unexpected.empty()) return StrategyEnd::Cannot(UnrecordedObjects(unexpected));
  Merged(session);
  return {};
}

Flow<Result<ReplayPlan>> ReplayMerge::Prepare(Session &session, bool rows_count) {
  Plan plan;
  plan.began = context_->now();
  Result<RecordedWork> recorded = co_await record_.Read(session);
  if (!recorded.ok()) co_return recorded.status();
  plan.recorded = std::move(*recorded);
  RecordedWork copy = plan.recorded;
  Result<BranchNow> branch = co_await record_.LookAtBranch(session, std::move(copy), rows_count);
  if (!branch.ok()) co_return branch.status();
  plan.branch = std::move(*branch);
  Result<ParentNow> parent = co_await parent_.Look(session);
  if (!parent.ok()) co_return parent.status();
  plan.parent = std::move(*parent);
  const std::string fingerprint = session.row.base_fingerprint;
  Result<std::string> base = context_->store().SnapshotObjects(fingerprint);
  if (!base.ok()) co_return base.status();
  Result<ObjectMap> objects = ReadObjectMap(*base);
  if (!objects.ok()) co_return objects.status();
  plan.base = std::move(*objects);
  co_return plan;
}

Flow<Result<std::optional<MergeRefusal>>> ReplayMerge::WeighDrift(Session &session) {
  Result<std::optional<MergeRefusal>> refusal = co_await WeighPlan(session, false);
  co_return refusal;
}

Flow<Result<std::optional<MergeRefusal>>> ReplayMerge::WeighPieces(Session &session) {
  Result<std::optional<MergeRefusal>> refusal = co_await WeighPlan(session, true);
  co_return refusal;
}

Flow<Result<std::optional<MergeRefusal>>> ReplayMerge::WeighPlan(Session &session,
                                                                 bool takes_nothing) {
  Result<Plan> plan = co_await Prepare(session, session.merge->on_unrecorded != "drop");
  if (!plan.ok()) co_return plan.status();
  if (!plan->branch.unrecorded.empty()) {
    MergeRefusal refusal{UnrecordedRowsFound(plan->branch.unrecorded), {}};
    co_return std::optional<MergeRefusal>(std::move(refusal));
  }
  std::optional<MergeRefusal> refusal = WeighSchema(session, *session.merge, &*plan);
  if (!refusal && takes_nothing && !FindGuard(session, *plan).empty()) {
    refusal = MergeRefusal{
        Status::Error("0A000", "what takes rows or columns away is not merged piece by piece",
                      "Others may write to them between two pieces.",
                      "Bring it as migrations that can be one transaction, or merge while the "
                      "parent is still."),
        {}};
  }
  ConflictReader conflicts(context_);
  if (!refusal && plan->base != plan->parent.objects) {
    std::vector<RecordedWork> others;
    Result<std::optional<MergeRefusal>> weighed =
        co_await WeighDependences(session, &*plan, &others);
    if (!weighed.ok()) co_return weighed.status();
    refusal = std::move(*weighed);
  }
  if (refusal)
    co_await conflicts.AddDefinitions(session, plan->branch.objects, &refusal->conflicts);
  co_return refusal;
}

Flow<Result<std::optional<MergeRefusal>>> ReplayMerge::WeighDependences(
    Session &session, const Plan *plan, std::vector<RecordedWork> *others) {
  Result<std::vector<RecordedWork>> found = co_await other_order_.FindOthers(session, plan);
  if (!found.ok()) co_return found.status();
  *others = std::move(*found);
  std::vector<WrittenRows> theirs;
  for (const RecordedWork &work : *others)
    theirs.push_back(WrittenBy(work));
  std::vector<ObjectDifference> differences =
      CompareThreeWays(plan->base, plan->branch.objects, plan->parent.objects);
  WrittenRows ours = WrittenBy(plan->recorded);
  ObjectMap on_parent = plan->parent.objects;
  ConflictReader conflicts(context_);
  Result<std::optional<MergeRefusal>> weighed = co_await conflicts.WeighDependences(
      session, std::move(differences), std::move(ours), std::move(theirs), std::move(on_parent));
  co_return weighed;
}

std::optional<MergeRefusal> ReplayMerge::Weigh(const Session &session, const MergeRow &wishes,
                                               Plan *plan) const {
  const Project &project = *context_->inventory().FindProject(session.row.project_id);
  const milliseconds took(plan->recorded.rows.milliseconds);
  if (wishes.strategy == "auto" && took > project.row.replay_budget) {
    return MergeRefusal{
        Status::Error("54000", "the migrations took longer on the branch than may be replayed",
                      "They took " + std::to_string(took.count()) + " ms, and replay_budget is " +
                          std::to_string(project.row.replay_budget.count()) + " ms.",
                      "Merge with strategy => 'replay', or raise the project's replay_budget."),
        {}};
  }
  if (!plan->recorded.not_one_piece.empty()) {
    return MergeRefusal{Status::Error("0A000", "the migrations cannot run as one transaction",
                                      plan->recorded.not_one_piece + "."),
                        {}};
  }
  if (!plan->branch.unrecorded.empty()) {
    return MergeRefusal{UnrecordedRowsFound(plan->branch.unrecorded), {}};
  }
  std::optional<MergeRefusal> refusal = WeighSchema(session, wishes, plan);
  if (!refusal) plan->guard = FindGuard(session, *plan);
  return refusal;
}

std::optional<MergeRefusal> ReplayMerge::WeighSchema(const Session &session, const MergeRow &wishes,
                                                     Plan *plan) const {
  const ProjectRow &project = context_->inventory().FindProject(session.row.project_id)->row;
  if (!AreComparable(plan->base, plan->parent.objects)) {
    return MergeRefusal{Status::Error("55000", "the session's base is not known by object",
                                      "It was described by an earlier version.",
                                      "Call agent_rebase(), or begin a new session."),
                        {}};
  }
  const auto &managed = project.managed_schemas;
  plan->base = WithoutManaged(plan->base, managed);
  plan->branch.objects = WithoutManaged(plan->branch.objects, managed);
  plan->parent.objects = WithoutManaged(plan->parent.objects, managed);
  plan->expected = ExpectedAfterReplay(plan->base, plan->branch.objects, plan->parent.objects);
  if (plan->base == plan->parent.objects) return std::nullopt;
  if (wishes.on_drift != "rebase") {
    std::vector<ConflictRow> drift = FindDrift(plan->base, plan->parent.objects, kMaxConflicts);
    const std::string detail = drift.empty() ? "" : DescribeDrift(drift) + ".";
    return MergeRefusal{Drifted(project, detail), std::move(drift)};
  }
  const std::vector<ObjectDifference> differences =
      CompareThreeWays(plan->base, plan->branch.objects, plan->parent.objects);
  if (!HasConflict(differences)) return std::nullopt;
  std::vector<ConflictRow> conflicts = ConflictsOf(differences);
  Status why = Status::Error("40001", "the session and its parent changed the same objects",
                             DescribeDrift(conflicts) + ".",
                             "Nothing was touched. agent_conflicts shows each of them.");
  return MergeRefusal{std::move(why), std::move(conflicts)};
}

std::string ReplayMerge::FindGuard(const Session &session, const Plan &plan) const {
  std::vector<std::string> tables =
      TablesTakenAway(plan.base, plan.branch.objects, plan.branch.tables, plan.parent.tables);
  // A table that got a new file was written anew, or emptied.
  for (const std::string &table : plan.recorded.rows.rewritten) {
    const std::vector<std::string> names = NamesIn(table);
    const bool by_text = !names.empty() && plan.recorded.rewritten_by_text.count(names.back()) != 0;
    const bool kept = by_text && !plan.recorded.takes_rows_away && !plan.recorded.opaque;
    const bool there =
        plan.parent.tables.count(table) != 0 && plan.base.count("table " + table) != 0;
    if (there && !kept) tables.push_back(table);
  }
  std::string since;
  Result<ForkRow> fork = context_->store().Fork(session.row.id);
  if (fork.ok() && plan.parent.same_history) {
    Result<Standpoint> stood = ReadStandpoint(fork->parent);
    if (stood.ok()) since = stood->next_xid;
  }
  return GuardScript(tables, since);
}

BranchTask ReplayMerge::TaskFor(const Session &session, const Plan &plan) const {
  const Project &project = *context_->inventory().FindProject(session.row.project_id);
  BranchTask task;
  task.kind = BranchTaskKind::kMigrate;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  task.prove = true;
  task.record = true;
  task.longest_lock_wait = kLockTimeout;
  task.sql = plan.scripts.front().script.sql;
  task.statements = plan.scripts.front().script.statements;
  for (size_t n = 1; n < plan.scripts.size(); ++n)
    task.more.push_back(plan.scripts[n].script);
  return task;
}

std::vector<ReplayScript> ReplayMerge::ScriptsOf(const Plan &plan, milliseconds statement_timeout) {
  using Kind = ReplayScript::Kind;
  std::vector<ReplayScript> scripts;
  const auto add_gates = [&](bool of_parent) {
    for (size_t n = 0; n < plan.gates.size(); ++n) {
      const GateRow &gate = plan.gates[n];
      if (gate.on_parent != of_parent || gate.sql.empty()) continue;
      scripts.push_back({Kind::kGate, n, GateInTransaction(gate, statement_timeout)});
    }
  };
  add_gates(true);
  if (!plan.guard.empty()) scripts.push_back({Kind::kGuard, 0, {plan.guard, 1}});
  for (size_t n = 0; n < plan.recorded.migrations.size(); ++n)
    scripts.push_back({Kind::kMigration, n, plan.recorded.migrations[n].script});
  add_gates(false);
  return scripts;
}

Status ReplayMerge::JudgeDone(const Session &session, const Plan &plan,
                              const BranchEvent &ready) const {
  const ProjectRow &project = context_->inventory().FindProject(session.row.project_id)->row;
  Result<ObjectMap> read = ReadObjectMap(ready.objects);
  if (!read.ok()) return read.status();
  const ObjectMap after = WithoutManaged(*read, project.managed_schemas);
  const std::vector<std::string> unexpected = FindUnexpected(plan.expected, after, 100);
  if (!unexpected.empty()) return UnrecordedObjects(unexpected);
  ChangedRows rows;
  Status status = AddRecord(ready.record, &rows);
  if (!status.ok()) return status;
  const std::string other = CompareRows(plan.recorded.rows, rows, plan.branch.objects);
  if (other.empty()) return {};
  return Status::Error("AB006", "the migrations change other rows on the parent than on the branch",
                       other + ".",
                       "Nothing was touched. Call agent_rebase() and look at what they do there.");
}

Flow<StrategyEnd> ReplayMerge::Replay(Session &session, Plan plan) {
  Project &project = context_->ProjectOf(session);
  Result<bool> backed_up = co_await undo_points_->BackUp(session);
  if (!backed_up.ok()) {
    StrategyEnd again{end_->Again(session, backed_up.status()), {}};
    co_return again;
  }
  if (!*backed_up) co_return StrategyEnd();
  const std::string target =
      std::to_string(plan.recorded.migrations.size()) + " migrations on " + project.row.parent;
  context_->journal().Add(*session.merge);
  co_await context_->IntendAndCommit(session, StepKind::kReplay, target);
  if (session.given_up()) {
    context_->CloseStep(session, false, "given up before it began");
    co_return StrategyEnd();
  }
  plan.gates = project.row.gates;
  plan.scripts = ScriptsOf(plan, project.row.statement_timeout);
  BranchTask task = TaskFor(session, plan);
  TransactionCalls calls;
  calls.hold = true;
  calls.look = [this, &session, &plan] { return SeeBranchStill(session, &plan); };
  calls.judge = [this, &session, &plan](const BranchEvent &ready) {
    return JudgeDone(session, plan, ready);
  };
  calls.note = [this, &session, &plan](const BranchEvent &ready) {
    MergeRow &merge = *session.merge;
    merge.transaction_id = ready.transaction_id;
    merge.after_fingerprint = ready.fingerprint;
    merge.certificate =
        ReplayCertificate(plan.base, plan.branch.objects, plan.parent.objects, plan.recorded.rows,
                          ready.record, context_->now() - plan.began);
    context_->journal().Add(merge);
    undo_points_->NoteReplay(session, ready);
  };
  TransactionEnd end =
      co_await RunTransaction(*context_, session, project, std::move(task),
                              "the migrations to run on the parent", std::move(calls));
  StrategyEnd ended = co_await OnEnd(session, std::move(plan), std::move(end));
  co_return ended;
}

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
    co_await context_->Pause(session, delay, "a lock on the parent, to be asked for again");
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

Flow<Status> ReplayMerge::SeeBranchStill(Session &session, const Plan *plan) {
  const std::string snapshot = plan->branch.snapshot;
  if (snapshot.empty()) co_return Status();
  BranchTask task;
  task.kind = BranchTaskKind::kGate;
  task.sql = SnapshotQuery();
  BranchEvent event = co_await record_.RunOnBranch(session, std::move(task),
                                                   "the branch to say whether it is still");
  if (session.merge) WorkOf(session).unasked = event.outcome != BranchOutcome::kDone;
  if (event.outcome != BranchOutcome::kDone) co_return event.error;
  // A snapshot is digits, colons and commas, and the longer one is another one: it is followed by
  // what ends a text, in JSON that stands in JSON.
  if (event.answer.find('"' + snapshot + "\\\"") != std::string::npos) co_return Status();
  const bool rows_count = session.merge->on_unrecorded != "drop";
  BranchNow seen = plan->branch;
  RecordedWork recorded = plan->recorded;
  Result<bool> same =
      co_await record_.IsAsSeen(session, std::move(seen), std::move(recorded), rows_count);
  if (session.merge) WorkOf(session).unasked = !same.ok();
  if (!same.ok()) co_return same.status();
  if (*same) co_return Status();
  co_return Status::Error(kBranchMoved, "the branch is written to while it is merged", {},
                          "Nothing was touched. Merge once nobody works on the branch any more.");
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
