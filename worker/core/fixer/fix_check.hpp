// Whether a fix does what the original did, and nothing else.
//
// PostgreSQL's own parse trees of both are compared, statement by statement, in order. They have to
// be equal() but for what the errors seen license: the check makes each licensed change itself in
// the original's text, where the fix proposes it, and then wants equal trees. A text that does not
// parse is mended first (syntax_repair.hpp). Where the check cannot tell, it refuses: a fix that is
// refused wrongly costs an attempt, one that is accepted wrongly costs data.
//
// A pure function of the question, with the parser behind SqlTrees: bounded in time and memory for
// any text.
#pragma once

#include "worker/core/fixer/fix_question.hpp"
#include "worker/core/fixer/sql_trees.hpp"

namespace agent_branch {

// Longer texts are not compared.
constexpr size_t kMaxCheckedBytes = 128 * 1024;

Intent CheckFix(const FixQuestion &question, SqlTrees *trees);

}  // namespace agent_branch
