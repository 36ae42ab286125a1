// The comparison of what two scripts do; see intent.hpp.
#include <algorithm>

#include "worker/core/base/text.hpp"
#include "worker/core/fixer/intent.hpp"
#include "worker/core/fixer/sql_tokens.hpp"
#include "worker/core/fixer/token_diff.hpp"

namespace agent_branch {
namespace {

constexpr size_t kShownObject = 100;

bool Begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

std::string Described(const Effect &effect) {
  return CleanText(effect.kind + (effect.object.empty() ? "" : " of " + effect.object),
                   kShownObject);
}

std::vector<std::string> PartsOf(std::string_view object) {
  std::vector<std::string> parts;
  while (!object.empty()) {
    size_t end = std::min(object.find('.'), object.size());
    parts.emplace_back(object.substr(0, end));
    object.remove_prefix(std::min(end + 1, object.size()));
  }
  if (parts.size() > 1 && parts.front() == "public") parts.erase(parts.begin());
  return parts;
}

std::string LastPart(const std::string &object) {
  std::vector<std::string> parts = PartsOf(object);
  return parts.empty() ? "" : parts.back();
}

bool SameObject(const std::string &one, const std::string &other) {
  return PartsOf(one) == PartsOf(other);
}

// The same object, or the one that the error named may be called otherwise.
bool MayBeTheSame(const Effect &original, const Effect &fix, const Licence &licence) {
  std::vector<std::string> ours = PartsOf(original.object);
  std::vector<std::string> theirs = PartsOf(fix.object);
  if (ours == theirs) return true;
  if (IsDestructive(original) || ours.empty() || theirs.empty()) return false;
  // sales.orders for orders: a schema in front of what was not found.
  if (theirs.size() == ours.size() + 1 && licence.names.count(ours.front()) != 0) {
    theirs.erase(theirs.begin());
  }
  if (theirs.size() != ours.size()) return false;
  for (size_t part = 0; part < ours.size(); ++part) {
    if (ours[part] == theirs[part]) continue;
    if (licence.names.count(ours[part]) == 0 || !AreAlike(ours[part], theirs[part])) return false;
  }
  return true;
}

bool Has(const std::vector<Effect> &effects, std::string_view kind, const std::string &object) {
  return std::any_of(effects.begin(), effects.end(), [&](const Effect &effect) {
    return effect.kind == kind && SameObject(effect.object, object);
  });
}

// "orders.total" → "orders"
std::string TableOf(const std::string &column) {
  size_t dot = column.rfind('.');
  return dot == std::string::npos ? std::string() : column.substr(0, dot);
}

bool IsKeyOf(const std::vector<Effect> &effects, const std::string &column) {
  return std::any_of(effects.begin(), effects.end(), [&](const Effect &effect) {
    if (effect.kind != "primary key" || !SameObject(effect.object, TableOf(column))) return false;
    std::vector<std::string> columns = SplitTokens(effect.detail);
    return std::find(columns.begin(), columns.end(), "n" + LastPart(column)) != columns.end();
  });
}

// What may be added, and only on account of the error.
class Additions {
 public:
  Additions(const std::vector<Effect> &original, const std::vector<Effect> &fix,
            const Licence &licence)
      : original_(original), fix_(fix), licence_(licence) {}

  bool Allow(const Effect &effect) const {
    if (effect.kind == "create extension") return IsNeededExtension(effect);
    if (effect.kind == "create schema") return IsNamedSchema(effect);
    if (effect.kind == "default") return IsDefaultForNulls(effect);
    if (effect.kind == "not null") return IsKeyOf(original_, effect.object);
    if (effect.kind == "rows update") return IsBackfill(effect);
    if (effect.kind == "using") return IsConversion(effect);
    if (Begins(effect.kind, "drop ")) return IsPutBack(effect, effect.kind.substr(5), "create ");
    if (Begins(effect.kind, "create ")) return IsPutBack(effect, effect.kind.substr(7), "drop ");
    return false;
  }

 private:
  bool IsNeededExtension(const Effect &effect) const {
    bool missing = Failed("42704") || Failed("42883");
    return missing && IsHarmlessExtension(effect.object) &&
           SplitTokens(effect.detail) ==
               std::vector<std::string>{"ncreate", "nextension", "n" + effect.object};
  }

  bool IsNamedSchema(const Effect &effect) const {
    return Failed("3F000") && licence_.names.count(effect.object) != 0 &&
           SplitTokens(effect.detail) ==
               std::vector<std::string>{"ncreate", "nschema", "n" + effect.object};
  }

  bool Failed(const char *sqlstate) const { return licence_.sqlstates.count(sqlstate) != 0; }

  bool IsNullColumn(const std::string &column) const {
    const std::string name = LastPart(column);
    return licence_.null_columns.count({name, ""}) != 0 ||
           licence_.null_columns.count({name, LastPart(TableOf(column))}) != 0;
  }

  bool IsDefaultForNulls(const Effect &effect) const {
    return IsNullColumn(effect.object) && Has(original_, "not null", effect.object) &&
           IsHarmlessExpression(SplitTokens(effect.detail));
  }

