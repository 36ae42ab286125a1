#include "postgres/unseen_insert.hpp"
#include "worker/core/base/text.hpp"
#include "worker/store_rows.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

constexpr char kSaveSession[] = R"(
UPDATE agent_branch.session SET
  state = $2, settled = $3, goal = nullif($4, ''), error = nullif($5, ''),
  error_hint = nullif($6, ''),
  state_changed_at = CASE WHEN state <> $2 THEN clock_timestamp() ELSE state_changed_at END,
  ready_at = CASE WHEN $2 = 'ready' THEN coalesce(ready_at, clock_timestamp()) ELSE ready_at END,
  expires_at = CASE WHEN ceil(extract(epoch FROM expires_at)) = $7 THEN expires_at
    ELSE to_timestamp($7) END,
  finished_at = CASE WHEN $8 THEN coalesce(finished_at, clock_timestamp()) END,
  parent_branch_id = nullif($9, ''), parent_reset_at = nullif($10, ''),
  branch_id = nullif($11, ''), endpoint_id = nullif($12, ''),
  branch_expires_at = CASE WHEN $13 > 0 THEN to_timestamp($13) END,
  bare_compute = $14, operations = string_to_array($15, ' '),
  base_fingerprint = nullif($16, ''), pinned = $17, api_calls = $18,
  role_branch_id = nullif($19, ''), shared_role = nullif($20, '')
WHERE id = $1)";

constexpr char kSaveMigration[] = R"(
WITH saved AS (
  UPDATE agent_branch.migration SET
    status = $2, attempt = $3, transaction_id = nullif($4, '')::xid8, seen_before = nullif($5, ''),
    segment_rows = $6, fixer = nullif($20, ''), segment_record = nullif($21, '')::jsonb,
    record = CASE WHEN $22 <> '' THEN ('[' || $22 || ']')::jsonb END
  WHERE id = $1)
UPDATE agent_branch.migration_attempt SET
  status = CASE WHEN $2 = 'repairing' THEN 'failed' ELSE $2 END,
  started_at = CASE WHEN $2 = 'running' THEN coalesce(started_at, clock_timestamp())
    ELSE started_at END,
  finished_at = CASE WHEN $2 IN ('applied', 'failed', 'repairing', 'cancelled') THEN clock_timestamp() END,
  statements = CASE WHEN $7 > 0 OR $2 = 'applied' THEN $7 ELSE statements END,
  statements_done = $8, rows = $9,
  alone = CASE WHEN $10 = '' THEN alone ELSE string_to_array($10, ' ')::integer[] END,
  risks = coalesce(nullif($11, '')::jsonb, risks), statement = nullif($12, 0),
  sqlstate = nullif($13, ''), message = nullif($14, ''), detail = nullif($15, ''),
  hint = nullif($16, ''), context = nullif($17, ''), line = nullif($18, 0),
  "column" = nullif($19, 0),
  notices = (SELECT jsonb_agg(n)
    FROM jsonb_array_elements(('[' || concat_ws(', ', nullif($22, ''), nullif($21, '')) || ']')::jsonb)
      AS r, jsonb_array_elements(r -> 'notices') AS n WHERE r ->> 'attempt' = $3::text)
WHERE migration_id = $1 AND number = $3)";

// What the text does not say is as it was in the one before.
constexpr char kSaveAttempt[] = R"(
INSERT INTO agent_branch.migration_attempt (migration_id, number, name, sql, made_by)
SELECT $1, $2, (SELECT name FROM agent_branch.migration_attempt
  WHERE migration_id = $1 ORDER BY number DESC LIMIT 1), $3, $4
ON CONFLICT (migration_id, number) DO NOTHING)";

constexpr char kSaveMerge[] = R"(
INSERT INTO agent_branch.merge AS m (id, session_id, strategy, on_drift, status, accepted,
  base_fingerprint, parent_fingerprint, parent_reset_at, backup_name, backup_branch_id, reason,
  started_at, finished_at, on_unrecorded, chosen, chosen_reason, transaction_id, certificate, candidates,
  gates, checked, pieces, after_fingerprint)
