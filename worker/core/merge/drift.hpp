// What changed between two descriptions of a schema.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/core/merge/three_way.hpp"
#include "worker/core/state/model.hpp"

namespace agent_branch {

// base and parent: JSON objects, "kind identity" to hash, as branch/ makes them. One row for each
// object that was added, changed or dropped, in the order of their names, at most `limit`.
std::vector<ConflictRow> FindDrift(std::string_view base, std::string_view parent, size_t limit);

std::vector<ConflictRow> FindDrift(const ObjectMap &base, const ObjectMap &parent, size_t limit);

// "table public.orders changed, index public.orders_at added and 3 more"
std::string DescribeDrift(const std::vector<ConflictRow> &drift);

}  // namespace agent_branch
