#include "worker/core/merge/dependencies.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace agent_branch {
namespace {

// Longer ones first: "materialized view" is no "view".
constexpr std::array<std::string_view, 13> kUsing{
    "materialized view ", "view ",   "function ", "procedure ",  "aggregate ",
    "trigger ",           "rule ",   "policy ",   "constraint ", "index ",
    "statistics ",        "domain ", "column "};

struct Used {
  std::string object;
  bool retyped = false;            // a column that is there still, with another type
  std::vector<std::string> names;  // all of them stand in what uses it
};

bool Begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

bool IsNameCharacter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || c == '_' || c == '$' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// The last name of "public.t", "public.\"T\"" or "public.f(integer)".
std::string LastName(std::string_view qualified) {
  bool quoted = false;
  size_t end = qualified.size();
  size_t begin = 0;
  for (size_t at = 0; at < qualified.size(); ++at) {
    if (qualified[at] == '"') quoted = !quoted;
    if (quoted) continue;
    if (qualified[at] == '(') {
      end = at;
      break;
    }
    if (qualified[at] == '.') begin = at + 1;
  }
  const std::vector<std::string> names = NamesIn(qualified.substr(begin, end - begin));
  return names.empty() ? std::string() : names.front();
}

std::string WithoutKind(std::string_view object) {
  for (const std::string_view kind :
       {"materialized view ", "foreign table ", "table ", "view ", "function ", "procedure ",
        "aggregate ", "type ", "domain ", "sequence "}) {
    if (Begins(object, kind)) return std::string(object.substr(kind.size()));
  }
  return {};
}

// What `other` changed of an object that was there before; nothing where that matters to nobody
// who uses it: options, defaults and privileges may change under a view.
Used UsedOf(const ObjectDifference &difference, const std::string &changed,
            const std::set<std::string> &retyped) {
  constexpr std::string_view kColumn = "column ";
  constexpr std::string_view kOf = " of ";
  Used used{difference.object, retyped.count(difference.object) > 0, {}};
  if (difference.base.empty() || difference.base == changed) return used;
  const std::string_view object = difference.object;
  const bool dropped = changed.empty();
  if (Begins(object, kColumn)) {
    const size_t of = object.find(kOf);
    if (dropped) used.retyped = false;
    if ((!dropped && !used.retyped) || of == std::string_view::npos) return used;
    used.names = {LastName(object.substr(kColumn.size(), of - kColumn.size())),
                  LastName(WithoutKind(object.substr(of + kOf.size())))};
    return used;
  }
  const bool kept_use =
      Begins(object, "table ") || Begins(object, "foreign table ") || Begins(object, "sequence ");
  const std::string name = WithoutKind(object);
  if (name.empty() || (kept_use && !dropped)) return used;
  used.names = {LastName(name)};
  return used;
}

const std::string &SideOf(const ObjectDifference &difference, bool branch) {
  return branch ? difference.branch : difference.parent;
}

std::vector<Used> AllUsed(const std::vector<ObjectDifference> &differences, bool by_branch,
                          const std::set<std::string> &retyped) {
  std::vector<Used> all;
  for (const ObjectDifference &difference : differences) {
    Used used = UsedOf(difference, SideOf(difference, by_branch), retyped);
    const bool named = !used.names.empty() && !used.names.front().empty();
    if (named) all.push_back(std::move(used));
  }
  return all;
}

bool MayUse(const ObjectDifference &difference, bool on_branch) {
  const std::string &mine = SideOf(difference, on_branch);
  if (mine.empty() || mine == difference.base) return false;
  return std::any_of(kUsing.begin(), kUsing.end(),
                     [&](std::string_view kind) { return Begins(difference.object, kind); });
}

// PostgreSQL gives a column no other type while one of these uses it. They name its table only as
// their own.
bool KeepsTypes(std::string_view object) {
  return Begins(object, "policy ") || Begins(object, "trigger ") || Begins(object, "rule ") ||
         Begins(object, "column ");
}

void Find(const std::vector<ObjectDifference> &differences, bool on_branch,
          const ObjectMap &definitions, const std::set<std::string> &retyped,
          std::vector<Dependence> *found) {
  const std::vector<Used> all = AllUsed(differences, !on_branch, retyped);
  for (const ObjectDifference &difference : differences) {
    if (all.empty() || !MayUse(difference, on_branch)) continue;
    const auto text = definitions.find(difference.object);
    if (text == definitions.end()) continue;
    const std::vector<std::string> words = NamesIn(text->second);
    const std::set<std::string> names(words.begin(), words.end());
    std::set<std::string> with_own = names;
    for (std::string &word : NamesIn(difference.object))
      with_own.insert(std::move(word));
    for (const Used &used : all) {
      if (used.retyped && !KeepsTypes(difference.object)) continue;
      const std::set<std::string> &known = used.retyped ? with_own : names;
      const bool uses = std::all_of(used.names.begin(), used.names.end(),
                                    [&](const std::string &name) { return known.count(name) > 0; });
      if (uses && used.object != difference.object)
        found->push_back({difference.object, used.object});
    }
  }
}

}  // namespace

