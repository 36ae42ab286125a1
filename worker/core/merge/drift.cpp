#include "worker/core/merge/drift.hpp"

#include <map>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxName = 500;

ObjectMap ReadObjects(std::string_view json) {
  ObjectMap objects;
  Result<JsonDocument> document = ParseJson(json);
  if (!document.ok() || !document.value().IsObject()) return objects;
  for (const auto &member : document.value().GetObject()) {
    if (!member.value.IsString()) continue;
    std::string name(member.name.GetString(), member.name.GetStringLength());
    objects[CleanText(name, kMaxName)] =
        std::string(member.value.GetString(), member.value.GetStringLength());
  }
  return objects;
}

ConflictRow MakeRow(const std::string &object, const char *change, const std::string &base,
                    const std::string &parent) {
  ConflictRow row;
  row.object = object;
  row.change = change;
  row.base_hash = base;
  row.parent_hash = parent;
  return row;
}

}  // namespace

std::vector<ConflictRow> FindDrift(std::string_view base, std::string_view parent, size_t limit) {
  return FindDrift(ReadObjects(base), ReadObjects(parent), limit);
}

std::vector<ConflictRow> FindDrift(const ObjectMap &before, const ObjectMap &after, size_t limit) {
  std::map<std::string, ConflictRow> drift;
  for (const auto &[object, hash] : before) {
    auto now = after.find(object);
    if (now == after.end()) {
      drift.emplace(object, MakeRow(object, "dropped", hash, {}));
    } else if (now->second != hash) {
      drift.emplace(object, MakeRow(object, "changed", hash, now->second));
    }
  }
  for (const auto &[object, hash] : after) {
    if (before.count(object) == 0) drift.emplace(object, MakeRow(object, "added", {}, hash));
  }
  std::vector<ConflictRow> rows;
  for (const auto &[object, row] : drift) {
    if (rows.size() == limit) break;
    rows.push_back(row);
  }
  return rows;
}

std::string DescribeDrift(const std::vector<ConflictRow> &drift) {
  constexpr size_t kNamed = 3;
  std::string text;
  for (size_t n = 0; n < drift.size() && n < kNamed; ++n) {
    if (n > 0) text += ", ";
    text += drift[n].object + " " + drift[n].change;
  }
  if (drift.size() > kNamed) text += " and " + std::to_string(drift.size() - kNamed) + " more";
  return text;
}

}  // namespace agent_branch
