// What a target demands of a parser beyond that it comes back.
//
// A demand that is not met is an exception: libFuzzer takes it for a crash and keeps the input, and
// the test over the corpus fails for it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "worker/core/base/status.hpp"

namespace agent_branch::fuzz {

inline void Require(bool met, const std::string &what) {
  if (!met) throw std::logic_error(what);
}

// UTF-8 by RFC 3629, decoded here in another way than the product checks it.
bool IsUtf8(std::string_view text);
// UTF-8, of at most `limit` bytes, without C0 and C1 controls; lines: but for line ends and tabs.
void RequireClean(std::string_view text, size_t limit, bool lines, const std::string &what);
// What is written into a request's path or log as it is.
void RequireWord(std::string_view text, const std::string &what);
// A status that says something, under an SQLSTATE, in text that can be shown.
void RequireTelling(const Status &status, const std::string &what);

// The input up to the separator, which is taken off with it; all that is left when there is none.
std::string_view TakePart(std::string_view *rest, std::string_view separator);

}  // namespace agent_branch::fuzz
