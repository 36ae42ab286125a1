#include "worker/core/fixer/statement_plan.hpp"

#include <algorithm>

#include "worker/core/fixer/text_edits.hpp"

namespace agent_branch {
namespace {

using Statements = std::vector<CheckedStatement>;

constexpr size_t kMostForms = 8;
constexpr int kMostMoves = 16;

bool Begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

std::string Plain(const std::string &name) {
  std::string plain;
  for (char c : name) {
    if (c != '"') plain += c;
  }
  return plain;
}

CheckedStatement Made(std::string text, SqlTrees *trees) {
  CheckedStatement made;
  Script script = trees->Read(text);
  if (script.parsed && script.statements.size() == 1) made.read = std::move(script.statements[0]);
  made.text = std::move(text);
  return made;
}

// CREATE TABLE … (LIKE t), … INHERITS (t), … PARTITION OF t, … OF type: what it makes is what the
// other one is at that time.
bool IsMadeOfOthers(const CheckedStatement &statement) {
  const TokenText text(statement.text);
  for (size_t at = 0; at < text.tokens.size(); ++at) {
    if (text.IsWord(at, "like") || text.IsWord(at, "inherits") || text.IsWord(at, "of"))
      return true;
  }
  return false;
}

// Makes something new, out of nothing but its own text: earlier or later, it is the same. A table
// that is made of a query's rows is not.
bool MayMoveUp(const CheckedStatement &statement) {
  const std::string &tag = statement.read.tag;
  return !IsMadeOfOthers(statement) &&
         (tag == "CREATE TABLE" || tag == "CREATE TYPE" || tag == "CREATE SEQUENCE" ||
          tag == "CREATE DOMAIN" || tag == "CREATE SCHEMA");
}

// What a new, empty object may be made in front of without a difference.
bool MayBeCrossed(const CheckedStatement &statement) {
  const std::string &tag = statement.read.tag;
  return MayMoveUp(statement) || tag == "CREATE INDEX" || tag == "INSERT" || tag == "CREATE VIEW" ||
         (tag == "ALTER TABLE" &&
          std::none_of(statement.read.effects.begin(), statement.read.effects.end(),
                       [](const Effect &effect) { return Begins(effect.kind, "drop "); }));
}

std::string MadeBy(const CheckedStatement &statement) {
  for (const Effect &effect : statement.read.effects) {
    if (Begins(effect.kind, "create ")) return effect.object;
  }
  return {};
}

bool Mentions(const CheckedStatement &statement, const std::string &name) {
  return std::any_of(
      statement.read.mentions.begin(), statement.read.mentions.end(),
      [&](const std::string &mention) { return LastPartOf(Plain(mention)) == LastPartOf(name); });
}

bool Exists(const CheckScene &scene, const std::string &name) {
  return !scene.facts.Find(name).empty() || scene.facts.HasType(LastPartOf(name)) ||
         scene.facts.HasSchema(name);
}

// What a statement needs and a later one makes, moved in front of it.
bool MoveOne(const CheckScene &scene, Statements *statements) {
  for (size_t maker = 1; maker < statements->size(); ++maker) {
    const CheckedStatement &made = (*statements)[maker];
    const std::string name = MadeBy(made);
    if (name.empty() || !MayMoveUp(made) || Exists(scene, name)) continue;
    for (size_t user = 0; user < maker; ++user) {
      const auto begin = statements->begin() + static_cast<std::ptrdiff_t>(user);
      const auto end = statements->begin() + static_cast<std::ptrdiff_t>(maker);
      if (!Mentions(*begin, name) || MadeBy(*begin) == name ||
          !std::all_of(begin, end, MayBeCrossed))
        continue;
      std::rotate(begin, end, end + 1);
      return true;
    }
  }
  return false;
}

// [NOT NULL] of the column that begins at token `at`; npos when there is none.
size_t NotNullOf(const TokenText &text, size_t at) {
  int depth = 0;
  for (; at < text.tokens.size(); ++at) {
    if (text.IsOperator(at, "(")) ++depth;
    if (text.IsOperator(at, ")") && --depth < 0) break;
    if (depth == 0 && text.IsOperator(at, ",")) break;
    if (depth == 0 && text.IsWord(at, "not") && text.IsWord(at + 1, "null")) return at;
  }
  return std::string::npos;
}

// ADD COLUMN c … NOT NULL as ADD COLUMN c … and SET NOT NULL.
bool SplitNotNull(const CheckScene &scene, Statements *statements) {
  for (size_t n = 0; n < statements->size(); ++n) {
    const CheckedStatement &statement = (*statements)[n];
    if (statement.read.tag != "ALTER TABLE") continue;
    const TokenText text(statement.text);
    for (const Effect &effect : statement.read.effects) {
      const std::string column = LastPartOf(effect.object);
      if (effect.kind != "column" ||
          !scene.allowed.IsNull(LastPartOf(OwnerPartOf(effect.object)), column))
        continue;
      for (size_t at = 1; at < text.tokens.size(); ++at) {
        const bool added = text.IsName(at) && text.Value(at) == column &&
                           (text.IsWord(at - 1, "add") || text.IsWord(at - 1, "column"));
        const size_t not_null = added ? NotNullOf(text, at) : std::string::npos;
        if (not_null == std::string::npos) continue;
        const std::string name = text.Raw(at);
        size_t add = at;
        while (add > 0 && !text.IsWord(add, "add"))
          --add;
        CheckedStatement rest =
            Made(ApplyEdits(text, {{not_null, not_null + 2, ""}}).sql, scene.trees);
        rest.number = statement.number;
        // ALTER TABLE name ADD …: a list has the name only in front of its first part.
        size_t first_add = 0;
        while (!text.IsWord(first_add, "add"))
          ++first_add;
        CheckedStatement later =
            Made(text.Raw(0, first_add) + " ALTER COLUMN " + name + " SET NOT NULL", scene.trees);
        (*statements)[n] = std::move(rest);
        statements->insert(statements->begin() + static_cast<std::ptrdiff_t>(n) + 1,
                           std::move(later));
        return true;
      }
    }
  }
  return false;
}

// The tokens behind REFERENCES name, up to the column's next part.
size_t EndOfReference(const TokenText &text, size_t at) {
  int depth = 0;
  for (; at < text.tokens.size(); ++at) {
    if (text.IsOperator(at, "(")) ++depth;
    if (text.IsOperator(at, ")") && --depth < 0) return at;
    if (depth == 0 && text.IsOperator(at, ",")) return at;
    const bool next = text.IsWord(at, "check") || text.IsWord(at, "unique") ||
                      text.IsWord(at, "primary") || text.IsWord(at, "constraint") ||
                      text.IsWord(at, "generated") ||
                      (text.IsWord(at, "default") && !text.IsWord(at - 1, "set")) ||
                      (text.IsWord(at, "not") && !text.IsWord(at + 1, "deferrable"));
    if (depth == 0 && next) return at;
  }
  return at;
}

// q_id int REFERENCES q, where q is made later and refers back: the key, after q is there.
bool SplitReference(const CheckScene &scene, Statements *statements) {
  for (size_t n = 0; n < statements->size(); ++n) {
    const CheckedStatement &statement = (*statements)[n];
    if (statement.read.tag != "CREATE TABLE" || MadeBy(statement).empty()) continue;
    const TokenText text(statement.text);
    for (size_t at = 2; at + 1 < text.tokens.size(); ++at) {
      if (!text.IsWord(at, "references") || !text.IsName(at + 1)) continue;
      size_t maker = n + 1;
      while (maker < statements->size() && MadeBy((*statements)[maker]) != text.Value(at + 1))
        ++maker;
      if (maker == statements->size() || Exists(scene, text.Value(at + 1))) continue;
      size_t column = at;
      while (column > 0 && !text.IsOperator(column - 1, ",") && !text.IsOperator(column - 1, "("))
        --column;
      const size_t end = EndOfReference(text, at);
      size_t table = 2;
      while (table < text.tokens.size() && !text.IsOperator(table, "("))
        ++table;
      CheckedStatement rest = Made(ApplyEdits(text, {{at, end, ""}}).sql, scene.trees);
      CheckedStatement later = Made("ALTER TABLE " + text.Raw(2, table) + " ADD FOREIGN KEY (" +
                                        text.Raw(column) + ") " + text.Raw(at, end),
                                    scene.trees);
      if (later.read.tag != "ALTER TABLE") continue;
      rest.number = statement.number;
      (*statements)[n] = std::move(rest);
      statements->insert(statements->begin() + static_cast<std::ptrdiff_t>(maker) + 1,
                         std::move(later));
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<std::vector<CheckedStatement>> FormsOf(const Statements &original,
                                                   const CheckScene &scene) {
  std::vector<Statements> forms = {original};
  if (!scene.allowed.nulls.empty()) {
    Statements form = original;
    for (size_t n = 0; n < kMostForms && SplitNotNull(scene, &form); ++n)
      forms.push_back(form);
  }
  if (scene.allowed.missing_object && scene.facts.known && !scene.opaque) {
    Statements moved = original;
    for (int n = 0; n < kMostMoves && MoveOne(scene, &moved); ++n)
      forms.push_back(moved);
    Statements split = original;
    if (SplitReference(scene, &split)) forms.push_back(std::move(split));
  }
  return forms;
}

}  // namespace agent_branch
