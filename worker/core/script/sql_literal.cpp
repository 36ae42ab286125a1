#include "worker/core/script/sql_literal.hpp"

namespace agent_branch {

std::string SqlLiteral(std::string_view text) {
  std::string literal = "E'";
  for (char c : text) {
    if (c == '\'' || c == '\\') literal += c;
    literal += c;
  }
  return literal + "'";
}

}  // namespace agent_branch
