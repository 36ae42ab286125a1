// Whether one name may be meant by another.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace agent_branch {

// How many letters have to be put in, taken out, changed, or change places with their neighbours.
size_t EditDistance(std::string_view one, std::string_view other);

// An abbreviation, a plural, a slip of the pen, word by word; capitals and underscores do not
// count, and digits are never a slip: min_price is not max_price, address1 not address2.
bool AreAlike(std::string_view one, std::string_view other);

// Wider than AreAlike(): a name so near that it is in doubt which of the two is meant.
bool MayBeMeant(std::string_view one, std::string_view other);

// Whether `choice` is alike, and nearer to `name` than every other candidate. Candidates may hold
// `choice` itself.
bool IsNearest(std::string_view name, std::string_view choice,
               const std::vector<std::string> &candidates);

}  // namespace agent_branch
