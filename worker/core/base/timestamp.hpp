// RFC 3339 timestamps, as the Neon API writes and reads them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace agent_branch {

// "2026-06-09T18:02:16Z"
std::string FormatTimestamp(int64_t unix_time);
// Seconds since 1970-01-01 UTC; fractions are cut off. 0 when `text` is no RFC 3339 timestamp.
int64_t ParseTimestamp(std::string_view text);

}  // namespace agent_branch
