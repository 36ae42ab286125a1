// Between rows of the tables and the structs of core/model.hpp.
#pragma once

#include <optional>

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

// Writes one mutation; `transaction` is open.
void Write(Transaction &transaction, const Mutation &mutation);

}  // namespace agent_branch
