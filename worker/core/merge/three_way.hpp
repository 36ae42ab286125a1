// Three descriptions of a schema, object by object: what each side changed, and whether both can
// be.
//
// The descriptions are what branch/ makes: JSON objects, "kind identity" → hash, or → definition
// where somebody is to read them. Nothing is known here of what depends on what: two objects that
// pass may still not go together, and only running the one side's changes on the other tells.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/status.hpp"

namespace agent_branch {

// An object of every description, so that one of another form is known: no object of the two would
// be equal. Earlier descriptions (0.1.0) have none.
inline constexpr std::string_view kFingerprintFormatKey = "fingerprint";
inline constexpr std::string_view kFingerprintFormat = "0.2";

using ObjectMap = std::map<std::string, std::string>;

// Fails with 22P02 when the text is no JSON object of texts.
Result<ObjectMap> ReadObjectMap(std::string_view json);

// Whether a difference between the two says anything: both are of one form.
bool AreComparable(const ObjectMap &one, const ObjectMap &other);

enum class ObjectChange {
  kBranchOnly,  // only the branch changed it
  kParentOnly,
  kIdentical,  // both did the same
  kOrder,      // the order of a table's columns, which both changed: never a conflict by itself
  kConflict,   // both changed it, differently
};

struct ObjectDifference {
  std::string object;
  ObjectChange change = ObjectChange::kConflict;
  // Empty where there is no such object.
  std::string base;
  std::string branch;
  std::string parent;

  bool operator==(const ObjectDifference &other) const = default;
};

// Every object that one side or both changed, in the order of their keys.
//
// An object that one side dropped takes what is its part with it: where the other side changed such
// a part ("column a of table public.t" of a dropped table, "index public.i" says no table and is
// left to the trial), that part is a conflict although only one side has touched it.
std::vector<ObjectDifference> CompareThreeWays(const ObjectMap &base, const ObjectMap &branch,
                                               const ObjectMap &parent);

bool HasConflict(const std::vector<ObjectDifference> &differences);

}  // namespace agent_branch