VALUES ($1, $2, $3, $4, $5, $6, nullif($7, ''), nullif($8, ''), nullif($9, ''), nullif($10, ''),
  nullif($11, ''), nullif($12, ''),
  CASE WHEN $5 = 'running' THEN clock_timestamp() END,
  CASE WHEN $5 NOT IN ('queued', 'running') THEN clock_timestamp() END, $13, nullif($14, ''),
  nullif($15, ''), nullif($16, '')::xid8, nullif($17, '')::jsonb, $18,
  nullif($19, '')::jsonb, nullif($20, '')::jsonb, nullif($21, '')::jsonb, nullif($22, ''))
ON CONFLICT (id) DO UPDATE SET
  status = excluded.status, accepted = excluded.accepted,
  base_fingerprint = excluded.base_fingerprint, parent_fingerprint = excluded.parent_fingerprint,
  parent_reset_at = excluded.parent_reset_at, backup_name = excluded.backup_name,
  backup_branch_id = excluded.backup_branch_id, reason = excluded.reason,
  started_at = coalesce(m.started_at, excluded.started_at), finished_at = excluded.finished_at,
  chosen = excluded.chosen, chosen_reason = excluded.chosen_reason,
  transaction_id = excluded.transaction_id, certificate = excluded.certificate,
  candidates = excluded.candidates, gates = excluded.gates, checked = excluded.checked,
  pieces = excluded.pieces, after_fingerprint = excluded.after_fingerprint)";

constexpr char kSaveStep[] = R"(
INSERT INTO agent_branch.step (id, project_id, session_id, kind, target, status, outcome,
  request_id)
VALUES ($1, $2, nullif($3, 0), $4, $5, $6, nullif($7, ''), nullif($8, ''))
ON CONFLICT (id) DO UPDATE SET
  status = excluded.status, outcome = excluded.outcome, request_id = excluded.request_id,
  recorded_at = clock_timestamp())";

constexpr char kSaveKept[] = R"(
INSERT INTO agent_branch.kept_branch (project_id, session_id, branch_id, name, kind, keep_until,
  deleted_at, endpoint_id)
VALUES ($1, nullif($2, 0), $3, $4, $5, CASE WHEN $6 > 0 THEN to_timestamp($6) END,
  CASE WHEN $7 THEN clock_timestamp() END, nullif($8, ''))
ON CONFLICT (branch_id) DO UPDATE SET name = excluded.name, deleted_at = excluded.deleted_at,
  keep_until = excluded.keep_until,
  endpoint_id = excluded.endpoint_id)";

constexpr char kSaveUndoPoint[] = R"(
INSERT INTO agent_branch.undo_point (merge_id, session_id, backup_name, backup_branch_id, standpoint,
  statistics, record, parent_reset_at, undo_until, why_not)
VALUES ($1, $2, nullif($3, ''), nullif($4, ''), nullif($5, '')::jsonb, nullif($6, '')::jsonb,
  nullif($7, '')::jsonb, $8, CASE WHEN $9 > 0 THEN to_timestamp($9) END, nullif($10, ''))
ON CONFLICT (merge_id) DO UPDATE SET backup_name = excluded.backup_name,
  backup_branch_id = excluded.backup_branch_id, standpoint = excluded.standpoint,
  statistics = excluded.statistics, record = excluded.record,
  parent_reset_at = excluded.parent_reset_at, undo_until = excluded.undo_until,
  why_not = excluded.why_not)";

constexpr char kSaveUndo[] = R"(
INSERT INTO agent_branch.undo (id, merge_id, session_id, forced, requested_by, status,
  parent_reset_at, preserved_name, preserved_branch_id, accepted, lost, reason)
VALUES ($1, $2, $3, $4, nullif($5, ''), $6, nullif($7, ''), nullif($8, ''), nullif($9, ''), $10,
  nullif(string_to_array($11, E'\n'), '{}'), nullif($12, ''))
