#include "worker/core/fixer/syntax_rules.hpp"

#include <algorithm>
#include <iterator>

#include "worker/core/fixer/dialects.hpp"
#include "worker/core/fixer/spelling.hpp"

namespace agent_branch {
namespace {

// Words that a statement begins with or hangs on.
constexpr std::string_view kSlips[] = {
    "add",        "alter",    "as",      "begin",    "by",       "check",   "column",
    "constraint", "create",   "default", "delete",   "foreign",  "from",    "function",
    "group",      "having",   "index",   "inner",    "insert",   "into",    "join",
    "key",        "language", "limit",   "order",    "policy",   "primary", "references",
    "returning",  "returns",  "schema",  "select",   "sequence", "set",     "table",
    "then",       "trigger",  "type",    "unique",   "update",   "using",   "values",
    "view",       "when",     "where",   "null",     "not",      "and",     "to",
    "on",         "or",       "of",      "for",      "if",       "exists",  "extension",
    "in",         "like",     "between", "distinct", "is",       "asc",     "desc",
    "with",       "each",     "row",     "before",   "after",    "case",    "else",
    "end"};

// What a slip is never made to be, but may be meant as.
constexpr std::string_view kOthers[] = {
    "all",   "any",   "cascade", "cross",    "do",     "drop",  "every",   "except",
    "false", "full",  "grant",   "left",     "no",     "only",  "outer",   "over",
    "owner", "range", "rename",  "restrict", "revoke", "right", "role",    "rows",
    "some",  "start", "true",    "truncate", "union",  "user",  "without", "ilike",
};

bool Is(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string Lower(std::string text) {
  for (char &c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return text;
}

}  // namespace

const std::vector<std::string_view> &SlipWords() {
  static const std::vector<std::string_view> kWords = [] {
    std::vector<std::string_view> words(std::begin(kSlips), std::end(kSlips));
    words.insert(words.end(), std::begin(kOthers), std::end(kOthers));
    return words;
  }();
  return kWords;
}

bool SyntaxRules::Explains(const TextEdit &edit) const {
  return From(edit.begin, edit.end, edit.fix_begin, edit.fix_end, 0);
}

bool SyntaxRules::IsSlip(const TextEdit &edit) const {
  if (edit.end - edit.begin != 1 || edit.fix_end - edit.fix_begin != 1) return false;
  if (original_.tokens[edit.begin].kind != TokenKind::kWord ||
      fix_.tokens[edit.fix_begin].kind != TokenKind::kWord)
    return false;
  const std::string &from = original_.Value(edit.begin);
  const std::string &to = fix_.Value(edit.fix_begin);
  if (from == "in" && to == "into") return true;
  const bool known = std::find(std::begin(kSlips), std::end(kSlips), to) != std::end(kSlips);
  return known && !IsKeyword(from) && from.size() > 1 &&
         EditDistance(from, to) <= (to.size() > 4 ? 2U : 1U);
}

bool SyntaxRules::From(size_t a, size_t a_end, size_t b, size_t b_end, size_t depth) const {
  if (a == a_end && b == b_end) return true;
  if (depth > 60) return false;
  // Both go on by so many tokens.
  const auto step = [&](size_t of_a, size_t of_b) {
    return a + of_a <= a_end && b + of_b <= b_end &&
           From(a + of_a, a_end, b + of_b, b_end, depth + 1);
  };
  if (a < a_end && b < b_end) {
    if (IsSameName(a, b) && step(1, 1)) return true;
    if (original_.IsOperator(a, "[") && original_.IsName(a + 1) &&
        original_.IsOperator(a + 2, "]") && IsSameName(a + 1, b) && step(3, 1))
      return true;
    if (IsIdentical(a, b) && step(1, 1)) return true;
    if (a == stop_ && IsUnquoted(a, b) && step(1, 1)) return true;
    if (Types(a, b, step)) return true;
    if (Identity(a, b, step)) return true;
    if (original_.IsWord(a, "in") && fix_.IsWord(b, "into") && step(1, 1)) return true;
  }
  if (const size_t words = Generated(a, b); words > 0 && step(0, words)) return true;
  return Drops(a, a_end, step) || (b < b_end && Inserts(a, b, step));
}

bool SyntaxRules::IsIdentical(size_t a, size_t b) const {
  const TokenKind kind = original_.tokens[a].kind;
  if (kind != fix_.tokens[b].kind) return false;
  if (original_.Raw(a) == fix_.Raw(b)) return true;
  // Constants and names in quotes mean something else in other letters.
  return kind == TokenKind::kWord && Lower(original_.Raw(a)) == Lower(fix_.Raw(b));
}

bool SyntaxRules::IsSameName(size_t a, size_t b) const {
  if (!original_.IsName(a) || !fix_.IsName(b)) return false;
  if (original_.Raw(a) == fix_.Raw(b)) return true;
  const bool quoted = original_.tokens[a].kind == TokenKind::kName && original_.Raw(a)[0] == '"';
  return quoted ? original_.Value(a) == fix_.Value(b)
                : Lower(original_.Value(a)) == Lower(fix_.Value(b));
}

template <class Step>
bool SyntaxRules::Types(size_t a, size_t b, const Step &step) const {
  if (original_.tokens[a].kind != TokenKind::kWord) return false;
  const std::string &from = original_.Value(a);
  if (AreOneType(from, fix_.Value(b)) && step(1, 1)) return true;
  for (std::string_view to : TypesFor(from)) {
    const size_t words = std::count(to.begin(), to.end(), ' ') + 1;
    if (b + words > fix_.tokens.size()) continue;
    if (Lower(fix_.Raw(b, b + words)) == to && step(1, words)) return true;
  }
  for (std::string_view to : FunctionsFor(from)) {
    if (fix_.IsWord(b, to) && original_.IsOperator(a + 1, "(") && step(1, 1)) return true;
  }
  return false;
}

template <class Step>
bool SyntaxRules::Identity(size_t a, size_t b, const Step &step) const {
  size_t from = 0;
  if (original_.IsWord(a, "auto_increment") || original_.IsWord(a, "autoincrement")) {
    from = 1;
  } else if (original_.IsWord(a, "identity") && original_.IsOperator(a + 1, "(") &&
             IsFromOne(a + 1)) {
    from = 6;
  }
  if (from == 0 || !fix_.IsWord(b, "generated")) return false;
  if (fix_.IsWord(b + 1, "always") && fix_.IsWord(b + 2, "as") && fix_.IsWord(b + 3, "identity"))
    return step(from, 4);
  return fix_.IsWord(b + 1, "by") && fix_.IsWord(b + 2, "default") && fix_.IsWord(b + 3, "as") &&
         fix_.IsWord(b + 4, "identity") && step(from, 5);
}

bool SyntaxRules::IsFromOne(size_t open) const {
  const auto is_one = [&](size_t at) {
    return at < original_.tokens.size() && original_.Raw(at) == "1";
  };
  return original_.IsOperator(open, "(") && is_one(open + 1) &&
         original_.IsOperator(open + 2, ",") && is_one(open + 3) &&
         original_.IsOperator(open + 4, ")");
}

bool SyntaxRules::IsUnquoted(size_t a, size_t b) const {
  return original_.tokens[a].kind == TokenKind::kName && original_.Raw(a)[0] == '"' &&
         fix_.IsString(b) && fix_.Raw(b)[0] == '\'' && original_.Value(a) == fix_.Value(b);
}

bool SyntaxRules::IsBetweenParts(size_t a) const {
  int depth = 0;
  size_t begin = a;
  for (; begin > 0 && !original_.IsOperator(begin - 1, ";"); --begin) {
    if (original_.IsOperator(begin - 1, ")")) ++depth;
    if (original_.IsOperator(begin - 1, "(")) --depth;
  }
  return depth == 0 && (original_.IsWord(begin, "update") || original_.IsWord(begin, "alter") ||
                        original_.IsWord(begin, "grant"));
}

bool SyntaxRules::IsWidth(size_t a) const {
  return a > 0 && original_.IsOperator(a, "(") && original_.IsOperator(a + 2, ")") &&
         original_.tokens[a + 1].kind == TokenKind::kNumber &&
         original_.tokens[a - 1].kind == TokenKind::kWord &&
         Is(original_.Value(a - 1),
            {"int", "integer", "smallint", "bigint", "tinyint", "mediumint"});
}

size_t SyntaxRules::Generated(size_t a, size_t b) const {
  if (!original_.IsWord(a, "identity") || !original_.IsOperator(a + 1, "(")) return 0;
  if (!fix_.IsWord(b, "generated")) return 0;
  if (fix_.IsWord(b + 1, "always") && fix_.IsWord(b + 2, "as")) return 3;
  const bool by_default = fix_.IsWord(b + 1, "by") && fix_.IsWord(b + 2, "default");
  return by_default && fix_.IsWord(b + 3, "as") ? 4 : 0;
}

template <class Step>
bool SyntaxRules::Drops(size_t a, size_t a_end, const Step &step) const {
  if (a >= a_end) return false;
  if (IsWidth(a) && step(3, 0)) return true;
  const bool seed = a > 0 && original_.IsWord(a - 1, "identity") && IsFromOne(a);
  if (seed && step(5, 0)) return true;
  if (const size_t option = TableOption(a); option > 0 && step(option, 0)) return true;
  if (original_.IsWord(a, "go") && step(1, 0)) return true;
  // [name]: the brackets go one by one, as the parser stops at each.
  if (original_.IsOperator(a, "[") && original_.IsName(a + 1) && original_.IsOperator(a + 2, "]"))
    return step(1, 0);
  if (a > 1 && original_.IsOperator(a, "]") && original_.IsName(a - 1) &&
      original_.IsOperator(a - 2, "["))
    return step(1, 0);
  if (original_.IsOperator(a, ",") && (a == stop_ || a + 1 == stop_)) {
    // Between two commas something may be missing.
    const bool twice =
        original_.IsOperator(a + 1, ",") || (a > 0 && original_.IsOperator(a - 1, ","));
    return (!twice || IsInTable(a) || IsBetweenParts(a)) && step(1, 0);
  }
  const bool bracket = original_.IsOperator(a, "(") || original_.IsOperator(a, ")");
  if (bracket && a == stop_) return step(1, 0);
  return false;
}

template <class Step>
bool SyntaxRules::Inserts(size_t a, size_t b, const Step &step) const {
  if (a != stop_) return false;
  if (fix_.IsOperator(b, ",") || fix_.IsOperator(b, ";")) return step(0, 1);
  const bool bracket = fix_.IsOperator(b, "(") || fix_.IsOperator(b, ")");
  return bracket && step(0, 1);
}

size_t SyntaxRules::TableOption(size_t a) const {
  size_t name = a;
  if (original_.IsOperator(name, ",")) ++name;
  if (original_.IsWord(name, "default")) ++name;
  if (original_.IsWord(name, "character") && original_.IsWord(name + 1, "set")) ++name;
  if (name >= original_.tokens.size()) return 0;
  const bool known = Is(original_.Value(name),
                        {"engine", "charset", "set", "collate", "row_format", "auto_increment"});
  if (!known || !IsBehindTable(a)) return 0;
  const size_t value = original_.IsOperator(name + 1, "=") ? name + 2 : name + 1;
  // Where counting goes on is something that was asked for.
  if (original_.IsWord(name, "auto_increment") && value < original_.tokens.size() &&
      original_.Raw(value) != "1")
    return 0;
  return value < original_.tokens.size() && !original_.IsOperator(value, ";") ? value + 1 - a : 0;
}

int SyntaxRules::DepthInTable(size_t a) const {
  int depth = 0;
  bool in_table = false;
  for (size_t at = 0; at < a; ++at) {
    if (original_.IsOperator(at, ";")) depth = 0, in_table = false;
    if (original_.IsWord(at, "table") && at > 0 && original_.IsWord(at - 1, "create"))
      in_table = true;
    if (original_.IsOperator(at, "(")) ++depth;
    if (original_.IsOperator(at, ")")) --depth;
  }
  return in_table ? depth : -1;
}

}  // namespace agent_branch
