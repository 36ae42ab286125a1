// Text that came from outside, made fit to be stored and shown.
#pragma once

#include <string>
#include <string_view>

namespace agent_branch {

// At most `limit` bytes, cut at a UTF-8 boundary; control characters become blanks and bytes that
// are not UTF-8 become '?', so that the result can be stored in a database of any kind of client.
std::string CleanText(std::string_view text, size_t limit);

bool IsUtf8(std::string_view text);

// Like CleanText(), but keeps line breaks and tabs: for messages of several lines.
std::string CleanLines(std::string_view text, size_t limit);

}  // namespace agent_branch
