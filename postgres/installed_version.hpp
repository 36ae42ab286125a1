// The extension's version in this database against that of the libraries. A package brings the
// libraries of a new version while tables are still those of the old one, until somebody calls
// ALTER EXTENSION agent_branch UPDATE: until then nothing of ours touches them.
#pragma once

#include <string>

#include "worker/core/base/status.hpp"

namespace agent_branch {

// As pg_extension has it; empty when the database has no such extension. In a transaction.
std::string InstalledVersion();

// 55000, with the statement that helps as the hint, unless these libraries know the tables of
// `installed`: those of their own version, or of a version that only a suffix tells from it.
Status CheckVersion(const std::string &installed);

// The same of this database's version, raised.
void RequireMatchingVersion();

}  // namespace agent_branch
