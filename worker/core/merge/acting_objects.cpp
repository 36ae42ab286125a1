#include "worker/core/merge/acting_objects.hpp"

#include <algorithm>
#include <iterator>

namespace agent_branch {
namespace {

bool Begins(const std::string &text, const std::string &with) {
  return text.compare(0, with.size(), with) == 0;
}

// The table behind the last " on ", or behind " of table ": a quoted name may hold such words, and
// no table that was written to ends in what follows them then.
std::string TableOf(const std::string &object, const std::string &between) {
  const size_t at = object.rfind(between);
  return at == std::string::npos ? std::string() : object.substr(at + between.size());
}

bool ChangedBy(const ObjectDifference &difference, bool branch) {
  const std::string &mine = branch ? difference.branch : difference.parent;
  return mine != difference.base && difference.branch != difference.parent;
}

std::string WrittenTable(const ChangedRows &rows, const std::string &table, bool inserted_only) {
  const auto found = rows.tables.find(table);
  if (found == rows.tables.end()) return {};
  return (inserted_only ? found->second.inserted > 0 : found->second.any()) ? table : std::string();
}

// What a statement may use by its name, so that another one gives other rows. One that was added
// may be what the name means from then on.
bool IsUsedByStatements(const std::string &object) {
  constexpr const char *kKinds[] = {"function ", "procedure ", "aggregate ", "view ",
                                    "materialized view "};
  return std::any_of(std::begin(kKinds), std::end(kKinds),
                     [&object](const char *kind) { return Begins(object, kind); });
}

// What decides about a value that nobody gave.
std::string Filling(const ObjectMap &definitions, const std::string &column) {
  const auto found = definitions.find(column);
  if (found == definitions.end()) return {};
  const std::string &text = found->second;
  const size_t end = text.rfind(" storage ");
  for (const char *word : {" identity ", " generated ", " default "}) {
    const size_t at = text.find(word);
    if (at != std::string::npos) return text.substr(at, end == std::string::npos ? end : end - at);
  }
  return {};
}

}  // namespace

bool WrittenRows::any() const {
  return !rows.rewritten.empty() ||
         std::any_of(rows.tables.begin(), rows.tables.end(),
                     [](const auto &table) { return table.second.any(); });
}

std::vector<std::string> UsedByName(const UsedNames &names, const ObjectMap &objects) {
  std::vector<std::string> used;
  for (const auto &[object, hash] : objects)
    if (IsUsedByStatements(object) && names.MayMean(NameOfObject(object))) used.push_back(object);
  return used;
}

std::vector<std::string> UsedToRead(const std::vector<ObjectDifference> &differences,
                                    bool by_branch, const WrittenRows &written,
                                    const ObjectMap &objects) {
  const bool any = std::any_of(
      differences.begin(), differences.end(), [by_branch](const ObjectDifference &difference) {
        return ChangedBy(difference, by_branch) && IsUsedByStatements(difference.object);
      });
  std::vector<std::string> read;
  if (!any || !written.any()) return read;
  for (const auto &[object, hash] : objects) {
    const bool acts = Begins(object, "trigger ") || Begins(object, "rule ");
    const bool fills = Begins(object, "column ");
    const std::string table = acts ? WrittenTable(written.rows, TableOf(object, " on "), false)
                              : fills
                                  ? WrittenTable(written.rows, TableOf(object, " of table "), true)
                                  : std::string();
    if (!table.empty()) read.push_back(object);
  }
  UsedNames names;
  for (const std::string &text : written.texts)
    names.Add(text, false);
  for (std::string &object : UsedByName(names, objects))
    read.push_back(std::move(object));
  return read;
}

std::vector<Dependence> FindActing(const std::vector<ObjectDifference> &differences, bool by_branch,
                                   const WrittenRows &written,
                                   const std::set<std::string> &refilled, const UsedNames &used) {
  std::vector<Dependence> acting;
  const auto add = [&acting](const std::string &object, const std::string &table) {
    if (!table.empty()) acting.push_back({object, "rows of table " + table});
  };
  for (const ObjectDifference &difference : differences) {
    if (!ChangedBy(difference, by_branch)) continue;
    const std::string &object = difference.object;
    if (Begins(object, "trigger ") || Begins(object, "rule "))
      add(object, WrittenTable(written.rows, TableOf(object, " on "), false));
    if (refilled.count(object) > 0)
      add(object, WrittenTable(written.rows, TableOf(object, " of table "), true));
    // Without what others dropped the migrations do not run.
    const bool is_there = by_branch || !difference.parent.empty();
    if (is_there && IsUsedByStatements(object) && written.any() &&
        used.MayMean(NameOfObject(object)))
      acting.push_back({object, "what the migrations wrote"});
  }
  return acting;
}

std::set<std::string> FindRefilled(const std::vector<std::string> &columns, const ObjectMap &branch,
                                   const ObjectMap &parent) {
  std::set<std::string> refilled;
  for (const std::string &column : columns)
    if (Filling(branch, column) != Filling(parent, column)) refilled.insert(column);
  return refilled;
}

}  // namespace agent_branch
