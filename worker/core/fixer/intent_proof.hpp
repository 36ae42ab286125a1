// The second proof of a fix's intent, on the branch itself: before the fix is committed, the schema
// is held against what it was, and against what the original was to make of it.
//
// A text may do more than it says, by what already is in the database: so nothing may vanish or
// change that the effects do not explain. And IF NOT EXISTS may do less: so what the original
// creates has to be there, as it wanted it; and rows change only where it asks for that.
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

// allowed: what RowsExpression() answers; empty: any. record: of a transaction, as the branch tells
// it (JSON, "rows": counts by table). Refuses rows that changed where the effects ask for none.
Intent ExplainRows(const std::string &allowed, const std::string &record);

}  // namespace agent_branch
