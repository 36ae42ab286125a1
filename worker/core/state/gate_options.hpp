// The gates of a project, as its option says: name → SQL text, or an object with
// "sql": text, "on": "branch" | "parent", "timeout": interval, and limits of what the migrations
// may do: "max_tables", "max_rows_rewritten", "max_rows_deleted", "strongest_lock", "longest_lock".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/rapidjson.hpp"
#include "worker/core/state/checks.hpp"
#include "worker/core/state/model.hpp"

namespace agent_branch {

// Fails as CheckProjectOptions() does. What only PostgreSQL can read goes into `seen`.
Status CheckGates(const rapidjson::Value &value, ProjectOptions *seen);

// From 1, the weakest lock of a table, to 8; 0 when PostgreSQL has no such one.
int LockStrength(std::string_view lock);

// The query without the blanks and semicolons at its end, so that another one can be put around it.
std::string_view GateQuery(std::string_view sql);

// How a gate's text is tried: it has to be one query that can stand in another one's FROM. Neither
// is run.
std::string GateProbe(std::string_view sql);

// From what the store makes of the option: a JSON array of objects with "name", times in
// milliseconds. What is none is left out.
std::vector<GateRow> ReadGates(std::string_view json);

}  // namespace agent_branch
