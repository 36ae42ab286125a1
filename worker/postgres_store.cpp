#include "worker/postgres_store.hpp"

#include "postgres/spi.hpp"
#include "worker/core/script/script_json.hpp"
#include "worker/store_rows.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

constexpr char kExtension[] = "agent_branch";

MergeRow ReadMerge(const Row &row) {
  MergeRow merge;
  merge.id = row.Int(0);
  merge.session_id = row.Int(1);
  merge.strategy = row.Text(2);
  merge.on_drift = row.Text(3);
  merge.status = row.Text(4);
  merge.accepted = row.Bool(5);
  merge.base_fingerprint = row.Text(6);
  merge.parent_fingerprint = row.Text(7);
  merge.parent_reset_at = row.Text(8);
  merge.backup_name = row.Text(9);
  merge.backup_branch_id = row.Text(10);
  merge.on_unrecorded = row.Text(11);
  merge.chosen = row.Text(12);
  merge.chosen_reason = row.Text(13);
  merge.transaction_id = row.Text(14);
  merge.certificate = row.Text(15);
  merge.candidates = static_cast<int>(row.Int(16));
  merge.gates = row.Text(17);
  merge.checked = row.Text(18);
  merge.pieces = row.Text(19);
  merge.after_fingerprint = row.Text(20);
  return merge;
}

RebaseRow ReadRebase(const Row &row) {
  return {row.Int(0), row.Text(1), row.Text(2), row.Text(3)};
}

UndoRow ReadUndo(const Row &row) {
  UndoRow undo;
  undo.id = row.Int(0);
  undo.merge_id = row.Int(1);
  undo.session_id = row.Int(2);
  undo.forced = row.Bool(3);
  undo.requested_by = row.Text(4);
  undo.status = row.Text(5);
  undo.parent_reset_at = row.Text(6);
  undo.preserved_name = row.Text(7);
  undo.preserved_branch_id = row.Text(8);
  undo.accepted = row.Bool(9);
  return undo;
}

constexpr char kUndos[] = R"(
SELECT id, merge_id, session_id, forced, requested_by, status, parent_reset_at, preserved_name,
  preserved_branch_id, accepted
FROM agent_branch.undo WHERE status IN ('queued', 'running'))";

constexpr char kUndoPointColumns[] = R"(
SELECT merge_id, session_id, coalesce(backup_name, ''), coalesce(backup_branch_id, ''),
  coalesce(standpoint::text, ''), coalesce(statistics::text, ''), coalesce(record::text, ''),
  coalesce(parent_reset_at, ''), coalesce(extract(epoch FROM undo_until), 0)::bigint,
  coalesce(why_not, '')
FROM agent_branch.undo_point )";

UndoPointRow ReadUndoPoint(const Row &row) {
  UndoPointRow point;
  point.merge_id = row.Int(0);
  point.session_id = row.Int(1);
  point.backup_name = row.Text(2);
  point.backup_branch_id = row.Text(3);
  point.standpoint = row.Text(4);
  point.statistics = row.Text(5);
  point.record = row.Text(6);
  point.parent_reset_at = row.Text(7);
  point.until = row.Int(8);
  point.why_not = row.Text(9);
  return point;
}

StepRow ReadStep(const Row &row) {
  StepRow step;
  step.id = row.Int(0);
  step.project_id = row.Int(1);
  step.session_id = row.Int(2);
  step.kind = ParseStepKind(row.Text(3)).value_or(StepKind::kDeleteBranch);
  step.target = row.Text(4);
  return step;
}

KeptBranchRow ReadKept(const Row &row) {
  KeptBranchRow kept;
  kept.project_id = row.Int(0);
  kept.session_id = row.Int(1);
  kept.branch_id = row.Text(2);
  kept.name = row.Text(3);
  kept.kind = row.Text(4);
  kept.keep_until = row.Int(5);
  kept.endpoint_id = row.Text(6);
  return kept;
}

CredentialRow ReadCredential(const Row &row) {
  return {row.Int(0), row.Int(1), row.Bool(2), Secret(row.Text(3)), row.Text(4), row.Text(5)};
}

// Locks the extension against DROP for the length of the transaction, in the order that DROP itself
// locks (the extension first, its tables after), and sees whether it is still the same one.
void CheckExtension(Oid expected) {
  bool same = CallPg([expected] {
    Oid found = get_extension_oid(kExtension, true);
    if (found != expected) return false;
    LockDatabaseObject(ExtensionRelationId, found, 0, AccessShareLock);
    return get_extension_oid(kExtension, true) == expected;
  });
  if (!same) throw ExtensionGone();
}

constexpr char kOurs[] = "installation_id = (SELECT id FROM agent_branch.installation)";

}  // namespace

unsigned int FindExtension() {
  Transaction transaction;
  Oid found = CallPg([] { return get_extension_oid(kExtension, true); });
  transaction.Commit();
  return found;
}