ON CONFLICT (id) DO UPDATE SET status = excluded.status, parent_reset_at = excluded.parent_reset_at,
  preserved_name = excluded.preserved_name, preserved_branch_id = excluded.preserved_branch_id,
  accepted = excluded.accepted, lost = excluded.lost, reason = excluded.reason,
  finished_at = CASE WHEN excluded.status NOT IN ('queued', 'running') THEN clock_timestamp() END)";

constexpr char kSaveSweep[] = R"(
UPDATE agent_branch.sweep SET
  started_at = coalesce(started_at, CASE WHEN $2 THEN clock_timestamp() END),
  finished_at = CASE WHEN $3 THEN clock_timestamp() END, error = nullif($4, '')
WHERE id = $1)";

// Rows of a sweep's branches go with it.
constexpr char kForgetSweeps[] =
    "DELETE FROM agent_branch.sweep WHERE id < $1 AND finished_at < now() - interval '30 days'";

// Little at a time, since the worker does nothing else meanwhile.
constexpr char kPurge[] = R"(
SELECT agent_branch.purge(make_interval(days => d.days), 1000)
FROM (SELECT current_setting('agent_branch.keep_finished')::integer AS days) AS d WHERE d.days > 0)";

constexpr char kSaveSweepBranch[] = R"(
INSERT INTO agent_branch.sweep_branch (sweep_id, project_id, branch_id, name, parent_id, class,
  action, session_id, created_at, expires_at, children, logical_size, compute_seconds)
VALUES ($1, $2, $3, $4, nullif($5, ''), $6, $7, nullif($8, 0),
  CASE WHEN $9 > 0 THEN to_timestamp($9) END, CASE WHEN $10 > 0 THEN to_timestamp($10) END, $11,
  $12, $13)
ON CONFLICT (sweep_id, project_id, branch_id) DO UPDATE SET class = excluded.class,
  action = excluded.action)";

// An expiry is asked for to the microsecond, and the core counts in seconds: what was asked for is
// kept as it is, and the session's row, saved after this, agrees with it when rounded up.
constexpr char kDropRequest[] = R"(
WITH taken AS (DELETE FROM agent_branch.request WHERE id = $1
  RETURNING kind, session_id, arguments)
UPDATE agent_branch.session AS s SET expires_at = (t.arguments->>'expires_at')::timestamptz
FROM taken AS t WHERE t.kind = 'extend' AND s.id = t.session_id)";

constexpr char kSaveFixCall[] = R"(
INSERT INTO agent_branch.fixer_call AS f (id, session_id, migration_id, original, source, model,
  outcome, reason, explanation, input_tokens, output_tokens, cost, answered_at)
VALUES ($1, $2, $3, $4, $5, nullif($6, ''), nullif($7, ''), nullif($8, ''), nullif($9, ''), $10,
  $11, $12, CASE WHEN $7 <> '' THEN clock_timestamp() END)
ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason,
  explanation = excluded.explanation, answered_at = excluded.answered_at,
  input_tokens = CASE WHEN excluded.outcome = 'interrupted' THEN f.input_tokens
    ELSE excluded.input_tokens END,
  output_tokens = CASE WHEN excluded.outcome = 'interrupted' THEN f.output_tokens
    ELSE excluded.output_tokens END,
  cost = CASE WHEN excluded.outcome = 'interrupted' THEN f.cost ELSE excluded.cost END)";

// A worker that has just begun does not know since when the trouble is.
constexpr char kSaveUpkeep[] = R"(
INSERT INTO agent_branch.project_upkeep AS u (project_id, swept_at, error, error_since)
VALUES ($1, CASE WHEN $2 > 0 THEN to_timestamp($2) END, nullif($3, ''),
  CASE WHEN $4 > 0 THEN to_timestamp($4) END)
ON CONFLICT (project_id) DO UPDATE SET swept_at = coalesce(excluded.swept_at, u.swept_at),
  error = excluded.error, error_since = CASE WHEN excluded.error IS NOT NULL
    THEN least(excluded.error_since, u.error_since) END)";

