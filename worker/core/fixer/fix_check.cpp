#include "worker/core/fixer/fix_check.hpp"

#include <algorithm>

#include "worker/core/base/text.hpp"
#include "worker/core/fixer/clause_rules.hpp"
#include "worker/core/fixer/dialects.hpp"
#include "worker/core/fixer/existing_objects.hpp"
#include "worker/core/fixer/statement_plan.hpp"
#include "worker/core/fixer/statement_repair.hpp"
#include "worker/core/fixer/syntax_repair.hpp"
#include "worker/core/script/script_text.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMostStatements = 400;
constexpr size_t kMostAdded = 40;
// Pairs of statements that are compared token by token, over the whole check.
constexpr size_t kMostComparisons = 2'000;
constexpr size_t kShown = 100;

using Statements = std::vector<CheckedStatement>;

Intent Refuse(std::string reason) {
  Intent refused;
  refused.reason = std::move(reason);
  return refused;
}

bool Begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

std::string Shown(const CheckedStatement &statement) {
  return "\"" + CleanText(statement.text, kShown) + "\"";
}

Statements StatementsOf(const std::string &sql, const Script &script) {
  Statements statements;
  for (const ScriptStatement &read : script.statements) {
    CheckedStatement statement;
    statement.text = sql.substr(read.offset, read.length);
    statement.read = read;
    statement.number = static_cast<int>(statements.size()) + 1;
    statements.push_back(std::move(statement));
  }
  return statements;
}

// The byte of a place that is counted in lines and characters; npos: none.
size_t ByteOf(const std::string &sql, int line, int column) {
  if (line <= 0 || column <= 0) return std::string::npos;
  size_t at = 0;
  for (int n = 1; n < line; ++n) {
    at = sql.find('\n', at);
    if (at == std::string::npos) return at;
    ++at;
  }
  const auto continues = [&](size_t byte) {
    return byte < sql.size() && (static_cast<unsigned char>(sql[byte]) & 0xC0) == 0x80;
  };
  for (int n = 1; n < column && at < sql.size(); ++n) {
    ++at;
    while (continues(at))
      ++at;
  }
  return at;
}

class Check {
 public:
  Check(const FixQuestion &question, SqlTrees *trees) : question_(question) {
    scene_.trees = trees;
    scene_.facts = ReadFixFacts(question.facts);
    scene_.allowed = AllowedEditsFor(question.errors);
  }

  Intent Run() {
    if (question_.original.size() > kMaxCheckedBytes || question_.fix.size() > kMaxCheckedBytes)
      return Refuse("it is too long to be compared");
    if (question_.errors.empty()) return Refuse("no error is known that it mends");
    if (!IsReadAsHere())
      return Refuse(
          "the branch reads backslashes in constants otherwise, so it cannot be compared");
    const Script fix = scene_.trees->Read(question_.fix);
    if (!fix.parsed) return Refuse("it cannot be parsed");
    if (fix.refused > 0) return Refuse(fix.refusal.message());
    if (Status status = ReadOriginal(); !status.ok()) return Refuse(status.message());
    fix_ = StatementsOf(question_.fix, fix);
    if (original_.size() > kMostStatements || fix_.size() > original_.size() + kMostAdded)
      return Refuse("it has too many statements to be compared");
    Describe();
    std::string reason;
    for (const Statements &form : FormsOf(original_, scene_)) {
      Intent intent = Compare(form);
      if (intent.preserved) return intent;
      if (reason.empty()) reason = std::move(intent.reason);
    }
    return Refuse(reason);
  }

