// Queries about what a migration is about to change: how large it is, and whether it is there.
#pragma once

#include <string>

#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

// questions: a JSON array of {"n", "relation", "column"}. One row with a JSON array: n, rows, bytes
// and not_null of each relation that exists.
std::string RiskQuery(const std::string &questions);

// One row with one of the kAlone… words, and the object's own name behind it.
std::string NonTransactionalQuery(const NonTransactionalStatement &statement);

// The comment that names a statement while it runs; no query that looks for it holds it as it is.
std::string NonTransactionalMark(const NonTransactionalStatement &statement);

// The text as a string constant of SQL, which is one whatever standard_conforming_strings is: that
// is read before the first statement of a query can set it.
std::string Literal(const std::string &text);

}  // namespace agent_branch
