// Between rows of the tables and the structs of core/model.hpp.
#pragma once

#include <string>
#include <vector>

#include "postgres/spi.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch {

// Each *Query is a SELECT whose columns the reader of the same name expects; a condition follows
// it.
extern const char kProjectColumns[];
extern const char kSessionColumns[];
extern const char kMigrationColumns[];

ProjectRow ReadProject(const Row &row);
SessionRow ReadSession(const Row &row);
MigrationRow ReadMigration(const Row &row);
SweepRow ReadSweep(const Row &row);

// The rows of a query whose text is put together from constants of this file only.
template <class Value>
std::vector<Value> ReadAll(Transaction &transaction, const std::string &sql,
                           Value (*read)(const Row &)) {
  std::vector<Value> values;
  for (const Row &row : transaction.QueryOnce(sql))
    values.push_back(read(row));
  return values;
}

// Who this installation is. A copy of a database (as a template, or of the whole server after
// pg_upgrade or initdb) has the original's identity: it takes one of its own, so that its worker
// and the original's never touch each other's branches. Sessions that are another installation's
// are told so, and left alone.
std::string Identify(Transaction &transaction);

// Writes one mutation; `transaction` is open.
void Write(Transaction &transaction, const Mutation &mutation);

}  // namespace agent_branch
