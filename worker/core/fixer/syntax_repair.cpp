#include "worker/core/fixer/syntax_repair.hpp"

#include <algorithm>

#include "worker/core/base/text.hpp"
#include "worker/core/fixer/dialects.hpp"
#include "worker/core/fixer/spelling.hpp"
#include "worker/core/fixer/text_edits.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMostEdits = 100;
constexpr size_t kShown = 60;
// How far from where the parser stops an edit may be, in tokens.
constexpr size_t kNear = 2;

// Words that a statement begins with or hangs on. What a slip may not touch or make is not here:
// AND, OR, NOT, ALL, ANY, CASCADE, RESTRICT, GRANT, REVOKE, DROP and their like.
constexpr std::string_view kSlips[] = {
    "add",        "alter",    "as",      "begin",  "by",       "check",   "column",
    "constraint", "create",   "default", "delete", "foreign",  "from",    "function",
    "group",      "having",   "index",   "inner",  "insert",   "into",    "join",
    "key",        "language", "limit",   "order",  "policy",   "primary", "references",
    "returning",  "returns",  "schema",  "select", "sequence", "set",     "table",
    "then",       "trigger",  "type",    "unique", "update",   "using",   "values",
    "view",       "when",     "where",   "null",   "not",      "and",     "to",
    "on",         "or",       "of",      "for",    "if",       "exists",  "extension"};