Status PostgresStore::InTransaction(const std::function<void(Transaction &)> &body) {
  try {
    Transaction transaction;
    CheckExtension(extension_);
    body(transaction);
    transaction.Commit();
    return Status();
  } catch (const PgException &error) {
    return StatusOf(error.error());
  }
}

Result<StoreSnapshot> PostgresStore::Load() {
  StoreSnapshot loaded;
  Status status = InTransaction([&](Transaction &transaction) {
    loaded.installation_id = Identify(transaction);
    transaction.Execute("DELETE FROM agent_branch.session_wait");
    for (const Row &row : transaction.Query("SELECT id FROM agent_branch.former_installation")) {
      loaded.former_installations.push_back(row.Text(0));
    }
    loaded.last_step_id =
        transaction.Query("SELECT coalesce(max(id), 0) FROM agent_branch.step")[0].Int(0);
    unreadable_projects_.clear();
    unreadable_sessions_.clear();
    unreadable_.clear();
    loaded.projects = ReadProjects(transaction, "");
    loaded.sessions =
        ReadSessions(transaction, std::string("WHERE (finished_at IS NULL OR id IN (SELECT "
                                              "u.session_id FROM agent_branch.undo AS u WHERE "
                                              "u.status IN ('queued', 'running'))) AND ") +
                                      kOurs);
    loaded.migrations = ReadAll(
        transaction,
        std::string(kMigrationColumns) + "WHERE m.status IN ('queued', 'running', 'repairing')",
        ReadMigration);
    loaded.merges = ReadAll(
        transaction,
        "SELECT id, session_id, strategy, on_drift, status, accepted, base_fingerprint, "
        "parent_fingerprint, parent_reset_at, backup_name, backup_branch_id, "
        "on_unrecorded, chosen, chosen_reason, transaction_id, certificate, candidates, "
        "coalesce(gates::text, ''), coalesce(checked::text, ''), coalesce(pieces::text, ''), "
        "coalesce(after_fingerprint, '') FROM agent_branch.merge WHERE status IN ('queued', "
        "'running')",
        ReadMerge);
    loaded.rebases = ReadAll(transaction,
                             "SELECT session_id, branch_id, coalesce(base_fingerprint, ''), "
                             "branch_fingerprint FROM agent_branch.rebase",
                             ReadRebase);
    loaded.undos = ReadAll(transaction, kUndos, ReadUndo);
    loaded.undo_points = ReadAll(transaction,
                                 std::string(kUndoPointColumns) +
                                     "WHERE merge_id IN (SELECT m.id FROM "
                                     "agent_branch.merge AS m WHERE m.status IN "
                                     "('queued', 'running'))",
                                 ReadUndoPoint);
    loaded.steps = ReadAll(transaction,
                           "SELECT id, project_id, session_id, kind, target FROM "
                           "agent_branch.step WHERE status = 'intended' ORDER BY id",
                           ReadStep);
    // Of a session that is not here: still intended, when it is read again.
    std::erase_if(loaded.steps, [this](const StepRow &step) {
      return IsLeftOut(step.session_id, step.project_id);
    });
    loaded.kept =
        ReadAll(transaction,
                "SELECT project_id, session_id, branch_id, name, kind, extract(epoch "
                "FROM keep_until)::bigint, endpoint_id FROM agent_branch.kept_branch WHERE "
                "deleted_at IS NULL AND " +
                    std::string(kOurs),
                ReadKept);
    loaded.credentials =
        ReadAll(transaction,
                "SELECT project_id, session_id, pooled, uri, branch_id, access FROM "
                "agent_branch.credential",
                ReadCredential);
    // One whose request is still there comes with that.
    loaded.sweeps = ReadAll(transaction,
                            "SELECT id, dry_run FROM agent_branch.sweep AS s WHERE finished_at IS "
                            "NULL AND NOT EXISTS (SELECT FROM agent_branch.request AS r WHERE "
                            "r.kind = 'reap' AND r.subject_id = s.id) ORDER BY id",
                            ReadSweep);
  });
  if (!status.ok()) return status;
  return loaded;
}

Result<std::string> PostgresStore::MigrationSql(int64_t migration_id, int attempt) {
  std::string sql;
  Status status = InTransaction([&](Transaction &transaction) {
    Rows rows = transaction.Query(
        "SELECT sql FROM agent_branch.migration_attempt WHERE migration_id = $1 AND number = $2",
        {migration_id, attempt});
    if (!rows.empty()) sql = rows[0].Text(0);
  });
  if (!status.ok()) return status;
  return sql;
}