 private:
  // word: in small letters.
  bool Mentions(std::string_view word) const {
    const auto holds = [word](const std::string &text) {
      return std::search(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) {
               return (a >= 'A' && a <= 'Z' ? a | 0x20 : a) == b;
             }) != text.end();
    };
    return holds(question_.original) || holds(question_.fix);
  }

  // What is a constant here and a comment there cannot be compared.
  bool IsReadAsHere() const {
    if (!Mentions("\\")) return true;
    return scene_.facts.plain_strings && !Mentions("conforming_strings") && !Mentions("set_config");
  }

  Status ReadOriginal() {
    std::string sql = question_.original;
    Script script = scene_.trees->Read(sql);
    const bool parsed = script.parsed;
    if (!parsed) {
      Result<std::string> repaired = RepairSyntax(sql, question_.fix, scene_.trees);
      if (!repaired.ok()) return repaired.status();
      sql = std::move(repaired.value());
      script = scene_.trees->Read(sql);
      if (!script.parsed) return Status::Error("42601", "the original cannot be parsed");
    }
    original_ = StatementsOf(sql, script);
    if (!parsed) return {};
    const ServerError &error = question_.errors.front();
    const size_t byte = ByteOf(sql, error.line, error.column);
    for (CheckedStatement &statement : original_) {
      const ScriptStatement &read = statement.read;
      // An error without a place of its own is told with its statement's beginning.
      if (byte != std::string::npos && byte > read.offset && byte < read.offset + read.length)
        statement.error_byte = byte - read.offset;
    }
    return {};
  }

  // What the original makes, takes away and changes.
  void Describe() {
    scene_.moved_path =
        !scene_.facts.plain_path || Mentions("search_path") || Mentions("set_config");
    scene_.opaque = !scene_.facts.plain_path;
    for (const CheckedStatement &statement : original_) {
      for (const Effect &effect : statement.read.effects) {
        if (Begins(effect.kind, "create ") && effect.kind != "create schema")
          scene_.made.insert(LastPartOf(effect.object));
        if (effect.kind == "column")
          scene_.made_columns[LastPartOf(OwnerPartOf(effect.object))].insert(
              LastPartOf(effect.object));
        if (Begins(effect.kind, "drop ") || effect.kind == "rename" ||
            Begins(effect.kind, "alter")) {
          scene_.disturbed.insert(LastPartOf(effect.object));
          scene_.disturbed.insert(LastPartOf(OwnerPartOf(effect.object)));
        }
        scene_.opaque = scene_.opaque || effect.kind == "other" ||
                        effect.detail.find("ncascade") != std::string::npos;
      }
    }
    putting_back_.assign(fix_.size(), false);
    for (size_t drop = 0; drop < fix_.size(); ++drop)
      FindPutBack(drop);
  }

  // DROP VIEW v … CREATE VIEW v, where the error says that v depends on what is changed between.
  void FindPutBack(size_t drop) {
    const TokenText text(fix_[drop].text);
    const bool plain =
        fix_[drop].read.tag == "DROP VIEW" && text.IsWord(0, "drop") &&
        (text.tokens.size() == 3 || (text.tokens.size() == 5 && text.IsOperator(3, ".")));
    if (!plain || fix_[drop].read.effects.empty()) return;
    const std::string &view = fix_[drop].read.effects.front().object;
    if (scene_.allowed.dependents.count(LastPartOf(view)) == 0) return;
    for (size_t create = drop + 2; create < fix_.size(); ++create) {
      const std::vector<Effect> &effects = fix_[create].read.effects;
      const bool again = effects.size() == 1 && effects[0].kind == "create view" &&
                         effects[0].object == view && !putting_back_[create];
      if (!again || !TokenText(fix_[create].text).IsWord(1, "view")) continue;
      putting_back_[drop] = putting_back_[create] = true;
      return;
    }
  }

  // Whether the fix's statement may be added in front of the original's `next`, if there is one.
  bool MayBeAdded(size_t at, const CheckedStatement *next) const {
    const CheckedStatement &statement = fix_[at];
    if (putting_back_[at]) return true;
    const TokenText text(statement.text);
    if (statement.read.tag == "UPDATE")
      return next != nullptr && FillsNulls(text, statement, *next);
    const bool guarded = text.IsWord(2, "if") && text.IsWord(3, "not") && text.IsWord(4, "exists");
    const size_t name = guarded ? 5 : 2;
    if (text.tokens.size() != name + 1 || !text.IsName(name)) return false;
    const std::string &object = text.Value(name);
    if (statement.read.tag == "CREATE EXTENSION")
      return std::any_of(scene_.allowed.not_found.begin(), scene_.allowed.not_found.end(),
                         [&](const std::string &name) { return IsOfExtension(object, name); });
    if (statement.read.tag != "CREATE SCHEMA") return false;
    return std::any_of(
        scene_.allowed.names.begin(), scene_.allowed.names.end(), [&](const MissingName &missing) {
          return missing.kind == MissingName::Kind::kSchema && missing.name == object;
        });
  }

  // UPDATE t SET c = … WHERE c IS NULL, in front of what wants c to be NOT NULL.
  bool FillsNulls(const TokenText &text, const CheckedStatement &update,
                  const CheckedStatement &next) const {
    if (update.read.effects.size() != 1) return false;
    const std::string &table = update.read.effects.front().object;
    size_t set = 1;
    while (set < text.tokens.size() && !text.IsWord(set, "set"))
      ++set;
    const size_t size = text.tokens.size();
    if (size < set + 8 || set > 4 || text.IsWord(1, "only") || !text.IsOperator(set + 2, "="))
      return false;
    const std::string &column = text.Value(set + 1);
    const bool filter = text.IsWord(size - 4, "where") && text.IsName(size - 3) &&
                        text.Value(size - 3) == column && text.IsWord(size - 2, "is") &&
                        text.IsWord(size - 1, "null");
    if (!filter || !text.IsName(set + 1) || text.IsOperator(set + 2, ".")) return false;
    int depth = 0;
    for (size_t at = set + 3; at < size - 4; ++at) {
      if (text.IsOperator(at, "(")) ++depth;
      if (text.IsOperator(at, ")")) --depth;
      if (depth == 0 && text.IsOperator(at, ",")) return false;
    }
    return scene_.allowed.IsNull(LastPartOf(table), column) && WantsValues(next, table, column) &&
           IsHarmlessExpression(text, set + 3, size - 4, true);
  }

  static bool WantsValues(const CheckedStatement &statement, const std::string &table,
                          const std::string &column) {
    return std::any_of(
        statement.read.effects.begin(), statement.read.effects.end(), [&](const Effect &effect) {
          if (effect.kind == "primary key")
            return effect.object == table &&
                   ("\n" + effect.detail + "\n").find("\nn" + column + "\n") != std::string::npos;
          return effect.kind == "not null" && effect.object == table + "." + column;
        });
  }

  // Each statement of the fix is one of the original's, in order, or one that may be added; each of
  // the original's is one of the fix's, or makes what is there already. Depth first, with what was
  // found not to lead on remembered.
  Intent Compare(const Statements &form) {
    const size_t columns = fix_.size() + 1;
    std::vector<bool> dead((form.size() + 1) * columns, false);
    struct Frame {
      size_t original;
      size_t fix;
      int next;      // way to try
      char arrived;  // m: matched, a: added, o: left out
    };
    std::vector<Frame> path = {{0, 0, 0, ' '}};
    size_t furthest = 0;
    size_t furthest_fix = 0;
    while (!path.empty()) {
      Frame &here = path.back();
      if (here.original == form.size() && here.fix == fix_.size()) return Preserved(path_of(path));
      if (here.original + here.fix > furthest + furthest_fix)
        furthest = here.original, furthest_fix = here.fix;
      const size_t at = here.original * columns + here.fix;
      if (dead[at] || here.next > 2 || scene_.spent > kMostComparisons) {
        dead[at] = true;
        path.pop_back();
        continue;
      }
      const size_t o = here.original;
      const size_t f = here.fix;
      switch (here.next++) {
        case 0:
          if (o < form.size() && f < fix_.size() && Matches(form[o], f))
            path.push_back({o + 1, f + 1, 0, 'm'});
          break;
        case 1:
          if (f < fix_.size() && MayBeAdded(f, o < form.size() ? &form[o] : nullptr))
            path.push_back({o, f + 1, 0, 'a'});
          break;
        default:
          if (o < form.size() && form[o].read.tag != "ALTER TYPE" &&
              IsThereAlready(form[o], scene_))
            path.push_back({o + 1, f, 0, 'o'});
          break;
      }
    }
    return Refuse(Reason(form, furthest, furthest_fix));
  }

  bool Matches(const CheckedStatement &original, size_t fix) {
    return !putting_back_[fix] && Repairs(original, fix_[fix], &scene_);
  }

  template <class Path>
  static std::string path_of(const Path &path) {
    std::string ways;
    for (size_t n = 1; n < path.size(); ++n)
      ways += path[n].arrived;
    return ways;
  }

  Intent Preserved(const std::string &ways) const {
    Intent intent;
    intent.preserved = true;
    size_t at = 0;
    for (char way : ways) {
      if (way == 'o') continue;
      std::vector<Effect> &effects = way == 'a' ? intent.added : intent.wanted;
      const std::vector<Effect> &read = fix_[at++].read.effects;
      effects.insert(effects.end(), read.begin(), read.end());
    }
    return intent;
  }

  std::string Reason(const Statements &form, size_t original, size_t fix) const {
    if (scene_.spent > kMostComparisons) return "it is too different to be compared";
    if (original >= form.size()) return "it adds " + Shown(fix_[fix]) + ", which was not asked for";
    if (fix >= fix_.size()) return "it leaves out " + Shown(form[original]);
    if (form[original].read.tag == fix_[fix].read.tag)
      return "it changes " + Shown(form[original]) + " to " + Shown(fix_[fix]) +
             ", which no error gives leave to";
    return "it has " + Shown(fix_[fix]) + " where the original has " + Shown(form[original]);
  }

  const FixQuestion &question_;
  CheckScene scene_;
  Statements original_;
  Statements fix_;
  std::vector<bool> putting_back_;  // by statement of the fix
};

}  // namespace

Intent CheckFix(const FixQuestion &question, SqlTrees *trees) {
  return Check(question, trees).Run();
}

}  // namespace agent_branch
