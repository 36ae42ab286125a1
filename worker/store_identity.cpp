#include "postgres/spi.hpp"
#include "worker/store_rows.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

constexpr char kIsCopy[] = R"(
SELECT i.database_oid <> d.oid OR i.system_identifier <> (pg_control_system()).system_identifier
FROM agent_branch.installation AS i, pg_database AS d WHERE d.datname = current_database())";

constexpr char kHasOthers[] = R"(
SELECT EXISTS (SELECT FROM agent_branch.session AS s, agent_branch.installation AS i
  WHERE s.finished_at IS NULL AND s.installation_id <> i.id))";

}  // namespace

std::string Identify(Transaction &transaction) {
  // An UPDATE may be refused even when it finds no row: of a table that a publication publishes.
  const bool is_copy = transaction.Query(kIsCopy)[0].Bool(0);
  const bool has_others = transaction.Query(kHasOthers)[0].Bool(0);
  int64_t copies =
      !is_copy
          ? 0
          : transaction.Execute(
                "UPDATE agent_branch.installation SET id = gen_random_uuid(), created_at = now(), "
                "system_identifier = (pg_control_system()).system_identifier, database_oid = d.oid "
                "FROM pg_database AS d WHERE d.datname = current_database()");
  int64_t others = !is_copy && !has_others ? 0
                                           : transaction.Execute(
                                                 "UPDATE agent_branch.session SET error = 'the "
                                                 "session belongs to another installation', "
                                                 "error_hint = 'This database is a copy. If the "
                                                 "original is gone for good, an administrator "
                                                 "can call agent_branch_take_over().' FROM "
                                                 "agent_branch.installation AS i WHERE finished_at "
                                                 "IS NULL AND installation_id <> i.id");
  if (copies > 0) LogMessage(LOG, "agent_branch: this database is a copy and has a new identity");
  if (others > 0) {
    LogMessage(LOG, "agent_branch: " + std::to_string(others) +
                        " unfinished sessions belong to another installation and are left alone");
  }
  return transaction.Query("SELECT id FROM agent_branch.installation")[0].Text(0);
}

}  // namespace agent_branch
