// A digest of what is put together here of what a server has said.
#pragma once

#include <string>
#include <string_view>

namespace agent_branch {

// The first 32 hexadecimal digits of SHA-256, which every library has, those that are limited to
// FIPS 140 included. It tells texts apart. Empty where the library fails.
std::string ShortDigest(std::string_view text);

}  // namespace agent_branch
