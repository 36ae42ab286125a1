#include "worker/core/script/literal_uses.hpp"

#include "worker/core/fixer/sql_tokens.hpp"

namespace agent_branch {
namespace {

// A string in a body in a string: what is nested deeper is no code that anybody writes.
constexpr int kDeepest = 3;

}  // namespace

LiteralUses::LiteralUses(std::string_view sql) {
  Read(sql, 0, 0);
}

void LiteralUses::Read(std::string_view sql, size_t outer_offset, int depth) {
  for (const SqlToken &token : Tokenize(sql)) {
    const size_t offset = depth == 0 ? token.offset : outer_offset;
    if (token.kind == TokenKind::kWord) {
      const bool all =
          token.text == "enum_range" || token.text == "enum_first" || token.text == "enum_last";
      if (all) all_values_ = offset;
    } else if (token.kind == TokenKind::kString) {
      last_[token.text] = offset;
      AddElements(token.text, offset);
      const bool code = token.text.find('\'') != std::string::npos ||
                        token.text.find("enum_") != std::string::npos;
      if (code && depth < kDeepest) Read(token.text, offset, depth + 1);
    }
  }
}

void LiteralUses::AddElements(const std::string &text, size_t offset) {
  if (text.empty() || (text[0] != '{' && text[0] != '(')) return;
  constexpr char kBetween[] = "{}(),\" \t\n";
  for (size_t at = text.find_first_not_of(kBetween); at != std::string::npos;) {
    const size_t end = text.find_first_of(kBetween, at);
    last_[text.substr(at, end - at)] = offset;
    at = text.find_first_not_of(kBetween, end);
  }
}

bool LiteralUses::UsedFrom(const std::string &value, size_t offset) const {
  if (all_values_ >= offset && all_values_ > 0) return true;
  const auto found = last_.find(value);
  return found != last_.end() && found->second >= offset;
}

}  // namespace agent_branch
