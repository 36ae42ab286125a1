#include "worker/core/merge/other_order.hpp"

#include <utility>

#include "worker/core/merge/rebase_flow.hpp"
#include "worker/core/merge/standpoint.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMostConflicts = 1'000;
constexpr milliseconds kLockTimeout{2'000};

Status NotTheSame(const std::string &detail) {
  return Status::Error("40001", "the session and the merges before it do not go in either order",
                       detail,
                       "Nothing was touched. Call agent_rebase(), which runs the migrations on the "
                       "parent as it is now, look at what they make there, and merge again.");
}

ConflictRow RowOf(const std::string &object, const ReplayPlan &plan, const ObjectMap &other) {
  const auto text = [&object](const ObjectMap &objects) {
    const auto at = objects.find(object);
    return at == objects.end() ? std::string() : at->second;
  };
  ConflictRow row;
  row.object = object;
  row.base_hash = text(plan.base);
  row.branch_hash = text(other);
  row.parent_hash = text(plan.expected);
  row.change = row.parent_hash.empty() ? "dropped" : row.base_hash.empty() ? "added" : "changed";
  return row;
}

std::string WhatIsAborted(const std::string &since) {
  return "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text AS snapshot, NOT EXISTS (SELECT "
         "FROM pg_catalog.generate_series(pg_catalog.pg_snapshot_xmax('" +
         since +
         "'::pg_catalog.pg_snapshot)::pg_catalog.text::pg_catalog.int8, "
         "pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text"
         "::pg_catalog.int8 - 1) AS x WHERE pg_catalog.pg_xact_status(x::pg_catalog.text"
         "::pg_catalog.xid8) <> 'aborted') AS still";
}

bool IsSnapshot(const std::string &text) {
  return !text.empty() && text.find_first_not_of("0123456789:,") == std::string::npos;
}

}  // namespace

bool ExplainChange(const std::vector<DoneReplay> &merges, const std::string &from,
                   const std::string &to) {
  std::string at = from;
  for (const DoneReplay &merge : merges) {
    if (merge.parent_fingerprint != at || merge.after_fingerprint.empty()) return false;
    at = merge.after_fingerprint;
  }
  return !merges.empty() && at == to;
}

Flow<Result<std::vector<RecordedWork>>> OtherOrder::FindOthers(Session &session,
                                                               const ReplayPlan *plan) {
  std::vector<RecordedWork> others;
  Result<ForkRow> fork = context_->store().Fork(session.row.id);
  if (!fork.ok()) co_return fork.status();
  Result<Standpoint> stood = ReadStandpoint(fork->parent);
  if (!stood.ok() || !plan->parent.same_history) co_return others;
  Result<std::vector<DoneReplay>> merges = context_->store().ReplaysSince(
      session.row.project_id, plan->parent.last_reset_at, stood->next_xid);
  if (!merges.ok()) co_return merges.status();
  if (!ExplainChange(*merges, session.row.base_fingerprint, plan->parent.fingerprint))
    co_return others;
  for (const DoneReplay &merge : *merges) {
    const int64_t id = merge.session_id;
    Result<RecordedWork> work = co_await record_->ReadOf(session, id);
    if (!work.ok()) co_return work.status();
    if (!work->not_one_piece.empty()) co_return std::vector<RecordedWork>();
    others.push_back(std::move(*work));
  }
  co_return others;
}

Flow<Result<std::optional<MergeRefusal>>> OtherOrder::Try(Session &session, ReplayPlan *plan,
                                                          std::vector<RecordedWork> others) {
  std::vector<BranchScript> scripts;
  for (RecordedWork &work : others)
    for (RecordedMigration &migration : work.migrations)
      scripts.push_back(std::move(migration.script));
  if (scripts.empty() || !IsSnapshot(plan->branch.snapshot))
    co_return std::optional<MergeRefusal>();
  BranchTask task;
  task.kind = BranchTaskKind::kMigrate;
  task.connection_key = session.connection_key();
  task.uri = session.uris.direct;
  task.prove = true;
  task.facts = "pg_current_snapshot()::text";
  task.longest_lock_wait = kLockTimeout;
  task.sql = scripts.front().sql;
  task.statements = scripts.front().statements;
  task.more.assign(scripts.begin() + 1, scripts.end());
  BranchEvent event;
  {
    RunningTask running =
        context_->Start(session, context_->ProjectOf(session), std::move(task),
                        "the migrations of earlier merges to run on the branch, for a try");
    event = co_await running.Event();
  }  // which rolls it back
  if (event.kind != BranchEvent::Kind::kReadyToCommit) {
    if (event.outcome != BranchOutcome::kRejected) co_return event.error;
    if (event.server_error.sqlstate == "55P03" || event.server_error.sqlstate == "40P01")
      co_return event.error;
    co_return MergeRefusal{NotTheSame("After the session's own, the migrations of an earlier merge "
                                      "fail: " +
                                      event.error.message() + "."),
                           {}};
  }
  if (event.answer != plan->branch.snapshot) {
    Status same = co_await SeeThatItIsAsSeen(session, plan);
    if (!same.ok()) co_return same;
  }
  Status still = co_await SeeThatNothingStayed(session, plan);
  if (!still.ok()) co_return still;
  Result<ObjectMap> read = ReadObjectMap(event.objects);
  if (!read.ok()) co_return read.status();
  const ObjectMap objects = WithoutManaged(*read, context_->ProjectOf(session).row.managed_schemas);
  std::vector<std::string> unlike = FindUnexpected(plan->expected, objects, kMostConflicts);
  if (unlike.empty()) co_return std::optional<MergeRefusal>();
  MergeRefusal refusal{NotTheSame("These differ: " + Listed(unlike) + "."), {}};
  for (const std::string &object : unlike)
    refusal.conflicts.push_back(RowOf(object, *plan, objects));
  co_return std::optional<MergeRefusal>(std::move(refusal));
}

Flow<Status> OtherOrder::SeeThatItIsAsSeen(Session &session, const ReplayPlan *plan) {
  const bool rows_count = session.merge->on_unrecorded != "drop";
  BranchNow seen = plan->branch;
  RecordedWork recorded = plan->recorded;
  Result<bool> same =
      co_await record_->IsAsSeen(session, std::move(seen), std::move(recorded), rows_count);
  if (!same.ok()) co_return same.status();
  if (*same) co_return Status();
  co_return Status::Error(kBranchMoved, "the branch is written to while it is merged");
}

// The try took ids, and none of them may have stayed.
Flow<Status> OtherOrder::SeeThatNothingStayed(Session &session, ReplayPlan *plan) {
  BranchTask task;
  task.kind = BranchTaskKind::kGate;
  task.sql = WhatIsAborted(plan->branch.snapshot);
  BranchEvent event = co_await record_->RunOnBranch(session, std::move(task),
                                                    "the branch to say whether it is still");
  if (event.outcome != BranchOutcome::kDone) co_return event.error;
  Result<JsonDocument> rows = ParseJson(event.answer);
  const bool one = rows.ok() && rows->IsArray() && rows->Size() == 1 && (*rows)[0].IsString();
  Result<JsonDocument> row = ParseJson(one ? (*rows)[0].GetString() : "");
  if (!row.ok()) co_return Status::Error("22P02", "the branch did not say whether it is still");
  if (!JsonBool(&*row, "still")) {
    Status same = co_await SeeThatItIsAsSeen(session, plan);
    if (!same.ok()) co_return same;
  }
  plan->branch.snapshot = JsonString(&*row, "snapshot");
  co_return Status();
}

}  // namespace agent_branch
