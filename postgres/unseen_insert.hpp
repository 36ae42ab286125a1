// Writes a row whose values must not be seen by anything that looks at statements: neither plan nor
// parameters exist, so that no setting of log_*, debug_print_* or auto_explain, and no extension
// with an executor's hook, is shown them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "postgres/spi.hpp"

namespace agent_branch {

using NamedParams = std::vector<std::pair<const char *, Param>>;

// Inserts one row into a table of the schema agent_branch; columns that are not named are null,
// their defaults are not looked at. Constraints and indexes hold as ever. Inside a transaction, as
// somebody who may write the table: that is not checked. Errors are PgException.
void InsertUnseen(const char *table, const NamedParams &values);

}  // namespace agent_branch
