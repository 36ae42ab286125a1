#include "worker/core/merge/acting_objects.hpp"

#include <algorithm>

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

bool ParentChanged(const ObjectDifference &difference) {
  return difference.parent != difference.base && difference.parent != difference.branch;
}

std::string WrittenTable(const ChangedRows &rows, const std::string &table, bool inserted_only) {
  const auto found = rows.tables.find(table);
  if (found == rows.tables.end()) return {};
  return (inserted_only ? found->second.inserted > 0 : found->second.any()) ? table : std::string();
}

bool IsFunction(const std::string &object) {
  return Begins(object, "function ") || Begins(object, "procedure ");
}

// "f" of "function public.f(integer)".
std::string NameOfFunction(const std::string &object) {
  const size_t begin = object.find(' ');
  const std::vector<std::string> names = NamesIn(object.substr(begin, object.find('(') - begin));
  return names.empty() ? std::string() : names.back();
}

bool Calls(const std::string &definition, const std::string &function) {
  const std::vector<std::string> names = NamesIn(definition);
  return !function.empty() && std::find(names.begin(), names.end(), function) != names.end();
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

std::vector<std::string> TriggersToRead(const std::vector<ObjectDifference> &differences,
                                        const ChangedRows &rows, const ObjectMap &parent) {
  std::vector<std::string> triggers;
  const bool any =
      std::any_of(differences.begin(), differences.end(), [](const ObjectDifference &difference) {
        return ParentChanged(difference) && !difference.base.empty() &&
               IsFunction(difference.object);
      });
  if (!any) return triggers;
  for (const auto &[object, hash] : parent) {
    if (Begins(object, "trigger ") && !WrittenTable(rows, TableOf(object, " on "), false).empty())
      triggers.push_back(object);
  }
  return triggers;
}

std::vector<Dependence> FindActing(const std::vector<ObjectDifference> &differences,
                                   const ChangedRows &rows, const std::set<std::string> &refilled,
                                   const ObjectMap &triggers) {
  std::vector<Dependence> acting;
  const auto add = [&acting](const std::string &object, const std::string &table) {
    if (!table.empty()) acting.push_back({object, "rows of table " + table});
  };
  for (const ObjectDifference &difference : differences) {
    if (!ParentChanged(difference)) continue;
    const std::string &object = difference.object;
    if (Begins(object, "trigger ") || Begins(object, "rule "))
      add(object, WrittenTable(rows, TableOf(object, " on "), false));
    if (refilled.count(object) > 0)
      add(object, WrittenTable(rows, TableOf(object, " of table "), true));
    if (!IsFunction(object) || difference.base.empty()) continue;
    const std::string function = NameOfFunction(object);
    const auto calls = std::find_if(triggers.begin(), triggers.end(), [&](const auto &trigger) {
      return Calls(trigger.second, function);
    });
    if (calls != triggers.end()) add(object, TableOf(calls->first, " on "));
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
