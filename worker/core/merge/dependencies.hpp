// What one side made that uses what the other side changed or dropped: each may pass by itself, and
// together they are broken, or say something else than was tested.
//
// PostgreSQL refuses most of it when it is run: a column that a view uses cannot be dropped. It
// does not look into the bodies of SQL and PL/pgSQL functions. So the definitions of what one side
// added or changed, bodies included, are read for the names of what the other side has changed.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/merge/three_way.hpp"
#include "worker/core/merge/used_names.hpp"

namespace agent_branch {

struct Dependence {
  std::string object;  // that one side made or changed
  std::string on;      // what the other side changed or dropped

  bool operator==(const Dependence &other) const = default;
};

// The objects whose definitions FindDependences() needs, of the branch or of the parent: none where
// the other side changed nothing that could be used.
std::vector<std::string> MayDepend(const std::vector<ObjectDifference> &differences, bool of_branch,
                                   const std::set<std::string> &retyped = {});

// definitions: object → what it says there, for people and for this; what is missing depends on
// nothing.
std::vector<Dependence> FindDependences(const std::vector<ObjectDifference> &differences,
                                        const ObjectMap &branch_definitions,
                                        const ObjectMap &parent_definitions,
                                        const std::set<std::string> &retyped = {});

// Whether the definition of the object has a text in which the server does not qualify names.
bool IsWrittenBySomebody(std::string_view object);

// Columns of tables that are there on both sides, and that one side has changed; and of these, by
// the definitions that both sides have of them, those that have another type now. Others' policies,
// triggers, rules and generated columns keep PostgreSQL from changing that.
std::vector<std::string> ChangedColumns(const std::vector<ObjectDifference> &differences);
std::set<std::string> FindRetyped(const std::vector<std::string> &columns, const ObjectMap &branch,
                                  const ObjectMap &parent);

}  // namespace agent_branch
