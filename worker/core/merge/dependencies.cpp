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
  bool retyped = false;  // a column that is there still, with another type
  std::string column;    // of the relation
  QualifiedName name;    // of a relation, type or function
};

bool Begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

// Behind the name, quoted or not, that begins there.
size_t EndOfName(std::string_view text, size_t begin) {
  if (begin >= text.size() || text[begin] != '"') return begin;
  size_t at = begin + 1;
  while (at < text.size() && (text[at] != '"' || text.substr(at, 2) == "\"\""))
    at += text[at] == '"' ? 2 : 1;
  return at;
}

// What `other` changed of an object that was there before; nothing where that matters to nobody
// who uses it: options, defaults and privileges may change under a view.
Used UsedOf(const ObjectDifference &difference, const std::string &changed,
            const std::set<std::string> &retyped) {
  constexpr std::string_view kColumn = "column ";
  constexpr std::string_view kOf = " of ";
  Used used{difference.object, retyped.count(difference.object) > 0, {}, {}};
  if (difference.base.empty() || difference.base == changed) return used;
  const std::string_view object = difference.object;
  const bool dropped = changed.empty();
  if (Begins(object, kColumn)) {
    const size_t of = object.find(kOf, EndOfName(object, kColumn.size()));
    if (dropped) used.retyped = false;
    if ((!dropped && !used.retyped) || of == std::string_view::npos) return used;
    const std::vector<std::string> column =
        NamesIn(object.substr(kColumn.size(), of - kColumn.size()));
    if (!column.empty()) used.column = column.front();
    used.name = NameOfObject(object.substr(of + kOf.size()));
    return used;
  }
  const bool kept_use =
      Begins(object, "table ") || Begins(object, "foreign table ") || Begins(object, "sequence ");
  if (!kept_use || dropped) used.name = NameOfObject(object);
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
    if (!used.name.empty()) all.push_back(std::move(used));
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
    UsedNames names;
    names.Add(text->second, !IsWrittenBySomebody(difference.object));
    UsedNames with_own = names;
    with_own.Add(difference.object, true);
    for (const Used &used : all) {
      if (used.retyped && !KeepsTypes(difference.object)) continue;
      const UsedNames &known = used.retyped ? with_own : names;
      const bool uses =
          known.MayMean(used.name) && (used.column.empty() || known.HasWord(used.column));
      if (uses && used.object != difference.object)
        found->push_back({difference.object, used.object});
    }
  }
}

}  // namespace

bool IsWrittenBySomebody(std::string_view object) {
  return Begins(object, "function ") || Begins(object, "procedure ");
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