// One that was run has its text already.
constexpr char kSaveRefusedFix[] = R"(
INSERT INTO agent_branch.migration_attempt (migration_id, number, name, sql, made_by, status, reason,
  finished_at)
SELECT $1, $2, (SELECT name FROM agent_branch.migration_attempt
  WHERE migration_id = $1 ORDER BY number DESC LIMIT 1), $3, $4, 'refused', $5, clock_timestamp()
ON CONFLICT (migration_id, number) DO UPDATE SET status = 'refused', reason = excluded.reason,
  finished_at = clock_timestamp(), statements_done = 0, rows = 0)";

constexpr char kCountMemory[] = R"(
UPDATE agent_branch.fixer_memory SET worked = worked + CASE WHEN $2 THEN 1 ELSE 0 END,
  failed = failed + CASE WHEN $2 THEN 0 ELSE 1 END, last_at = clock_timestamp() WHERE id = $1)";

constexpr char kSaveMemory[] = R"(
INSERT INTO agent_branch.fixer_memory AS f (project_id, signature, digest, original, fix, worked,
  failed)
VALUES ($1, $2, md5(md5($3) || md5($4)), $3, $4, CASE WHEN $5 THEN 1 ELSE 0 END,
  CASE WHEN $5 THEN 0 ELSE 1 END)
ON CONFLICT (project_id, signature, digest) DO UPDATE SET worked = f.worked + excluded.worked,
  failed = f.failed + excluded.failed, last_at = excluded.last_at)";
std::string Joined(const std::vector<int> &numbers) {
  std::string joined;
  for (int number : numbers)
    joined += (joined.empty() ? "" : " ") + std::to_string(number);
  return joined;
}

std::string Joined(const std::vector<std::string> &words, char between = ' ') {
  std::string joined;
  for (const std::string &word : words) {
    if (!joined.empty()) joined += between;
    joined += word;
  }
  return joined;
}

// What a branch's server says is shown in terminals, where control characters would be obeyed.
ServerError Cleaned(ServerError error) {
  constexpr size_t kMostBytes = 64 * 1024;
  for (std::string *text : {&error.message, &error.detail, &error.hint, &error.context})
    *text = CleanLines(*text, kMostBytes);
  return error;
}

struct Writer {
  Transaction &transaction;

  void operator()(const SessionRow &row) const {
    transaction.Execute(kSaveSession, {row.id,
                                       StateName(row.state),
                                       row.settled,
                                       GoalName(row.goal),
                                       row.error,
                                       row.error_hint,
                                       row.expires_at,
                                       row.finished,
                                       row.parent_branch_id,
                                       row.parent_reset_at,
                                       row.branch_id,
                                       row.endpoint_id,
                                       row.branch_expires_at,
                                       row.bare_compute,
                                       Joined(row.operations),
                                       row.base_fingerprint,
                                       row.pinned,
                                       row.api_calls,
                                       row.role_branch_id,
                                       row.shared_role});
  }

  void operator()(const MigrationRow &row) const {
    const ServerError error = Cleaned(row.error);
    transaction.Execute(kSaveMigration, {row.id,
                                         MigrationStatusName(row.status),
                                         row.attempt,
                                         row.transaction_id,
                                         row.seen_before,
                                         row.segment_rows,
                                         row.statements,
                                         row.statements_done,
                                         row.rows,
                                         Joined(row.non_transactional),
                                         row.risks,
                                         row.statement,
                                         error.sqlstate,
                                         error.message,
                                         error.detail,
                                         error.hint,
                                         error.context,
                                         error.line,
                                         error.column,
                                         row.fixer,
                                         row.segment_record,
                                         row.record});
  }

  void operator()(const AttemptRow &row) const {
    transaction.Execute(kSaveAttempt, {row.migration_id, row.number, row.sql, row.made_by});
  }

