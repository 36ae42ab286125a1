// What the code in a DO block or a function may do, as far as its words tell.
//
// The code is in a language that no parser here reads, and may put statements together while it
// runs: what is found is a risk, and what is not found is no promise. What it did is measured.
#pragma once

#include <string_view>
#include <vector>

#include "worker/core/script/script.hpp"

namespace agent_branch {

// COMMIT or ROLLBACK as a statement of its own.
bool EndsTransaction(std::string_view body);
// ALTER TYPE … ADD VALUE, also in a string that is run.
bool AddsEnumValue(std::string_view body);
// DROP, TRUNCATE, RENAME, DELETE and UPDATE without WHERE, and their like. `where`: "a DO block".
std::vector<StatementRisk> FindBodyRisks(std::string_view body, std::string_view where);

}  // namespace agent_branch
