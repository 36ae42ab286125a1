#include "worker/core/merge/conflict_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "worker/core/base/json.hpp"
#include "worker/core/merge/dependencies.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxConflicts = 1'000;

std::string JsonList(const std::vector<std::string> &items) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  for (const std::string &item : items)
    WriteString(writer, item);
  writer.EndArray();
  return {buffer.GetString(), buffer.GetSize()};
}

std::vector<ConflictRow> RowsOf(const std::vector<ObjectDifference> &differences,
                                const std::vector<Dependence> &dependences) {
  std::vector<ConflictRow> rows;
  for (const Dependence &dependence : dependences) {
    if (rows.size() == kMaxConflicts) break;
    for (const ObjectDifference &difference : differences) {
      if (difference.object != dependence.object) continue;
      ConflictRow row;
      row.object = dependence.object;
      row.change = "depends";
      row.base_hash = difference.base;
      row.branch_hash = difference.branch;
      row.parent_hash = difference.parent;
      row.depends_on = dependence.on;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

MergeRefusal Refuse(const std::string &message, const std::string &verb,
                    std::vector<ConflictRow> rows) {
  std::string detail = rows.front().object + verb + rows.front().depends_on;
  if (rows.size() > 1) detail += ", and " + std::to_string(rows.size() - 1) + " more";
  return {Status::Error("40001", message, detail + ".",
                        "Nothing was touched. agent_conflicts shows each of them; agent_rebase() "
                        "runs the migrations on the parent as it is now."),
          std::move(rows)};
}

}  // namespace

Flow<Result<ObjectMap>> ConflictReader::Definitions(Session &session, bool of_parent,
                                                    std::vector<std::string> objects) {
  ObjectMap definitions;
  for (size_t begin = 0; begin < objects.size(); begin += kMaxConflicts) {
    const size_t end = std::min(begin + kMaxConflicts, objects.size());
    const Project &project = context_->ProjectOf(session);
    BranchTask task;
    task.kind = BranchTaskKind::kDefinitions;
    task.sql = JsonList({objects.begin() + static_cast<std::ptrdiff_t>(begin),
                         objects.begin() + static_cast<std::ptrdiff_t>(end)});
    task.connection_key = of_parent ? project.parent_connection_key() : session.connection_key();
    task.uri = of_parent ? project.parent_uris.direct : session.uris.direct;
    BranchEvent event = co_await context_->Run(
        session, project, std::move(task),
        of_parent ? "definitions of the parent's objects" : "definitions of the branch's objects");
    if (event.outcome != BranchOutcome::kDone) co_return event.error;
    Result<ObjectMap> read = ReadObjectMap(event.answer);
    if (!read.ok()) co_return read.status();
    definitions.merge(*read);
  }
  co_return definitions;
}

Flow<> ConflictReader::AddDefinitions(Session &session, ObjectMap on_branch,
                                      std::vector<ConflictRow> *conflicts) {
  std::vector<std::string> objects;
  for (const ConflictRow &conflict : *conflicts)
    objects.push_back(conflict.object);
  std::vector<std::string> same = objects;
  Result<ObjectMap> of_branch = co_await Definitions(session, false, std::move(objects));
  Result<ObjectMap> of_parent = co_await Definitions(session, true, std::move(same));
  ObjectMap branch = of_branch.ok() ? std::move(*of_branch) : ObjectMap();
  ObjectMap parent = of_parent.ok() ? std::move(*of_parent) : ObjectMap();
  for (ConflictRow &conflict : *conflicts) {
    conflict.branch_definition = branch[conflict.object];
    conflict.parent_definition = parent[conflict.object];
    const auto hash = on_branch.find(conflict.object);
    const std::string branch_hash = hash == on_branch.end() ? std::string() : hash->second;
    if (conflict.base_hash.empty()) continue;
    if (conflict.base_hash == branch_hash) conflict.base_definition = conflict.branch_definition;
    if (conflict.base_hash == conflict.parent_hash)
      conflict.base_definition = conflict.parent_definition;
  }
}

Flow<Result<UsedNames>> ConflictReader::NamesUsed(Session &session, const WrittenRows *written,
                                                  std::vector<std::string> read,
                                                  const ObjectMap *on_parent) {
  // Functions that call functions: what lies deeper is not looked for.
  constexpr int kDeepest = 8;
  UsedNames names;
  for (const std::string &text : written->texts)
    names.Add(text, false);
  std::set<std::string> known(read.begin(), read.end());
  for (int depth = 0; depth < kDeepest && !read.empty(); ++depth) {
    std::vector<std::string> asked = std::move(read);
    Result<ObjectMap> definitions = co_await Definitions(session, true, std::move(asked));
    if (!definitions.ok()) co_return definitions.status();
    for (const auto &[object, text] : *definitions)
      names.Add(text, !IsWrittenBySomebody(object));
    read.clear();
    for (std::string &object : UsedByName(names, *on_parent))
      if (known.insert(object).second) read.push_back(std::move(object));
  }
  co_return names;
}

Flow<Result<std::vector<Dependence>>> ConflictReader::Acting(
    Session &session, const std::vector<ObjectDifference> *differences, bool by_branch,
    const WrittenRows *written, const std::set<std::string> *refilled, const ObjectMap *on_parent) {
  std::vector<std::string> read = UsedToRead(*differences, by_branch, *written, *on_parent);
  Result<UsedNames> used = co_await NamesUsed(session, written, std::move(read), on_parent);
  if (!used.ok()) co_return used.status();
  co_return FindActing(*differences, by_branch, *written, *refilled, *used);
}

Flow<Result<std::optional<MergeRefusal>>> ConflictReader::WeighDependences(
    Session &session, std::vector<ObjectDifference> differences, WrittenRows ours,
    WrittenRows theirs, ObjectMap on_parent) {
  const std::vector<std::string> columns = ChangedColumns(differences);
  std::vector<std::string> asked = columns;
  Result<ObjectMap> parent_columns = co_await Definitions(session, true, std::move(asked));
  if (!parent_columns.ok()) co_return parent_columns.status();
  asked = columns;
  Result<ObjectMap> branch_columns = co_await Definitions(session, false, std::move(asked));
  if (!branch_columns.ok()) co_return branch_columns.status();
  const std::set<std::string> retyped = FindRetyped(columns, *branch_columns, *parent_columns);
  asked = MayDepend(differences, true, retyped);
  Result<ObjectMap> branch = co_await Definitions(session, false, std::move(asked));
  if (!branch.ok()) co_return branch.status();
  asked = MayDepend(differences, false, retyped);
  Result<ObjectMap> parent = co_await Definitions(session, true, std::move(asked));
  if (!parent.ok()) co_return parent.status();
  std::vector<ConflictRow> uses =
      RowsOf(differences, FindDependences(differences, *branch, *parent, retyped));
  if (!uses.empty()) {
    co_return std::optional<MergeRefusal>(
        Refuse("what one side made uses what the other side changed", " uses ", std::move(uses)));
  }
  const std::set<std::string> refilled = FindRefilled(columns, *branch_columns, *parent_columns);
  Result<std::vector<Dependence>> acting =
      co_await Acting(session, &differences, false, &ours, &refilled, &on_parent);
  if (!acting.ok()) co_return acting.status();
  std::vector<ConflictRow> acts = RowsOf(differences, *acting);
  if (!acts.empty()) {
    co_return std::optional<MergeRefusal>(
        Refuse("what others changed acts on rows that the migrations wrote without it", " acts on ",
               std::move(acts)));
  }
  acting = co_await Acting(session, &differences, true, &theirs, &refilled, &on_parent);
  if (!acting.ok()) co_return acting.status();
  acts = RowsOf(differences, *acting);
  if (!acts.empty()) {
    co_return std::optional<MergeRefusal>(
        Refuse("what the session changed acts on rows that an earlier merge wrote without it",
               " acts on ", std::move(acts)));
  }
  co_return std::optional<MergeRefusal>();
}

}  // namespace agent_branch