Result<std::optional<Script>> PostgresStore::MigrationScript(int64_t migration_id, int attempt) {
  std::string sql;
  std::string json;
  Status status = InTransaction([&](Transaction &transaction) {
    Rows rows = transaction.Query(
        "SELECT sql, script FROM agent_branch.migration_attempt WHERE migration_id = $1 AND "
        "number = $2 AND script IS NOT NULL",
        {migration_id, attempt});
    if (rows.empty()) return;
    sql = rows[0].Text(0);
    json = rows[0].Text(1);
  });
  if (!status.ok()) return status;
  if (json.empty()) return std::optional<Script>();
  Result<Script> script = ReadKeptScript(json, sql);
  if (!script.ok()) return script.status();
  return std::optional<Script>(std::move(script.value()));
}

Result<std::string> PostgresStore::SnapshotObjects(const std::string &fingerprint) {
  std::string objects = "{}";
  Status status = InTransaction([&](Transaction &transaction) {
    Rows rows = transaction.Query(
        "SELECT objects FROM agent_branch.schema_snapshot WHERE fingerprint = $1", {fingerprint});
    if (!rows.empty()) objects = rows[0].Text(0);
  });
  if (!status.ok()) return status;
  return objects;
}

Result<std::vector<AppliedMigration>> PostgresStore::AppliedMigrations(int64_t session_id) {
  std::vector<AppliedMigration> applied;
  Status status = InTransaction([&](Transaction &transaction) {
    for (const Row &row : transaction.Query(
             "SELECT m.id, m.attempt, m.ordinal, t.sql, coalesce(m.record::text, '') "
             "FROM agent_branch.migration AS m JOIN agent_branch.migration_attempt AS t "
             "ON t.migration_id = m.id AND t.number = m.attempt "
             "WHERE m.session_id = $1 AND m.status = 'applied' ORDER BY m.ordinal",
             {session_id})) {
      applied.push_back({row.Int(0), static_cast<int>(row.Int(1)), static_cast<int>(row.Int(2)),
                         row.Text(3), row.Text(4)});
    }
  });
  if (!status.ok()) return status;
  return applied;
}

Result<ForkRow> PostgresStore::Fork(int64_t session_id) {
  ForkRow fork;
  fork.session_id = session_id;
  Status status = InTransaction([&](Transaction &transaction) {
    Rows rows = transaction.Query(
        "SELECT coalesce(parent::text, ''), coalesce(branch::text, '') FROM agent_branch.fork "
        "WHERE session_id = $1",
        {session_id});
    if (rows.empty()) return;
    fork.parent = rows[0].Text(0);
    fork.branch = rows[0].Text(1);
  });
  if (!status.ok()) return status;
  return fork;
}

Result<std::optional<UndoPointRow>> PostgresStore::UndoPoint(int64_t merge_id) {
  std::optional<UndoPointRow> point;
  Status status = InTransaction([&](Transaction &transaction) {
    Rows rows =
        transaction.QueryOnce(std::string(kUndoPointColumns) + "WHERE merge_id = $1", {merge_id});
    if (!rows.empty()) point = ReadUndoPoint(rows[0]);
  });
  if (!status.ok()) return status;
  return point;
}

Result<std::vector<DoneReplay>> PostgresStore::ReplaysSince(int64_t project_id,
                                                            const std::string &parent_reset_at,
                                                            const std::string &transaction_id) {
  std::vector<DoneReplay> replays;
  Status status = InTransaction([&](Transaction &transaction) {
    for (const Row &row : transaction.Query(
             "SELECT m.id, m.session_id, s.name, coalesce(m.parent_fingerprint, ''), "
             "coalesce(m.after_fingerprint, '') FROM agent_branch.merge AS m "
             "JOIN agent_branch.session AS s ON s.id = m.session_id "
             "WHERE s.project_id = $1 AND m.status = 'merged' AND m.chosen = 'replay' "
             "AND coalesce(m.parent_reset_at, '') = $2 AND m.transaction_id >= $3::xid8 "
             "ORDER BY m.transaction_id",
             {project_id, parent_reset_at, transaction_id})) {
      replays.push_back({row.Int(0), row.Int(1), row.Text(2), row.Text(3), row.Text(4)});
    }
  });
  if (!status.ok()) return status;
  return replays;
}

Result<int64_t> PostgresStore::CreateSweep() {
  int64_t id = 0;
  Status status = InTransaction([&](Transaction &transaction) {
    id =
        transaction.Query("INSERT INTO agent_branch.sweep (dry_run) VALUES (false) RETURNING id")[0]
            .Int(0);
  });
  if (!status.ok()) return status;
  return id;
}

Status PostgresStore::Commit(const Batch &batch) {
  return InTransaction([&](Transaction &transaction) {
    for (const Mutation &mutation : batch.mutations)
      Write(transaction, mutation);
    // Here, because the worker is the only one that never runs beside another of its kind.
    transaction.Query("SELECT agent_branch.seal_events()");
  });
}

}  // namespace agent_branch
