#include "worker/core/fixer/name_rules.hpp"

#include <algorithm>

#include "worker/core/fixer/dialects.hpp"
#include "worker/core/fixer/spelling.hpp"

namespace agent_branch {
namespace {

bool Is(const TokenText &text, size_t at, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.IsWord(at, word); });
}

// A name right behind one of these is given by the statement, or taken away by it.
bool IsGivenOrTaken(const TokenText &text, size_t at) {
  if (at == 0) return true;
  if (Is(text, at - 1, {"as", "add", "to", "constraint", "drop", "rename"})) return true;
  if (text.IsWord(at - 1, "column") && at > 1) return Is(text, at - 2, {"add", "drop", "rename"});
  return text.IsWord(at - 1, "exists");
}

// Ends the part of a statement in which one comparison stands.
bool EndsCondition(const TokenText &text, size_t at) {
  return text.IsOperator(at, ";") ||
         Is(text, at,
            {"or", "where", "check", "using", "set", "on", "having", "when", "then", "else", "end",
             "select", "from", "values", "returning", "group", "order"});
}

}  // namespace

const MissingName *NameRules::Missing(MissingName::Kind kind, const std::string &name) const {
  for (const MissingName &missing : scene_.allowed.names) {
    if (missing.kind == kind && missing.name == name) return &missing;
  }
  return nullptr;
}

std::string NameRules::QualifierOf(size_t at) const {
  std::string qualifier;
  while (at > 1 && text_.IsOperator(at - 1, ".") && text_.IsName(at - 2)) {
    qualifier = text_.Value(at - 2) + "." + qualifier;
    at -= 2;
  }
  return qualifier;
}

std::vector<std::string> NameRules::ColumnsOf(const CheckedStatement &statement) const {
  std::vector<std::string> columns;
  for (const std::string &mention : statement.read.mentions) {
    std::string plain;
    for (char c : mention) {
      if (c != '"') plain += c;
    }
    for (const RelationFacts *relation : scene_.facts.Find(plain)) {
      for (const auto &[name, definition] : relation->columns)
        columns.push_back(name);
    }
    const auto made = scene_.made_columns.find(LastPartOf(plain));
    if (made != scene_.made_columns.end())
      columns.insert(columns.end(), made->second.begin(), made->second.end());
  }
  return columns;
}

bool NameRules::IsDestructive() const {
  const std::string &tag = original_.read.tag;
  if (tag.compare(0, 4, "DROP") == 0 || tag == "TRUNCATE TABLE" || tag == "DELETE") return true;
  for (size_t at = 0; at < text_.tokens.size(); ++at) {
    if (tag.compare(0, 5, "ALTER") == 0 && Is(text_, at, {"drop", "rename"})) return true;
  }
  return false;
}

// The token that the error points to, or one that is qualified as it is.
bool NameRules::IsAtPlace(size_t at, const MissingName &missing) const {
  if (!missing.first || !original_.error_byte) return false;
  size_t place = text_.TokenAt(*original_.error_byte);
  while (text_.IsOperator(place + 1, ".") && text_.IsName(place + 2))
    place += 2;
  return place < text_.tokens.size() && text_.IsName(place) && text_.Value(place) == missing.name &&
         (place == at || QualifierOf(place) == QualifierOf(at));
}

// Whether `to` stands already in the condition that the name is in: paid <= paid is no condition.
bool NameRules::MakesOneOfTwo(size_t at, const std::string &to) const {
  const std::string qualifier = QualifierOf(at);
  const auto is_other = [&](size_t n) {
    if (n == at || !text_.IsName(n) || text_.Value(n) != to) return false;
    const std::string other = QualifierOf(n);
    return other.empty() || qualifier.empty() || other == qualifier;
  };
  bool between = false;
  for (size_t n = at; n-- > 0;) {
    if (text_.IsWord(n, "between")) between = true;
    if (EndsCondition(text_, n)) break;
    if (is_other(n)) return true;
    // The AND of a BETWEEN joins what is compared.
    if (text_.IsWord(n, "and")) {
      bool of_between = false;
      for (size_t m = n; m-- > 0 && !EndsCondition(text_, m) && !text_.IsWord(m, "and");)
        of_between = of_between || text_.IsWord(m, "between");
      if (!of_between) break;
    }
  }
  for (size_t n = at + 1; n < text_.tokens.size() && !EndsCondition(text_, n); ++n) {
    if (is_other(n)) return true;
    if (text_.IsWord(n, "between")) between = true;
    if (text_.IsWord(n, "and") && !between) break;
    if (text_.IsWord(n, "and")) between = false;
  }
  return false;
}