  void operator()(const MergeRow &row) const {
    transaction.Execute(kSaveMerge, {row.id,
                                     row.session_id,
                                     row.strategy,
                                     row.on_drift,
                                     row.status,
                                     row.accepted,
                                     row.base_fingerprint,
                                     row.parent_fingerprint,
                                     row.parent_reset_at,
                                     row.backup_name,
                                     row.backup_branch_id,
                                     row.reason,
                                     row.on_unrecorded,
                                     row.chosen,
                                     row.chosen_reason,
                                     row.transaction_id,
                                     row.certificate,
                                     row.candidates,
                                     row.gates,
                                     row.checked,
                                     row.pieces,
                                     row.after_fingerprint});
  }

  void operator()(const ConflictRow &row) const {
    transaction.Execute(
        "INSERT INTO agent_branch.conflict (merge_id, session_id, object, change, base_hash, "
        "parent_hash, branch_hash, base_definition, branch_definition, parent_definition, "
        "depends_on, counterexamples) VALUES ($1, $2, $3, $4, nullif($5, ''), nullif($6, ''), "
        "nullif($7, ''), nullif($8, ''), nullif($9, ''), nullif($10, ''), nullif($11, ''), "
        "nullif($12, '')::jsonb)",
        {row.merge_id, row.session_id, row.object, row.change, row.base_hash, row.parent_hash,
         row.branch_hash, row.base_definition, row.branch_definition, row.parent_definition,
         row.depends_on, row.counterexamples});
  }

  void operator()(const StepRow &row) const {
    transaction.Execute(kSaveStep, {row.id, row.project_id, row.session_id, StepKindName(row.kind),
                                    row.target, row.status, row.outcome, row.request_id});
  }

  void operator()(const KeptBranchRow &row) const {
    transaction.Execute(kSaveKept, {row.project_id, row.session_id, row.branch_id, row.name,
                                    row.kind, row.keep_until, row.deleted, row.endpoint_id});
  }

  void operator()(const SweepRow &row) const {
    transaction.Execute(kSaveSweep, {row.id, row.started, row.finished, row.error});
    if (!row.finished) return;
    transaction.Execute(kForgetSweeps, {row.id});
    transaction.Execute(kPurge);
  }

  void operator()(const SweepBranchRow &row) const {
    transaction.Execute(kSaveSweepBranch,
                        {row.sweep_id, row.project_id, row.branch_id, row.name, row.parent_id,
                         row.class_name, row.action, row.session_id, row.created_at, row.expires_at,
                         row.children, row.logical_size, row.compute_seconds});
  }

  void operator()(const UpkeepRow &row) const {
    transaction.Execute(kSaveUpkeep, {row.project_id, row.swept_at, row.error, row.error_since});
  }

  void operator()(const CredentialRow &row) const {
    // No ON CONFLICT: the arbiter would differ between branches and parents.
    transaction.Execute(
        "DELETE FROM agent_branch.credential WHERE project_id = $1 AND pooled = $3 AND "
        "session_id IS NOT DISTINCT FROM nullif($2, 0) AND coalesce(access, '') = $4",
        {row.project_id, row.session_id, row.pooled, row.access});
    // As a statement's parameter it would be in the log of auto_explain.
    InsertUnseen("credential",
                 {{"project_id", row.project_id},
                  {"session_id", row.session_id == 0 ? Param(std::nullopt) : Param(row.session_id)},
                  {"pooled", row.pooled},
                  {"uri", row.uri.Reveal()},
                  {"branch_id", row.branch_id},
                  {"access", row.access.empty() ? Param(std::nullopt) : Param(row.access)}});
  }

  void operator()(const DropCredentials &row) const {
    transaction.Execute(
        "DELETE FROM agent_branch.credential WHERE project_id = $1 AND session_id IS NOT DISTINCT "
        "FROM nullif($2, 0) AND (coalesce(access, '') = $3 OR $4)",
        {row.project_id, row.session_id, row.access.value_or(""), !row.access});
  }

  void operator()(const SnapshotRow &row) const {
    transaction.Execute(
        "INSERT INTO agent_branch.schema_snapshot (fingerprint, objects) VALUES ($1, $2::jsonb) "
        "ON CONFLICT (fingerprint) DO NOTHING",
        {row.fingerprint, row.objects});
  }