std::vector<std::string> NamesIn(std::string_view sql) {
  std::vector<std::string> names;
  size_t at = 0;
  while (at < sql.size()) {
    if (sql[at] == '"') {
      std::string name;
      for (++at; at < sql.size(); ++at) {
        if (sql[at] == '"' && (at + 1 >= sql.size() || sql[at + 1] != '"')) break;
        if (sql[at] == '"') ++at;
        name += sql[at];
      }
      ++at;
      names.push_back(std::move(name));
      continue;
    }
    if (!IsNameCharacter(sql[at])) {
      ++at;
      continue;
    }
    std::string name;
    for (; at < sql.size() && IsNameCharacter(sql[at]); ++at)
      name += Lower(sql[at]);
    names.push_back(std::move(name));
  }
  return names;
}

std::string LastNameOf(std::string_view object) {
  const std::string name = WithoutKind(object);
  return name.empty() ? name : LastName(name);
}

std::vector<std::string> ChangedColumns(const std::vector<ObjectDifference> &differences) {
  std::vector<std::string> columns;
  for (const ObjectDifference &difference : differences) {
    const bool there =
        !difference.base.empty() && !difference.branch.empty() && !difference.parent.empty();
    if (there && Begins(difference.object, "column ")) columns.push_back(difference.object);
  }
  return columns;
}

std::set<std::string> FindRetyped(const std::vector<std::string> &columns, const ObjectMap &branch,
                                  const ObjectMap &parent) {
  const auto type = [](const ObjectMap &definitions, const std::string &column) {
    const auto at = definitions.find(column);
    std::string text = at == definitions.end() ? std::string() : at->second;
    for (const char *behind :
         {" collate ", " not null", " identity ", " generated ", " default ", " storage "})
      text = text.substr(0, text.find(behind));
    return text;
  };
  std::set<std::string> retyped;
  for (const std::string &column : columns)
    if (type(branch, column) != type(parent, column)) retyped.insert(column);
  return retyped;
}

std::vector<std::string> MayDepend(const std::vector<ObjectDifference> &differences, bool of_branch,
                                   const std::set<std::string> &retyped) {
  std::vector<std::string> objects;
  if (AllUsed(differences, !of_branch, retyped).empty()) return objects;
  for (const ObjectDifference &difference : differences) {
    if (MayUse(difference, of_branch)) objects.push_back(difference.object);
  }
  return objects;
}

std::vector<Dependence> FindDependences(const std::vector<ObjectDifference> &differences,
                                        const ObjectMap &branch_definitions,
                                        const ObjectMap &parent_definitions,
                                        const std::set<std::string> &retyped) {
  std::vector<Dependence> found;
  Find(differences, true, branch_definitions, retyped, &found);
  Find(differences, false, parent_definitions, retyped, &found);
  return found;
}

}  // namespace agent_branch