bool NameRules::Column(size_t at, const std::string &to) const {
  const std::string &name = text_.Value(at);
  const MissingName *missing = Missing(MissingName::Kind::kColumn, name);
  if (missing == nullptr || !scene_.facts.known || IsGivenOrTaken(text_, at)) return false;
  const std::string &tag = original_.read.tag;
  if (tag.compare(0, 4, "DROP") == 0 || tag == "TRUNCATE TABLE") return false;
  if (text_.IsOperator(at + 1, "(") && tag != "INSERT") return false;
  for (const Effect &effect : original_.read.effects) {
    if (effect.kind == "column" && LastPartOf(effect.object) == name) return false;
  }
  const std::vector<std::string> columns = ColumnsOf(fix_);
  const bool elsewhere = std::find(columns.begin(), columns.end(), name) != columns.end();
  if (!IsAtPlace(at, *missing)) {
    const bool has_place = missing->first && original_.error_byte.has_value();
    if (elsewhere || has_place) return false;
  } else if (elsewhere && text_.TokenAt(*original_.error_byte) != at && QualifierOf(at).empty()) {
    return false;
  }
  const bool exists = std::find(columns.begin(), columns.end(), to) != columns.end();
  return exists && IsNearest(name, to, columns) && !MakesOneOfTwo(at, to);
}

bool NameRules::Relation(size_t at, const std::string &to) const {
  const std::string &name = text_.Value(at);
  const bool reference = at > 0 && Is(text_, at - 1,
                                      {"from", "join", "into", "update", "on", "table",
                                       "references", "only", "exists", "like", "view"});
  const bool qualifies = text_.IsOperator(at + 1, ".") && text_.IsName(at + 2);
  const bool qualified = at > 1 && text_.IsOperator(at - 1, ".");
  if (Missing(MissingName::Kind::kRelation, name) == nullptr || !scene_.facts.known ||
      IsDestructive() || scene_.made.count(name) != 0 || !(reference || qualifies || qualified))
    return false;
  if (scene_.moved_path && !qualified) return false;
  // What CREATE TABLE or CREATE VIEW names is new.
  const bool creates = original_.read.tag.compare(0, 6, "CREATE") == 0;
  if (creates && at > 0 && Is(text_, at - 1, {"table", "view", "exists"})) return false;
  const std::string schema = qualified ? text_.Value(at - 2) : "public";
  std::vector<std::string> names;
  for (const RelationFacts &relation : scene_.facts.relations) {
    if (relation.schema == schema && relation.kind != "i" && relation.kind != "S")
      names.push_back(relation.name);
  }
  const auto holds = [&](const std::string &wanted) {
    return std::find(names.begin(), names.end(), wanted) != names.end();
  };
  return !holds(name) && holds(to) && IsNearest(name, to, names);
}

bool NameRules::Type(size_t at, const std::string &to) const {
  const std::string &name = text_.Value(at);
  if (AreOneType(name, to)) return true;
  if (!scene_.facts.known || scene_.facts.HasType(name) || at == 0) return false;
  const bool position = text_.IsOperator(at - 1, "::") ||
                        (text_.IsName(at - 1) && !IsKeyword(text_.Value(at - 1))) ||
                        Is(text_, at - 1, {"as", "type", "returns", "setof"});
  if (!position) return false;
  const std::vector<std::string_view> translations = TypesFor(name);
  if (std::find(translations.begin(), translations.end(), to) != translations.end()) return true;
  if (Missing(MissingName::Kind::kType, name) == nullptr || scene_.made.count(name) != 0)
    return false;
  // A name that has another one in it is a type of its own: citext is no slip for text.
  const bool within = name.find(to) != std::string::npos && name.size() > to.size() + 1;
  if (within || IsHarmlessExtension(name)) return false;
  std::vector<std::string> types = scene_.facts.types;
  for (std::string_view built_in : BuiltInTypes())
    types.emplace_back(built_in);
  const bool exists = std::find(types.begin(), types.end(), to) != types.end();
  return exists && IsNearest(name, to, types);
}

bool NameRules::Function(size_t at, const std::string &to) const {
  const std::string &name = text_.Value(at);
  if (!text_.IsOperator(at + 1, "(") || !scene_.facts.known || scene_.facts.HasFunction(name) ||
      scene_.facts.HasFunction(to))
    return false;
  const std::vector<std::string_view> translations = FunctionsFor(name);
  if (std::find(translations.begin(), translations.end(), to) != translations.end()) return true;
  if (Missing(MissingName::Kind::kFunction, name) == nullptr || !IsHarmlessFunction(to))
    return false;
  std::vector<std::string> functions = scene_.facts.functions;
  const std::vector<std::string> &usual = UsualFunctions();
  functions.insert(functions.end(), usual.begin(), usual.end());
  return IsNearest(name, to, functions);
}

bool NameRules::MayBecome(size_t at, const std::string &to) const {
  return Column(at, to) || Relation(at, to) || Type(at, to) || Function(at, to);
}

bool NameRules::MayBeIn(size_t at, const std::string &schema) const {
  const std::string &name = text_.Value(at);
  if (Missing(MissingName::Kind::kRelation, name) == nullptr || !scene_.facts.known ||
      IsDestructive() || scene_.made.count(name) != 0 || !QualifierOf(at).empty() ||
      IsGivenOrTaken(text_, at))
    return false;
  const std::vector<const RelationFacts *> found = scene_.facts.Find(name);
  return found.size() == 1 && found.front()->schema == schema;
}

}  // namespace agent_branch
