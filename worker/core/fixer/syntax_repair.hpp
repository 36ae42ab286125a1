// A text that no parser takes, mended: only where PostgreSQL's parser stops, and only by edits that
// a person makes without a thought.
//
// The fix says how; each of its edits is made only when the parser stops at it, and only if it is
// of a kind that is listed here: a keyword that was misspelt, a comma or a bracket at the very
// place, quotes around a reserved word, and words of other databases with their translations. The
// rest of the fix is none of this part's business: it is compared afterwards, as that of a text
// that always parsed.
#pragma once

#include <string>

#include "worker/core/base/status.hpp"
#include "worker/core/fixer/sql_trees.hpp"

namespace agent_branch {

// The original's text, mended until it parses; or why it cannot be.
Result<std::string> RepairSyntax(const std::string &original, const std::string &fix,
                                 SqlTrees *trees);

}  // namespace agent_branch