bool Is(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string Lower(std::string text) {
  for (char &c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return text;
}

// Explains one edit of the fix's as a row of listed ones.
class Translator {
 public:
  Translator(const TokenText &original, const TokenText &fix, size_t stop)
      : original_(original), fix_(fix), stop_(stop) {}

  bool Explains(const TextEdit &edit) const {
    return From(edit.begin, edit.end, edit.fix_begin, edit.fix_end, 0);
  }

  // How many tokens from `a` on mean nothing in PostgreSQL.
  size_t Dropped(size_t a) const { return IsWidth(a) ? 3 : TableOption(a); }

  // Of a single word that becomes another one: whether it is a slip of the pen.
  bool IsSlip(const TextEdit &edit) const {
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

 private:
  bool From(size_t a, size_t a_end, size_t b, size_t b_end, size_t depth) const {
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
      if (Types(a, b, step)) return true;
      if (Identity(a, b, step)) return true;
      if (original_.IsWord(a, "in") && fix_.IsWord(b, "into") && step(1, 1)) return true;
    }
    if (const size_t words = Generated(a, b); words > 0 && step(0, words)) return true;
    return Drops(a, a_end, step) || (b < b_end && Inserts(a, b, step));
  }

  bool IsIdentical(size_t a, size_t b) const {
    return original_.tokens[a].kind == fix_.tokens[b].kind &&
           Lower(original_.Raw(a)) == Lower(fix_.Raw(b));
  }

  // `orders` and orders, order and "order".
  bool IsSameName(size_t a, size_t b) const {
    if (!original_.IsName(a) || !fix_.IsName(b)) return false;
    if (original_.Raw(a) == fix_.Raw(b)) return true;
    const bool quoted = original_.tokens[a].kind == TokenKind::kName && original_.Raw(a)[0] == '"';
    return quoted ? original_.Value(a) == fix_.Value(b)
                  : Lower(original_.Value(a)) == Lower(fix_.Value(b));
  }

  template <class Step>
  bool Types(size_t a, size_t b, const Step &step) const {
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

  // AUTO_INCREMENT and IDENTITY(1, 1) are columns that count.
  template <class Step>
  bool Identity(size_t a, size_t b, const Step &step) const {
    size_t from = 0;
    if (original_.IsWord(a, "auto_increment") || original_.IsWord(a, "autoincrement")) {
      from = 1;
    } else if (original_.IsWord(a, "identity") && original_.IsOperator(a + 1, "(") &&
               original_.IsOperator(a + 3, ",") && original_.IsOperator(a + 5, ")")) {
      from = 6;
    }
    if (from == 0 || !fix_.IsWord(b, "generated")) return false;
    if (fix_.IsWord(b + 1, "always") && fix_.IsWord(b + 2, "as") && fix_.IsWord(b + 3, "identity"))
      return step(from, 4);
    return fix_.IsWord(b + 1, "by") && fix_.IsWord(b + 2, "default") && fix_.IsWord(b + 3, "as") &&
           fix_.IsWord(b + 4, "identity") && step(from, 5);
  }

  // INT(11)
  bool IsWidth(size_t a) const {
    return a > 0 && original_.IsOperator(a, "(") && original_.IsOperator(a + 2, ")") &&
           original_.tokens[a + 1].kind == TokenKind::kNumber &&
           original_.tokens[a - 1].kind == TokenKind::kWord &&
           Is(original_.Value(a - 1),
              {"int", "integer", "smallint", "bigint", "tinyint", "mediumint"});
  }

  // GENERATED … AS in front of IDENTITY(1, 1).
  size_t Generated(size_t a, size_t b) const {
    if (!original_.IsWord(a, "identity") || !original_.IsOperator(a + 1, "(")) return 0;
    if (!fix_.IsWord(b, "generated")) return 0;
    if (fix_.IsWord(b + 1, "always") && fix_.IsWord(b + 2, "as")) return 3;
    const bool by_default = fix_.IsWord(b + 1, "by") && fix_.IsWord(b + 2, "default");
    return by_default && fix_.IsWord(b + 3, "as") ? 4 : 0;
  }

  // INT(11), the options behind a table of MySQL's, GO; a comma or a bracket where the parser
  // stops.
  template <class Step>
  bool Drops(size_t a, size_t a_end, const Step &step) const {
    if (a >= a_end) return false;
    if (IsWidth(a) && step(3, 0)) return true;
    const bool seed = a > 0 && original_.IsWord(a - 1, "identity") &&
                      original_.IsOperator(a, "(") && original_.IsOperator(a + 2, ",") &&
                      original_.IsOperator(a + 4, ")");
    if (seed && step(5, 0)) return true;
    if (const size_t option = TableOption(a); option > 0 && step(option, 0)) return true;
    if (original_.IsWord(a, "go") && step(1, 0)) return true;
    // [name]: the brackets go one by one, as the parser stops at each.
    if (original_.IsOperator(a, "[") && original_.IsName(a + 1) && original_.IsOperator(a + 2, "]"))
      return step(1, 0);
    if (a > 1 && original_.IsOperator(a, "]") && original_.IsName(a - 1) &&
        original_.IsOperator(a - 2, "["))
      return step(1, 0);
    const bool brackets = !HasOr(a);
    if (original_.IsOperator(a, ",") && (a == stop_ || a + 1 == stop_)) return step(1, 0);
    if (original_.IsOperator(a, ")") && a == stop_ && brackets) return step(1, 0);
    return false;
  }

  template <class Step>
  bool Inserts(size_t a, size_t b, const Step &step) const {
    if (a != stop_) return false;
    if (fix_.IsOperator(b, ",") || fix_.IsOperator(b, ";")) return step(0, 1);
    const bool bracket = fix_.IsOperator(b, "(") || fix_.IsOperator(b, ")");
    return bracket && !HasOr(a) && step(0, 1);
  }

  // ENGINE = InnoDB and the like, behind the last bracket of a CREATE TABLE.
  size_t TableOption(size_t a) const {
    size_t name = a;
    if (original_.IsOperator(name, ",")) ++name;
    if (original_.IsWord(name, "default")) ++name;
    if (original_.IsWord(name, "character") && original_.IsWord(name + 1, "set")) ++name;
    if (name >= original_.tokens.size()) return 0;
    const bool known = Is(original_.Value(name),
                          {"engine", "charset", "set", "collate", "row_format", "auto_increment"});
    if (!known || !IsBehindTable(a)) return 0;
    const size_t value = original_.IsOperator(name + 1, "=") ? name + 2 : name + 1;
    return value < original_.tokens.size() && !original_.IsOperator(value, ";") ? value + 1 - a : 0;
  }

  bool IsBehindTable(size_t a) const {
    int depth = 0;
    bool in_table = false;
    for (size_t at = 0; at < a; ++at) {
      if (original_.IsOperator(at, ";")) depth = 0, in_table = false;
      if (original_.IsWord(at, "table") && at > 0 && original_.IsWord(at - 1, "create"))
        in_table = true;
      if (original_.IsOperator(at, "(")) ++depth;
      if (original_.IsOperator(at, ")")) --depth;
    }
    return in_table && depth == 0;
  }

  // Where a bracket is missing beside an OR or a NOT, nobody can tell what it was to hold together.
  bool HasOr(size_t a) const {
    size_t begin = std::min(a, original_.tokens.size());
    while (begin > 0 && !original_.IsOperator(begin - 1, ";"))
      --begin;
    for (size_t at = begin; at < original_.tokens.size() && !original_.IsOperator(at, ";"); ++at) {
      if (original_.IsWord(at, "or") && !original_.IsWord(at + 1, "replace")) return true;
      if (original_.IsWord(at, "not") && original_.IsOperator(at + 1, "(")) return true;
    }
    return false;
  }

  const TokenText &original_;
  const TokenText &fix_;
  size_t stop_;  // the original's token at which the parser stops
};

class Repair {
 public:
  Repair(const std::string &original, const std::string &fix, SqlTrees *trees)
      : original_(original), fix_(fix), trees_(trees) {}

  Result<std::string> Run() {
    std::optional<std::vector<TextEdit>> edits = CompareTokens(original_, fix_);
    if (!edits) return Refused("it is too long and too different to be compared");
    edits_ = std::move(*edits);
    made_.assign(edits_.size(), false);
    for (size_t n = 0; n <= std::min(kMostEdits, edits_.size()); ++n) {
      const EditedText text = ApplyEdits(original_, Made());
      const std::optional<size_t> error = trees_->FindSyntaxError(text.sql);
      if (!error) return text.sql;
      const size_t stop = text.OriginalToken(original_, *error);
      if (!MakeOne(stop)) {
        const std::string near = stop < original_.tokens.size() ? original_.Raw(stop) : "the end";
        return Refused("the original cannot be parsed at \"" + CleanText(near, kShown) +
                       "\", and the fix changes more there than a slip of the pen");
      }
    }
    return Refused("the original cannot be parsed in too many places");
  }

 private:
  static Status Refused(const std::string &reason) { return Status::Error("42601", reason); }

  std::vector<Replacement> Made() const {
    std::vector<Replacement> made;
    for (size_t n = 0; n < edits_.size(); ++n) {
      const TextEdit &edit = edits_[n];
      if (made_[n]) made.push_back({edit.begin, edit.end, fix_.Raw(edit.fix_begin, edit.fix_end)});
    }
    std::sort(made.begin(), made.end(), [](const Replacement &one, const Replacement &other) {
      return one.begin < other.begin;
    });
    return made;
  }

  // The first edit near the stop that is of a listed kind.
  bool MakeOne(size_t stop) {
    const Translator translator(original_, fix_, stop);
    for (size_t n = 0; n < edits_.size(); ++n) {
      const TextEdit &edit = edits_[n];
      if (made_[n] || edit.begin > stop + kNear || edit.end + kNear < stop) continue;
      if (!translator.Explains(edit) && !(translator.IsSlip(edit) && IsTheSlip(n))) continue;
      made_[n] = true;
      return true;
    }
    return Drop(stop, translator.Dropped(stop));
  }

  // What has one translation, which is nothing, needs no edit of the fix's: that may be aligned in
  // another way.
  bool Drop(size_t begin, size_t count) {
    if (count == 0) return false;
    const auto overlaps = [&](const TextEdit &edit) {
      return edit.begin < begin + count && begin < edit.end;
    };
    for (size_t n = 0; n < edits_.size(); ++n) {
      if (made_[n] && overlaps(edits_[n])) return false;
    }
    for (size_t n = edits_.size(); n-- > 0;) {
      if (!overlaps(edits_[n])) continue;
      edits_.erase(edits_.begin() + static_cast<std::ptrdiff_t>(n));
      made_.erase(made_.begin() + static_cast<std::ptrdiff_t>(n));
    }
    edits_.push_back({begin, begin + count, 0, 0});
    made_.push_back(true);
    return true;
  }

  // No other word is as near and carries the parser as far.
  bool IsTheSlip(size_t n) {
    const TextEdit &edit = edits_[n];
    const std::string &from = original_.Value(edit.begin);
    const std::string &to = fix_.Value(edit.fix_begin);
    const size_t distance = EditDistance(from, to);
    for (std::string_view other : kSlips) {
      if (other == to || EditDistance(from, other) > distance) continue;
      std::vector<Replacement> with = Made();
      with.push_back({edit.begin, edit.end, std::string(other)});
      std::sort(with.begin(), with.end(),
                [](const Replacement &x, const Replacement &y) { return x.begin < y.begin; });
      const EditedText text = ApplyEdits(original_, with);
      const std::optional<size_t> error = trees_->FindSyntaxError(text.sql);
      if (!error || text.OriginalToken(original_, *error) > edit.begin + 1) return false;
    }
    return true;
  }

  const TokenText original_;
  const TokenText fix_;
  SqlTrees *trees_;
  std::vector<TextEdit> edits_;
  std::vector<bool> made_;
};

}  // namespace

Result<std::string> RepairSyntax(const std::string &original, const std::string &fix,
                                 SqlTrees *trees) {
  return Repair(original, fix, trees).Run();
}

}  // namespace agent_branch
