// The part of PostgresStore that reads what is asked for.
#include "postgres/shared_previews.hpp"
#include "postgres/spi.hpp"
#include "worker/postgres_store.hpp"
#include "worker/store_rows.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

RequestRow ReadRequest(const Row &row) {
  RequestRow request;
  request.id = row.Int(0);
  request.kind = row.Text(1);
  request.project_id = row.Int(2);
  request.session_id = row.Int(3);
  request.subject_id = row.Int(4);
  request.strategy = row.Text(5);
  request.on_drift = row.Text(6);
  request.expires_at = row.Int(7);
  if (!row.IsNull(8)) request.attempt = static_cast<int>(row.Int(8));
  request.on_unrecorded = row.Text(9);
  request.force = row.Bool(10);
  request.requested_by = row.Text(11);
  return request;
}

constexpr char kRequests[] = R"(
SELECT id, kind, project_id, session_id, subject_id, arguments->>'strategy',
  arguments->>'on_drift', ceil(extract(epoch FROM (arguments->>'expires_at')::timestamptz))::bigint,
  (arguments->>'attempt')::integer, coalesce(arguments->>'on_unrecorded', 'fail'),
  coalesce((arguments->>'force')::boolean, false),
  coalesce((SELECT r.rolname FROM pg_roles AS r WHERE r.oid = requested_by), '')
FROM agent_branch.request ORDER BY id)";

}  // namespace

SweepRow ReadSweep(const Row &row) {
  SweepRow sweep;
  sweep.id = row.Int(0);
  sweep.dry_run = row.Bool(1);
  return sweep;
}

Result<Intake> PostgresStore::ReadRequests() {
  Intake intake;
  Status status = InTransaction([&](Transaction &transaction) {
    for (const Row &row : transaction.Query(kRequests))
      intake.requests.push_back(ReadRequest(row));
    if (intake.requests.empty()) return;
    unreadable_.clear();
    intake.projects = ReadProjects(transaction,
                                   "WHERE id IN (SELECT project_id FROM agent_branch.request "
                                   "WHERE kind IN ('register', 'create'))");
    intake.sessions = ReadSessions(transaction,
                                   "WHERE id IN (SELECT session_id FROM agent_branch.request "
                                   "WHERE kind IN ('create', 'undo'))");
    // They stay, until what they are about can be read.
    std::erase_if(intake.requests, [this](const RequestRow &request) {
      return IsLeftOut(request.session_id, request.project_id);
    });
    intake.migrations = ReadAll(
        transaction,
        std::string(kMigrationColumns) +
            "WHERE m.id IN (SELECT subject_id FROM agent_branch.request WHERE kind = 'migrate')",
        ReadMigration);
    intake.sweeps =
        ReadAll(transaction,
                "SELECT id, dry_run FROM agent_branch.sweep WHERE id IN (SELECT subject_id FROM "
                "agent_branch.request WHERE kind = 'reap')",
                ReadSweep);
  });
  if (!status.ok()) return status;
  for (const PreviewQuestion &question : TakePreviews(MyDatabaseId)) {
    RequestRow request;
    request.kind = "preview";
    request.session_id = question.session_id;
    request.subject_id = question.ticket;
    request.strategy = question.strategy;
    request.on_drift = question.on_drift;
    request.on_unrecorded = question.on_unrecorded;
    intake.requests.push_back(std::move(request));
  }
  return intake;
}

}  // namespace agent_branch
