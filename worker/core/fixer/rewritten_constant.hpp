// Whether a constant that the server could not read says the same, written so that it can.
#pragma once

#include <string_view>

namespace agent_branch {

// A number with a comma or blanks in it, a date whose day cannot be taken for its month, or the
// same letters in another case. False where it is in doubt: '1,234' may be either of two numbers.
bool IsTheSameValue(std::string_view unreadable, std::string_view readable);

}  // namespace agent_branch
