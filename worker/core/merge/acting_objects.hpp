// What one side changed that acts on the rows which the other side's migrations write: the two
// orders of the two sides give different rows though they give one schema.
//
// Others' triggers, rules and defaults were not there, or were other ones, when the session's
// migrations ran on its branch; nor were others' versions of the functions and views that the
// migrations' statements use, by themselves or by way of triggers, defaults and other functions.
// The same holds the other way round for the merges that came before the session's.
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

// What one side's migrations wrote, by table, and with which statements. No more of `rows` counts.
struct WrittenRows {
  ChangedRows rows;
  std::vector<std::string> texts;

  bool any() const;
};

// The functions, procedures, aggregates and views among `objects` that the names may mean.
std::vector<std::string> UsedByName(const UsedNames &names, const ObjectMap &objects);

// Whose definitions say what the statements use besides what they name: triggers and rules of the
// tables that were written to, columns of those that were inserted into, and what the texts name.
// Nothing where the side that changes (`by_branch`: the session; else the others) changed nothing
// that statements could use. objects: of the parent, as hashes.
std::vector<std::string> UsedToRead(const std::vector<ObjectDifference> &differences,
                                    bool by_branch, const WrittenRows &written,
                                    const ObjectMap &objects);

// refilled: of ChangedColumns(), those whose default or identity is another now. used: the names in
// the texts, and in the definitions that they lead to. `object` of what is returned is what the
// side changed; `on`: "rows of table public.t", or "what the migrations wrote".
std::vector<Dependence> FindActing(const std::vector<ObjectDifference> &differences, bool by_branch,
                                   const WrittenRows &written,
                                   const std::set<std::string> &refilled, const UsedNames &used);

// By the definitions that both sides have of the columns.
std::set<std::string> FindRefilled(const std::vector<std::string> &columns, const ObjectMap &branch,
                                   const ObjectMap &parent);

}  // namespace agent_branch
