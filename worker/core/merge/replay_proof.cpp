// The part of ReplayMerge that compares both sides: what speaks against a replay, before it is run
// and before it is committed.
#include <utility>

#include "worker/core/merge/conflict_reader.hpp"
#include "worker/core/merge/drift.hpp"
#include "worker/core/merge/rebase_flow.hpp"
#include "worker/core/merge/replay_guard.hpp"
#include "worker/core/merge/replay_merge.hpp"
#include "worker/core/merge/standpoint.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxConflicts = 1'000;

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

void AddWritten(const RecordedWork &work, WrittenRows *written) {
  for (const auto &[table, counts] : work.rows.tables) {
    RowCounts &sum = written->rows.tables[table];
    sum.inserted += counts.inserted;
    sum.updated += counts.updated;
    sum.deleted += counts.deleted;
  }
  written->rows.rewritten.insert(work.rows.rewritten.begin(), work.rows.rewritten.end());
  for (const RecordedMigration &migration : work.migrations)
    written->texts.push_back(migration.script.sql);
}

}  // namespace

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
  WrittenRows theirs;
  for (const RecordedWork &work : *others)
    AddWritten(work, &theirs);
  std::vector<ObjectDifference> differences =
      CompareThreeWays(plan->base, plan->branch.objects, plan->parent.objects);
  WrittenRows ours;
  AddWritten(plan->recorded, &ours);
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

}  // namespace agent_branch
