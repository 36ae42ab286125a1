// What a replay may take away: tables that the migrations drop, make anew or empty, and columns.
//
// Rows that others wrote to them on the parent since the session began would go with them, though
// nobody who wrote the migrations has seen them. So they are looked for first, under a lock that
// the replay would take anyway.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "worker/core/merge/three_way.hpp"

namespace agent_branch {

// The tables of the base, by name, that are not on the branch any more, are other tables there, or
// have lost a column.
std::vector<std::string> TablesTakenAway(const ObjectMap &base, const ObjectMap &branch,
                                         const std::map<std::string, int64_t> &branch_tables,
                                         const std::map<std::string, int64_t> &parent_tables);

// A script that fails with AB004, naming the first such table, when it holds rows that were written
// since the transaction id `since`, an xid8 in decimal; empty: since when is not known, so any row
// counts. Empty when there are no tables.
std::string GuardScript(const std::vector<std::string> &tables, const std::string &since);

}  // namespace agent_branch
