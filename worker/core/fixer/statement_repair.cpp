#include "worker/core/fixer/statement_repair.hpp"

#include <algorithm>

#include "worker/core/fixer/clause_rules.hpp"
#include "worker/core/fixer/dialects.hpp"
#include "worker/core/fixer/existing_objects.hpp"
#include "worker/core/fixer/name_rules.hpp"
#include "worker/core/fixer/rewritten_constant.hpp"
#include "worker/core/fixer/spelling.hpp"
#include "worker/core/fixer/text_edits.hpp"

namespace agent_branch {
namespace {

constexpr size_t kDeepest = 40;

std::string Lower(std::string text) {
  for (char &c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return text;
}

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// A plain constant in quotes, with no prefix that would read it otherwise.
bool IsPlainString(const TokenText &text, size_t at) {
  return text.IsString(at) && text.sql[text.tokens[at].offset] == '\'';
}

// The token behind the operand that begins at `at`: a constant or a name; `at` if it is neither.
size_t EndOfOperand(const TokenText &text, size_t at) {
  if (text.IsString(at)) return at + 1;
  if (at < text.tokens.size() && text.tokens[at].kind == TokenKind::kNumber) return at + 1;
  if (!text.IsName(at)) return at;
  ++at;
  while (text.IsOperator(at, ".") && text.IsName(at + 1))
    at += 2;
  return at;
}

size_t ClosingBracket(const TokenText &text, size_t open) {
  int depth = 0;
  for (size_t at = open; at < text.tokens.size(); ++at) {
    if (text.IsOperator(at, "(")) ++depth;
    if (text.IsOperator(at, ")") && --depth == 0) return at;
  }
  return text.tokens.size();
}

// CAST(x AS t) as x::t, where x is a name or a constant.
std::string WithoutCasts(const TokenText &text) {
  std::vector<Replacement> casts;
  for (size_t at = 0; at + 4 < text.tokens.size(); ++at) {
    if (!text.IsWord(at, "cast") || !text.IsOperator(at + 1, "(")) continue;
    const size_t as = EndOfOperand(text, at + 2);
    const size_t close = ClosingBracket(text, at + 1);
    if (as == at + 2 || !text.IsWord(as, "as") || close >= text.tokens.size()) continue;
    casts.push_back({at, close + 1, text.Raw(at + 2, as) + "::" + text.Raw(as + 1, close)});
    at = close;
  }
  return ApplyEdits(text, casts).sql;
}

class Rules {
 public:
  Rules(const CheckedStatement &original, const TokenText &text, const CheckedStatement &fix,
        const TokenText &fix_text, const CheckScene &scene)
      : original_(original),
        text_(text),
        fix_(fix_text),
        scene_(scene),
        names_(original, text, fix, scene),
        clauses_(original, text, fix_text, scene) {
    if (original.error_byte) place_ = text.TokenAt(*original.error_byte);
  }

  bool Explains(const TextEdit &edit) const {
    if (edit.begin == edit.end && clauses_.Explains(edit)) return true;
    return From(edit.begin, edit.end, edit.fix_begin, edit.fix_end, 0);
  }

 private:
  bool From(size_t a, size_t a_end, size_t b, size_t b_end, size_t depth) const {
    if (a == a_end && b == b_end) return true;
    if (depth > kDeepest) return false;
    const auto step = [&](size_t of_a, size_t of_b) {
      return a + of_a <= a_end && b + of_b <= b_end &&
             From(a + of_a, a_end, b + of_b, b_end, depth + 1);
    };
    if (a < a_end && b < b_end) {
      if (Lower(text_.Raw(a)) == Lower(fix_.Raw(b)) && text_.Raw(a) == fix_.Raw(b) && step(1, 1))
        return true;
      if (OneForOne(a, b) && step(1, 1)) return true;
      if (const size_t words = CastType(a, b, b_end); words > 0 && step(1, words)) return true;
      if (const size_t words = TranslatedType(a, b); words > 0 && step(1, words)) return true;
    }
    if (b < b_end) {
      if (Schema(a, b) && step(0, 2)) return true;
      if (const size_t words = Cast(a, b); words > 0 && step(0, words)) return true;
      if (Is(b, {"if", "not", "exists"}) && MayBeThere(a) && step(0, 3)) return true;
      if (Is(b, {"if", "exists"}) && MayBeMissing(a) && step(0, 2)) return true;
    }
    return false;
  }

  bool Is(size_t b, std::initializer_list<std::string_view> words) const {
    return std::all_of(words.begin(), words.end(),
                       [&](std::string_view word) { return fix_.IsWord(b++, word); });
  }

  bool OneForOne(size_t a, size_t b) const {
    if (text_.IsName(a) && fix_.IsName(b)) return names_.MayBecome(a, fix_.Value(b));
    if (text_.IsString(a) && fix_.IsString(b)) return Constant(a, b);
    if (text_.tokens[a].kind == TokenKind::kName && IsPlainString(fix_, b)) return Unquoted(a, b);
    return text_.tokens[a].kind == TokenKind::kNumber && Number(a, b);
  }

  // A name in double quotes that is no column is meant as a constant.
  bool Unquoted(size_t a, size_t b) const {
    if (text_.Raw(a)[0] != '"' || text_.Value(a) != fix_.Value(b)) return false;
    if (scene_.allowed.column_as_default && a > 0 && text_.IsWord(a - 1, "default")) return true;
    const bool missing = std::any_of(
        scene_.allowed.names.begin(), scene_.allowed.names.end(), [&](const MissingName &name) {
          return name.kind == MissingName::Kind::kColumn && name.name == text_.Value(a) &&
                 (!name.first || !place_ || *place_ == a);
        });
    // Beside an operator, in a list of values or behind an assignment: where a constant may stand.
    const bool operand =
        a > 0 && (text_.tokens[a - 1].kind == TokenKind::kOperator || text_.IsWord(a - 1, "like") ||
                  text_.IsWord(a - 1, "ilike") || text_.IsWord(a - 1, "values"));
    return missing && operand && !text_.IsOperator(a - 1, ".") && !text_.IsOperator(a + 1, ".");
  }

  bool Constant(size_t a, size_t b) const {
    if (!IsPlainString(text_, a) || !IsPlainString(fix_, b)) return false;
    for (const UnreadConstant &unread : scene_.allowed.constants) {
      if (unread.value != text_.Value(a)) continue;
      if (unread.first && place_ ? *place_ != a : Times(text_.Value(a)) != 1) continue;
      if (unread.enum_type.empty()) return IsTheSameValue(text_.Value(a), fix_.Value(b));
      return Label(unread, fix_.Value(b));
    }
    return false;
  }

  size_t Times(const std::string &constant) const {
    return std::count_if(text_.tokens.begin(), text_.tokens.end(), [&](const SqlToken &token) {
      return token.kind == TokenKind::kString && token.text == constant;
    });
  }

  // What changes or deletes rows may not take the next best label.
  bool Label(const UnreadConstant &unread, const std::string &to) const {
    const auto labels = scene_.facts.enums.find(unread.enum_type);
    if (labels == scene_.facts.enums.end()) return false;
    const bool exists =
        std::find(labels->second.begin(), labels->second.end(), to) != labels->second.end();
    const std::string &tag = original_.read.tag;
    if (!exists) return false;
    if (tag == "DELETE" || tag == "UPDATE") return Lower(unread.value) == Lower(to);
    if (IsNearest(unread.value, to, labels->second)) return true;
    // okay for ok, where no other label begins alike.
    const auto begins_alike = [&](const std::string &label) {
      const std::string one = Lower(unread.value);
      const std::string other = Lower(label);
      const size_t size = std::min(one.size(), other.size());
      return size > 1 && one.compare(0, size, other, 0, size) == 0;
    };
    return begins_alike(to) &&
           std::count_if(labels->second.begin(), labels->second.end(), begins_alike) == 1;
  }

  const MissingOperator *OperatorHere() const {
    if (!place_ || *place_ >= text_.tokens.size() ||
        text_.tokens[*place_].kind != TokenKind::kOperator)
      return nullptr;
    for (const MissingOperator &missing : scene_.allowed.operators) {
      if (missing.first) return &missing;
    }
    return nullptr;
  }

  // note = 5, where note is a text; note > '5' would be another order than that of numbers.
  bool Number(size_t a, size_t b) const {
    const bool equality = OperatorHere() != nullptr &&
                          (text_.IsOperator(*place_, "=") || text_.IsOperator(*place_, "<>") ||
                           text_.IsOperator(*place_, "!="));
    return equality && (a == *place_ + 1 || a + 1 == *place_) && IsPlainString(fix_, b) &&
           fix_.Value(b) == text_.Raw(a);
  }

  // How many tokens of the fix's, from b, are the name of this type.
  size_t TypeAt(size_t b, std::string_view type) const {
    const size_t words = std::count(type.begin(), type.end(), ' ') + 1;
    if (b + words > fix_.tokens.size()) return 0;
    const std::string found = Lower(fix_.Raw(b, b + words));
    return found == type || (words == 1 && AreOneType(found, type)) ? words : 0;
  }

  size_t Cast(size_t a, size_t b) const {
    if (!fix_.IsOperator(b, "::") || a == 0) return 0;
    const size_t words = OperandType(a, b + 1);
    if (words > 0) return words + 1;
    const size_t argument = IsArgument(a) ? ArgumentType(a - 1, b + 1) : 0;
    return argument > 0 ? argument + 1 : 0;
  }

  // One operand of the missing operator as the type of the other one.
  size_t OperandType(size_t a, size_t b) const {
    const MissingOperator *missing = OperatorHere();
    if (missing == nullptr) return 0;
    const bool left = a == *place_;
    const bool right = a > *place_ + 1 && EndOfOperand(text_, *place_ + 1) == a;
    if (!left && !right) return 0;
    const std::string &type = left ? missing->right : missing->left;
    const bool text = IsOneOf(type, {"text", "character varying", "character"});
    if (text) return TypeAt(b, "text");
    const bool cuts = IsOneOf(type, {"\"char\"", "name", "bit"});
    return cuts ? 0 : TypeAt(b, type);
  }

  // Inside the brackets of the function that was not found.
  bool IsArgument(size_t a) const {
    const bool missing = std::any_of(
        scene_.allowed.names.begin(), scene_.allowed.names.end(), [](const MissingName &name) {
          return name.kind == MissingName::Kind::kFunction && name.first;
        });
    if (!missing || !place_) return false;
    size_t open = *place_ + 1;
    while (text_.IsOperator(open, ".") && text_.IsName(open + 1))
      open += 2;
    return text_.IsOperator(open, "(") && a > open + 1 && a <= ClosingBracket(text_, open);
  }

  // A type that cuts nothing off; of a constant, any that is read in one way only.
  size_t ArgumentType(size_t operand, size_t b) const {
    size_t words = 0;
    for (std::string_view type : {"numeric", "text", "double precision"})
      words = std::max(words, TypeAt(b, type));
    if (!IsPlainString(text_, operand)) return words;
    for (std::string_view type : {"integer", "bigint", "date", "timestamp", "timestamptz", "uuid",
                                  "boolean", "json", "jsonb"})
      words = std::max(words, TypeAt(b, type));
    return words;
  }

  size_t CastType(size_t a, size_t b, size_t) const {
    if (a < 2 || !text_.IsOperator(a - 1, "::") || !IsArgument(a)) return 0;
    return ArgumentType(a - 2, b);
  }

  size_t TranslatedType(size_t a, size_t b) const {
    if (text_.tokens[a].kind != TokenKind::kWord || !scene_.facts.known || a == 0 ||
        scene_.facts.HasType(text_.Value(a)) || !text_.IsName(a - 1))
      return 0;
    for (std::string_view type : TypesFor(text_.Value(a))) {
      if (const size_t words = TypeAt(b, type); words > 1) return words;
    }
    return 0;
  }

  bool Schema(size_t a, size_t b) const {
    return fix_.IsName(b) && fix_.IsOperator(b + 1, ".") && text_.IsName(a) &&
           names_.MayBeIn(a, fix_.Value(b));
  }

  // IF NOT EXISTS in front of the original's token a.
  bool MayBeThere(size_t a) const {
    if (!scene_.allowed.duplicate || !scene_.facts.known || scene_.opaque) return false;
    if (text_.IsString(a)) return IsThereAlready(original_, scene_);
    if (!text_.IsName(a)) return false;
    if (original_.read.tag != "ALTER TABLE") return IsNewOrTheSame(original_, scene_);
    const bool adds = a > 0 && (text_.IsWord(a - 1, "column") || text_.IsWord(a - 1, "add"));
    return adds && IsNewOrTheSameColumn(original_, text_, a, scene_);
  }

  // IF EXISTS in front of the original's token a: nothing is there that might be meant.
  bool MayBeMissing(size_t a) const {
    if (original_.read.tag.compare(0, 4, "DROP") != 0 || !scene_.facts.known || !text_.IsName(a))
      return false;
    while (text_.IsOperator(a + 1, ".") && text_.IsName(a + 2))
      a += 2;
    const std::string &name = text_.Value(a);
    const bool missing = std::any_of(
        scene_.allowed.names.begin(), scene_.allowed.names.end(), [&](const MissingName &each) {
          return each.kind == MissingName::Kind::kRelation && each.name == name;
        });
    const bool one = a + 1 >= text_.tokens.size();
    return missing && one && scene_.made.count(name) == 0 &&
           std::none_of(scene_.facts.relations.begin(), scene_.facts.relations.end(),
                        [&](const RelationFacts &each) { return MayBeMeant(name, each.name); });
  }

  const CheckedStatement &original_;
  const TokenText &text_;
  const TokenText &fix_;
  const CheckScene &scene_;
  const NameRules names_;
  const ClauseRules clauses_;
  std::optional<size_t> place_;  // the token that the error points to
};

}  // namespace

std::string LastPartOf(const std::string &object) {
  const size_t dot = object.rfind('.');
  return dot == std::string::npos ? object : object.substr(dot + 1);
}

std::string OwnerPartOf(const std::string &object) {
  const size_t dot = object.rfind('.');
  return dot == std::string::npos ? std::string() : object.substr(0, dot);
}

bool Repairs(const CheckedStatement &original, const CheckedStatement &fix, CheckScene *scene) {
  if (scene->trees->Same(original.text, fix.text)) return true;
  if (original.read.tag != fix.read.tag) return false;
  ++scene->spent;
  const TokenText text(original.text);
  TokenText fix_text(fix.text);
  std::string plain = WithoutCasts(fix_text);
  if (plain != fix.text && scene->trees->Same(plain, fix.text)) fix_text = TokenText(plain);
  const std::optional<std::vector<TextEdit>> edits = CompareTokens(text, fix_text);
  if (!edits) return false;
  const Rules rules(original, text, fix, fix_text, *scene);
  std::vector<Replacement> made;
  for (const TextEdit &edit : *edits) {
    if (rules.Explains(edit))
      made.push_back({edit.begin, edit.end, fix_text.Raw(edit.fix_begin, edit.fix_end)});
  }
  return !made.empty() && scene->trees->Same(ApplyEdits(text, made).sql, fix.text);
}

}  // namespace agent_branch
