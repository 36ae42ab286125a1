#include "worker/core/fixer/clause_rules.hpp"

#include <algorithm>
#include <iterator>

#include "worker/core/fixer/dialects.hpp"

namespace agent_branch {
namespace {

bool IsConstant(std::string_view word) {
  constexpr std::string_view kWords[] = {"true", "false", "current_date", "current_timestamp",
                                         "case", "when",  "then",         "else",
                                         "end",  "and",   "or",           "not",
                                         "is"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

}  // namespace

bool ClauseRules::Explains(const TextEdit &edit) const {
  if (fix_.IsWord(edit.fix_begin, "default"))
    return Default(edit.begin, edit.fix_begin + 1, edit.fix_end);
  return fix_.IsWord(edit.fix_begin, "using") &&
         Conversion(edit.begin, fix_.Raw(edit.fix_begin + 1, edit.fix_end));
}

// The beginning of the part of ALTER TABLE that the token is in.
size_t ClauseRules::CommandOf(size_t at) const {
  int depth = 0;
  for (size_t n = std::min(at, text_.tokens.size()); n-- > 0;) {
    if (text_.IsOperator(n, ")")) ++depth;
    if (text_.IsOperator(n, "(")) --depth;
    if (depth == 0 && text_.IsOperator(n, ",")) return n + 1;
    if (depth == 0 && (text_.IsWord(n, "add") || text_.IsWord(n, "alter")) && n > 0) return n;
  }
  return 0;
}

bool ClauseRules::Default(size_t a, size_t b, size_t b_end) const {
  if (original_.read.tag != "ALTER TABLE") return false;
  size_t column = CommandOf(a);
  if (!text_.IsWord(column, "add")) return false;
  ++column;
  if (text_.IsWord(column, "column")) ++column;
  if (!text_.IsName(column) || column + 1 >= a) return false;
  const std::string &name = text_.Value(column);
  const bool wanted = std::any_of(
      original_.read.effects.begin(), original_.read.effects.end(), [&](const Effect &effect) {
        return effect.kind == "not null" && LastPartOf(effect.object) == name &&
               scene_.allowed.IsNull(LastPartOf(OwnerPartOf(effect.object)), name);
      });
  return wanted && IsHarmlessExpression(fix_, b, b_end, false);
}

bool ClauseRules::Conversion(size_t a, const std::string &expression) const {
  size_t type = std::min(a, text_.tokens.size());
  while (type > 0 && !text_.IsWord(type, "type"))
    --type;
  if (type < 2 || !text_.IsWord(type, "type")) return false;
  size_t column = type - 1;
  if (text_.IsWord(column, "data") && text_.IsWord(column - 1, "set")) column -= 2;
  if (!text_.IsName(column) || scene_.allowed.uncast_columns.count(text_.Value(column)) == 0)
    return false;
  const std::string name = text_.Raw(column);
  const std::string target = "::" + text_.Raw(type + 1, a);
  for (const std::string &value :
       {name, "trim(" + name + ")", "btrim(" + name + ")", "nullif(" + name + ", '')",
        "nullif(trim(" + name + "), '')", "nullif(btrim(" + name + "), '')"}) {
    if (scene_.trees->Same("SELECT " + expression, "SELECT " + value + target)) return true;
  }
  return false;
}

bool IsHarmlessExpression(const TokenText &text, size_t begin, size_t end, bool columns) {
  if (begin >= end) return false;
  for (size_t at = begin; at < end; ++at) {
    if (text.IsOperator(at, ";")) return false;
    if (!text.IsName(at)) continue;
    const std::string &word = text.Value(at);
    if (text.IsOperator(at + 1, "(")) {
      if (!IsHarmlessFunction(word) && !IsTypeWord(word)) return false;
      continue;
    }
    const bool constant = IsConstant(word);
    const bool type = at > begin && text.IsOperator(at - 1, "::") && IsTypeWord(word);
    const bool column = columns && !IsKeyword(word) && word != "current_user" && word != "user";
    const bool null = columns && word == "null";
    if (!constant && !type && !column && !null) return false;
  }
  return true;
}

}  // namespace agent_branch
