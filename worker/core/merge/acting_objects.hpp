// What others changed on the parent that acts on the rows which a session's migrations write there:
// on the branch these rows were written without it, and the two orders of the two sides give
// different rows though they give one schema.
//
// A constraint is none of it: PostgreSQL holds the rows to it in either order, and rows of another
// table that a foreign key takes along are seen by their count (CompareRows()).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "worker/core/merge/dependencies.hpp"
#include "worker/core/merge/replay_judgement.hpp"

namespace agent_branch {

// The parent's triggers of tables that the migrations wrote to, where others changed a function
// that one of them may call: FindActing() needs their definitions.
std::vector<std::string> TriggersToRead(const std::vector<ObjectDifference> &differences,
                                        const ChangedRows &rows, const ObjectMap &parent);

// refilled: of ChangedColumns(), those whose default or identity is another now. triggers: the
// definitions of TriggersToRead(). `object` of what is returned is what others changed: a trigger
// or a rule of such a table, a column's default, a function that a trigger calls; `on`: "rows of
// table public.t".
std::vector<Dependence> FindActing(const std::vector<ObjectDifference> &differences,
                                   const ChangedRows &rows, const std::set<std::string> &refilled,
                                   const ObjectMap &triggers);

// By the definitions that both sides have of the columns.
std::set<std::string> FindRefilled(const std::vector<std::string> &columns, const ObjectMap &branch,
                                   const ObjectMap &parent);

}  // namespace agent_branch
