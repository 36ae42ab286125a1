// A text as a constant of SQL.
#pragma once

#include <string>
#include <string_view>

namespace agent_branch {

// A string constant that is one whatever standard_conforming_strings is.
std::string SqlLiteral(std::string_view text);

}  // namespace agent_branch
