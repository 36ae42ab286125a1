// What the branch is asked, before a fix is committed: whether that holds which its effects are to
// have brought about.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "worker/core/script/script.hpp"

namespace agent_branch {

// Views among the effects.
std::set<std::string> ViewsPutBack(const std::vector<Effect> &added);
// An SQL expression of the same kind: the definitions of these views as one text. Their hashes do
// not do: the types of their columns follow those of the tables. Empty when there are none.
std::string DefinitionsExpression(const std::set<std::string> &views);

// An SQL expression, for a query with search_path = pg_catalog: which of the facts that the effects
// are to have brought about do not hold, as one text; null: all of them hold. Empty when there is
// nothing to ask for.
std::string FactsExpression(const std::vector<Effect> &effects);

// The relations whose rows the effects may change, as a JSON array of names with their schemas:
// those that they name, and those that follow by keys, inheritance and views. A JSON null where a
// trigger, a rule or a function may change any. Empty when nothing may be told.
std::string RowsExpression(const std::vector<Effect> &effects);

}  // namespace agent_branch
