// The journal of agent_project_create(); see worker/core/upkeep/provision_store.hpp.
#include "postgres/shared_state.hpp"
#include "postgres/spi.hpp"
#include "worker/postgres_store.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

constexpr char kProvisions[] = R"(
SELECT id, name, mark, wish->>'production', parent, database, role,
  coalesce(wish->>'region', ''), coalesce(wish->>'organization', ''),
  coalesce(options->>'api_key_file', ''), coalesce((wish->>'pg_version')::integer, 0),
  coalesce((options->>'min_cu')::float8, 0.25), coalesce((options->>'max_cu')::float8, 1),
  coalesce(project, ''), asked_at IS NOT NULL
FROM agent_branch.provision
WHERE installation_id = (SELECT id FROM agent_branch.installation) ORDER BY id)";

// Both in one statement, so that nothing is registered twice.
constexpr char kRegister[] = R"(
WITH made AS (DELETE FROM agent_branch.provision WHERE id = $1 RETURNING *),
registered AS (
  INSERT INTO agent_branch.project AS p (project, name, parent, database, role, options,
    registered_by, registered_by_name)
  SELECT m.project, m.name, m.parent, m.database, m.role, m.options, 0, m.requested_by_name
  FROM made AS m
  ON CONFLICT (project) DO UPDATE SET name = excluded.name, removed_at = NULL
  RETURNING p.id)
INSERT INTO agent_branch.request (kind, project_id, requested_by)
SELECT 'register', r.id, (SELECT o.oid FROM pg_roles AS o
  WHERE o.rolname IN (m.requested_by_name, current_user)
  ORDER BY o.rolname = m.requested_by_name DESC LIMIT 1)
FROM registered AS r, made AS m RETURNING project_id)";

ProvisionRow ReadProvision(const Row &row) {
  ProvisionRow provision;
  provision.id = row.Int(0);
  provision.name = row.Text(1);
  provision.mark = row.Text(2);
  provision.production = row.Text(3);
  provision.parent = row.Text(4);
  provision.database = row.Text(5);
  provision.role = row.Text(6);
  provision.region = row.Text(7);
  provision.organization = row.Text(8);
  provision.api_key_file = row.Text(9);
  provision.postgres_version = static_cast<int>(row.Int(10));
  provision.min_cu = row.Float(11);
  provision.max_cu = row.Float(12);
  provision.neon_id = row.Text(13);
  provision.asked = row.Bool(14);
  return provision;
}

Status GivenUp() {
  return Status::Error("02000", "the project has been given up", {},
                       "Ask for it again with agent_project_create().");
}

// Called by flows, through which no exception may pass; whoever looks after the extension finds
// that it is gone by itself.
template <class Body>
Status Guarded(Body body) {
  try {
    return body();
  } catch (const ExtensionGone &) {
    return Status::Error("42704", "the extension is gone", {}, "Create it again.");
  }
}

}  // namespace

Result<std::vector<ProvisionRow>> PostgresStore::Provisions() {
  std::vector<ProvisionRow> provisions;
  const Status status = Guarded([&] {
    return InTransaction([&](Transaction &transaction) {
      for (const Row &row : transaction.Query(kProvisions))
        provisions.push_back(ReadProvision(row));
    });
  });
  if (!status.ok()) return status;
  return provisions;
}

Status PostgresStore::IntendProvision(const ProvisionRow &row) {
  int64_t found = 0;
  const Status status = Guarded([&] {
    return InTransaction([&](Transaction &transaction) {
      found = transaction.Execute(
          "UPDATE agent_branch.provision SET asked_at = clock_timestamp() WHERE id = $1", {row.id});
    });
  });
  if (!status.ok()) return status;
  return found == 0 ? GivenUp() : Status();
}

Status PostgresStore::RecordProvision(const ProvisionRow &row, const std::string &outcome,
                                      const std::string &request_id) {
  return Guarded([&] {
    return InTransaction([&](Transaction &transaction) {
      transaction.Execute(
          "UPDATE agent_branch.provision SET project = nullif($2, ''), asked_at = NULL "
          "WHERE id = $1",
          {row.id, row.neon_id});
      transaction.Execute(
          "INSERT INTO agent_branch.event (sent, target, request_id, outcome) "
          "VALUES ('create project', $1, nullif($2, ''), $3)",
          {row.name, request_id, outcome});
    });
  });
}

Status PostgresStore::ShowProvision(int64_t id, const std::string &error) {
  return Guarded([&] {
    return InTransaction([&](Transaction &transaction) {
      transaction.Execute(
          "UPDATE agent_branch.provision SET error = nullif($2, ''), error_since = CASE WHEN "
          "$2 <> '' THEN coalesce(error_since, clock_timestamp()) END WHERE id = $1",
          {id, error});
    });
  });
}

Status PostgresStore::RegisterProvision(const ProvisionRow &row) {
  const Status status = Guarded([&] {
    return InTransaction([&](Transaction &transaction) {
      transaction.Query(kRegister, {row.id});
      transaction.Execute(
          "INSERT INTO agent_branch.event (project_id, sent, target, outcome) "
          "SELECT p.id, 'create project', p.name, 'registered' FROM agent_branch.project AS p "
          "WHERE p.project = $1",
          {row.neon_id});
    });
  });
  if (status.ok()) WakeWorker(MyDatabaseId, WakeReason::kRequest);
  return status;
}

}  // namespace agent_branch
