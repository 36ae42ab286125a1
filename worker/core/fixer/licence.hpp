// What an error gives a fix leave to do that the original did not.
//
// A fix does what the original did and nothing else; but to mend an error it has to change
// something. What that may be follows from the error alone: from its SQLSTATE, and from the names
// and values that its message quotes.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

struct Licence {
  std::set<std::string> sqlstates;
  // A name that does not exist, or exists already, and may stand as another one in the fix.
  std::set<std::string> names;
  // A constant that the server could not read.
  std::set<std::string> constants;
  // Columns that hold nulls, each with its table where the message says it, else with "".
  std::set<std::pair<std::string, std::string>> null_columns;
  // Objects that depend on what the original changes, as the detail names them.
  std::set<std::string> dependents;
};

// errors: of the original, and of the fixes that were run in its place.
Licence LicenceOf(const std::vector<ServerError> &errors);

// Extensions that define types, functions and operators, and reach no file, host or other database.
bool IsHarmlessExtension(const std::string &name);
// Functions that only compute.
bool IsHarmlessFunction(const std::string &name);

}  // namespace agent_branch