  void operator()(const ForkRow &row) const {
    if (row.anew)
      transaction.Execute("DELETE FROM agent_branch.fork WHERE session_id = $1", {row.session_id});
    transaction.Execute(
        "INSERT INTO agent_branch.fork AS f (session_id, parent, branch) "
        "VALUES ($1, nullif($2, '')::jsonb, nullif($3, '')::jsonb) "
        "ON CONFLICT (session_id) DO UPDATE SET parent = coalesce(excluded.parent, f.parent), "
        "branch = coalesce(excluded.branch, f.branch)",
        {row.session_id, row.parent, row.branch});
  }

  void operator()(const RebaseRow &row) const {
    if (row.ended) {
      transaction.Execute("DELETE FROM agent_branch.rebase WHERE session_id = $1",
                          {row.session_id});
      return;
    }
    transaction.Execute(
        "INSERT INTO agent_branch.rebase (session_id, branch_id, base_fingerprint, "
        "branch_fingerprint) VALUES ($1, $2, nullif($3, ''), $4)",
        {row.session_id, row.branch_id, row.base_fingerprint, row.branch_fingerprint});
  }

  void operator()(const UndoPointRow &row) const {
    transaction.Execute(kSaveUndoPoint, {row.merge_id, row.session_id, row.backup_name,
                                         row.backup_branch_id, row.standpoint, row.statistics,
                                         row.record, row.parent_reset_at, row.until, row.why_not});
  }

  void operator()(const UndoRow &row) const {
    transaction.Execute(
        kSaveUndo, {row.id, row.merge_id, row.session_id, row.forced, row.requested_by, row.status,
                    row.parent_reset_at, row.preserved_name, row.preserved_branch_id, row.accepted,
                    Joined(row.lost, '\n'), row.reason});
  }

  void operator()(const FixCallRow &row) const {
    transaction.Execute(
        kSaveFixCall,
        {row.id, row.session_id, row.migration_id, row.original, row.source, row.model, row.outcome,
         row.reason, row.explanation, row.input_tokens, row.output_tokens, row.cost});
  }

  void operator()(const RefusedFixRow &row) const {
    transaction.Execute(kSaveRefusedFix,
                        {row.migration_id, row.number, row.sql, row.made_by, row.reason});
  }

  void operator()(const FixMemoryRow &row) const {
    if (row.refused) {
      transaction.Execute("DELETE FROM agent_branch.fixer_memory WHERE id = $1", {row.id});
      return;
    }
    if (row.id != 0) {
      transaction.Execute(kCountMemory, {row.id, row.worked});
      return;
    }
    transaction.Execute(kSaveMemory,
                        {row.project_id, row.signature, row.original, row.fix, row.worked});
  }

  void operator()(const PreviewRow &row) const {
    // Whoever does not come for it is gone, or has given up waiting.
    transaction.Execute(
        "DELETE FROM agent_branch.preview WHERE made_at < now() - interval '1 hour'");
    transaction.Execute(
        "INSERT INTO agent_branch.preview (ticket, session_id, result) VALUES ($1, $2, $3::jsonb) "
        "ON CONFLICT (ticket) DO UPDATE SET result = excluded.result",
        {row.ticket, row.session_id, row.result});
  }

  void operator()(const WaitRow &row) const {
    if (row.waits_for.empty()) {
      transaction.Execute("DELETE FROM agent_branch.session_wait WHERE session_id = $1",
                          {row.session_id});
      return;
    }
    transaction.Execute(
        "INSERT INTO agent_branch.session_wait (session_id, waits_for) VALUES ($1, $2) "
        "ON CONFLICT (session_id) DO UPDATE SET waits_for = excluded.waits_for, told_at = now()",
        {row.session_id, row.waits_for});
  }

  void operator()(const DropRequest &row) const { transaction.Execute(kDropRequest, {row.id}); }
};

}  // namespace

void Write(Transaction &transaction, const Mutation &mutation) {
  std::visit(Writer{transaction}, mutation);
}

}  // namespace agent_branch
