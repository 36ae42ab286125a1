// Reads the value of a Retry-After header (RFC 9110, 10.2.3).
#pragma once

#include <chrono>
#include <ctime>
#include <optional>
#include <string_view>

namespace agent_branch {

// A limit of calls a minute is over after a few of them. An answer that says more, by mistake or by
// malice, must not silence a key for long.
constexpr std::chrono::seconds kMaxRetryAfter{300};

// Seconds, or an HTTP date seen from now; never less than 0 nor more than kMaxRetryAfter. Nothing
// when the value is neither: a server's garbage must not decide when we come back.
std::optional<std::chrono::seconds> ParseRetryAfter(std::string_view value, std::time_t now);

}  // namespace agent_branch
