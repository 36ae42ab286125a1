// The second proof of a fix's intent, on the branch itself: before the fix is committed, the schema
// is held against what it was, and against what the original was to make of it.
//
// A text may do more than it says, by what already is in the database: so nothing may vanish or
// change that the effects do not explain. And IF NOT EXISTS may do less: so what the original
// creates has to be there, as it wanted it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "worker/core/fixer/intent.hpp"

namespace agent_branch {

// before, after: JSON objects, "kind identity" → hash of its definition (BranchEvent::objects).
// put_back: views that were taken away and made again, and have the same definition as before.
Intent ExplainChanges(const std::vector<Effect> &effects, const std::set<std::string> &put_back,
                      const std::string &before, const std::string &after);

// Views among the effects.
std::set<std::string> ViewsPutBack(const std::vector<Effect> &added);
// An SQL expression of the same kind: the definitions of these views as one text. Their hashes do
// not do: the types of their columns follow those of the tables. Empty when there are none.
std::string DefinitionsExpression(const std::set<std::string> &views);

// An SQL expression, for a query with search_path = pg_catalog: which of the facts that the effects
// are to have brought about do not hold, as one text; null: all of them hold. Empty when there is
// nothing to ask for.
std::string FactsExpression(const std::vector<Effect> &effects);

}  // namespace agent_branch