  // UPDATE t SET c = … WHERE c IS NULL, and nothing else.
  bool IsBackfill(const Effect &effect) const {
    std::vector<std::string> tokens = SplitTokens(effect.detail);
    auto set = std::find(tokens.begin(), tokens.end(), "nset");
    if (tokens.end() - set < 8) return false;
    const std::string name = *(set + 1);
    const std::string column = effect.object + "." + name.substr(1);
    bool wanted =
        IsNullColumn(column) && (Has(original_, "not null", column) || IsKeyOf(original_, column));
    if (!wanted || *(set + 2) != "o=") return false;
    const std::vector<std::string> tail = {"nwhere", name, "nis", "nnull"};
    if (!std::equal(tail.begin(), tail.end(), tokens.end() - 4)) return false;
    // One assignment: a comma outside of brackets would begin another.
    int depth = 0;
    for (auto at = set + 3; at != tokens.end() - 4; ++at) {
      if (*at == "o(") ++depth;
      if (*at == "o)") --depth;
      if (depth < 0 || (depth == 0 && *at == "o,")) return false;
    }
    std::vector<std::string> before(tokens.begin(), set);
    std::vector<std::string> plain = {"nupdate"};
    for (const std::string &part : PartsOf(effect.object)) {
      if (plain.size() > 1) plain.emplace_back("o.");
      plain.push_back("n" + part);
    }
    return before == plain && depth == 0 && IsHarmlessExpression({set + 3, tokens.end() - 4});
  }

  // ALTER COLUMN … TYPE … USING: of the column itself, and with no arithmetic.
  bool IsConversion(const Effect &effect) const {
    if (!Failed("42804") || !Has(original_, "column type", effect.object)) return false;
    std::vector<std::string> tokens = SplitTokens(effect.detail);
    bool of_column =
        std::find(tokens.begin(), tokens.end(), "n" + LastPart(effect.object)) != tokens.end();
    bool plain = std::all_of(tokens.begin(), tokens.end(), [&](const std::string &token) {
      if (token[0] == 's') return token.find_first_not_of(" ,.", 1) == std::string::npos;
      if (token[0] == 'o') return token == "o(" || token == "o)" || token == "o,";
      const std::string text = token.substr(1);
      return text == LastPart(effect.object) || IsTypeWord(text) || text == "cast" ||
             text == "as" || text == "nullif" || text == "trim" || text == "btrim" ||
             text == "replace";
    });
    return of_column && plain;
  }

  // What depends on a column may be taken away and made again, provided that it is the same
  // afterwards, which the comparison of objects on the branch proves.
  bool IsPutBack(const Effect &effect, const std::string &object_kind, const char *other) const {
    bool holds_no_rows = object_kind == "view" || object_kind == "trigger" ||
                         object_kind == "function" || object_kind == "policy" ||
                         object_kind == "rule";
    bool dependent = licence_.dependents.count(LastPart(effect.object)) != 0;
    std::vector<std::string> tokens = SplitTokens(effect.detail);
    bool cascades = std::find(tokens.begin(), tokens.end(), "ncascade") != tokens.end();
    return holds_no_rows && dependent && !cascades &&
           Has(fix_, std::string(other) + object_kind, effect.object);
  }

  const std::vector<Effect> &original_;
  const std::vector<Effect> &fix_;
  const Licence &licence_;
};

// DEFAULT "text", which is the name of a column, for DEFAULT 'text'.
bool Unquoted(const Effect &original, const Effect &fix, const Licence &licence) {
  return original.kind == "default" && licence.sqlstates.count("0A000") != 0 &&
         original.detail.size() > 1 && original.detail[0] == 'n' && fix.detail[0] == 's' &&
         original.detail.substr(1) == fix.detail.substr(1);
}

Intent Refuse(std::string reason) {
  Intent intent;
  intent.reason = std::move(reason);
  return intent;
}

}  // namespace

bool IsDestructive(const Effect &effect) {
  return Begins(effect.kind, "drop ") || effect.kind == "rows delete" ||
         effect.kind == "truncate" || effect.kind == "rename" || effect.kind == "other";
}

Intent CompareEffects(const std::vector<Effect> &original, const std::vector<Effect> &fix,
                      const Licence &licence) {
  std::vector<bool> used(fix.size(), false);
  for (const Effect &wanted : original) {
    const bool names_may_change = !IsDestructive(wanted);
    const bool alike = Begins(wanted.kind, "rows ");
    std::string difference;
    size_t match = fix.size();
    for (size_t at = 0; at < fix.size() && match == fix.size(); ++at) {
      if (used[at] || fix[at].kind != wanted.kind || !MayBeTheSame(wanted, fix[at], licence))
        continue;
      std::string matters = Unquoted(wanted, fix[at], licence)
                                ? std::string()
                                : DifferenceThatMatters(wanted.detail, fix[at].detail, licence,
                                                        names_may_change, alike);
      if (matters.empty()) {
        match = at;
      } else if (difference.empty()) {
        difference = std::move(matters);
      }
    }
    if (match < fix.size()) {
      used[match] = true;
    } else if (difference.empty()) {
      return Refuse("it leaves out the " + Described(wanted));
    } else {
      return Refuse("it changes the " + Described(wanted) + ": " + difference);
    }
  }
  const Additions additions(original, fix, licence);
  Intent intent;
  for (size_t at = 0; at < fix.size(); ++at) {
    if (!used[at] && !additions.Allow(fix[at]))
      return Refuse("it adds the " + Described(fix[at]) + ", which was not asked for");
    (used[at] ? intent.wanted : intent.added).push_back(fix[at]);
  }
  intent.preserved = true;
  return intent;
}

}  // namespace agent_branch
