// Wall-clock time as Neon writes it: RFC 3339 in UTC, whole seconds, `Z`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agent_branch::emulator {

using Microseconds = int64_t;  // since 1970-01-01T00:00:00Z

constexpr Microseconds kSecond = 1'000'000;

Microseconds Now();
std::string FormatTime(Microseconds time);           // 2026-06-09T18:02:16Z
std::string FormatTimePrecisely(Microseconds time);  // 2026-06-09T18:02:16.123456Z
// Accepts a zone of Z or ±hh:mm and a fraction of a second; nothing when the text is none.
std::optional<Microseconds> ParseTime(std::string_view text);

}  // namespace agent_branch::emulator
