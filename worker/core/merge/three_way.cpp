#include "worker/core/merge/three_way.hpp"

#include <set>

#include "worker/core/base/json.hpp"

namespace agent_branch {
namespace {

constexpr std::string_view kOrderOfColumns = "order of columns of ";

std::string Text(const ObjectMap &objects, const std::string &key) {
  const auto at = objects.find(key);
  return at == objects.end() ? std::string() : at->second;
}

bool Has(const ObjectMap &objects, const std::string &key) {
  return objects.count(key) != 0;
}

// "an object of the other kind" of `key`: the relation that a column, an order of columns or grants
// name in full, and the one that a trigger, constraint, rule or policy names without its kind.
std::string OwnerOf(const std::string &key, const std::set<std::string> &dropped) {
  for (const std::string_view joint : {" of ", " on "}) {
    for (size_t at = key.find(joint); at != std::string::npos; at = key.find(joint, at + 1)) {
      std::string rest = key.substr(at + joint.size());
      const size_t to = key.rfind(" to ");
      const bool grants = key.rfind("grants on ", 0) == 0 && to > at && to != std::string::npos;
      if (grants) rest.resize(to - at - joint.size());
      if (dropped.count(rest) != 0) return rest;
      for (const char *kind : {"table ", "view ", "materialized view ", "foreign table "}) {
        if (dropped.count(kind + rest) != 0) return kind + rest;
      }
    }
  }
  return {};
}

std::set<std::string> Dropped(const ObjectMap &base, const ObjectMap &side) {
  std::set<std::string> dropped;
  for (const auto &[key, text] : base) {
    if (!Has(side, key)) dropped.insert(key);
  }
  return dropped;
}

ObjectChange ChangeOf(const ObjectMap &base, const ObjectMap &branch, const ObjectMap &parent,
                      const std::string &key) {
  const auto same = [&key](const ObjectMap &one, const ObjectMap &other) {
    return Has(one, key) == Has(other, key) && Text(one, key) == Text(other, key);
  };
  if (same(branch, parent)) return ObjectChange::kIdentical;
  if (same(base, parent)) return ObjectChange::kBranchOnly;
  if (same(base, branch)) return ObjectChange::kParentOnly;
  const bool order = key.compare(0, kOrderOfColumns.size(), kOrderOfColumns) == 0;
  return order ? ObjectChange::kOrder : ObjectChange::kConflict;
}

}  // namespace

Result<ObjectMap> ReadObjectMap(std::string_view json) {
  Result<JsonDocument> document = ParseJson(json);
  if (!document.ok()) return document.status();
  if (!document.value().IsObject()) return Status::Error("22P02", "objects are no JSON object");
  ObjectMap objects;
  for (const auto &member : document.value().GetObject()) {
    if (!member.value.IsString()) return Status::Error("22P02", "an object's text is no string");
    objects[std::string(member.name.GetString(), member.name.GetStringLength())] =
        std::string(member.value.GetString(), member.value.GetStringLength());
  }
  return objects;
}

bool AreComparable(const ObjectMap &one, const ObjectMap &other) {
  const std::string key(kFingerprintFormatKey);
  return Has(one, key) && Has(other, key) && Text(one, key) == Text(other, key);
}

std::vector<ObjectDifference> CompareThreeWays(const ObjectMap &base, const ObjectMap &branch,
                                               const ObjectMap &parent) {
  const std::set<std::string> dropped_by_branch = Dropped(base, branch);
  const std::set<std::string> dropped_by_parent = Dropped(base, parent);
  std::set<std::string> keys;
  for (const ObjectMap *side : {&base, &branch, &parent}) {
    for (const auto &[key, text] : *side)
      keys.insert(key);
  }
  std::vector<ObjectDifference> differences;
  for (const std::string &key : keys) {
    ObjectDifference found{key, ChangeOf(base, branch, parent, key), Text(base, key),
                           Text(branch, key), Text(parent, key)};
    const bool untouched = found.change == ObjectChange::kIdentical && Has(base, key) &&
                           Has(branch, key) && found.base == found.branch;
    if (untouched) continue;
    const bool loses_owner = (found.change == ObjectChange::kBranchOnly && Has(branch, key) &&
                              !OwnerOf(key, dropped_by_parent).empty()) ||
                             (found.change == ObjectChange::kParentOnly && Has(parent, key) &&
                              !OwnerOf(key, dropped_by_branch).empty());
    // Both dropped the part, and one of them with its whole: the other meant to keep that.
    const bool both_dropped = found.change == ObjectChange::kIdentical && !Has(branch, key);
    const bool one_dropped_whole = both_dropped && OwnerOf(key, dropped_by_branch).empty() !=
                                                       OwnerOf(key, dropped_by_parent).empty();
    if (loses_owner || one_dropped_whole) found.change = ObjectChange::kConflict;
    differences.push_back(std::move(found));
  }
  return differences;
}

bool HasConflict(const std::vector<ObjectDifference> &differences) {
  for (const ObjectDifference &difference : differences) {
    if (difference.change == ObjectChange::kConflict) return true;
  }
  return false;
}

}  // namespace agent_branch
