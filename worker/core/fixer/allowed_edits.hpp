// What the errors seen give a fix leave to change.
//
// A fix does what the original did and nothing else; but to mend an error it has to change
// something. What that may be follows from the errors alone: from their SQLSTATEs, and from the
// names and values that their messages quote. That a role does not exist gives leave to nothing.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

struct MissingName {
  enum class Kind { kColumn, kRelation, kType, kFunction, kSchema };
  Kind kind = Kind::kColumn;
  std::string name;       // without its schema or table
  std::string qualifier;  // as the message has it
  bool first = false;     // the original's own error said so, not that of an earlier fix
};

struct UnreadConstant {
  std::string value;
  std::string enum_type;  // where it is no label of it
  bool first = false;
};

struct MissingOperator {
  std::string left;  // types
  std::string right;
  bool first = false;
};

struct NullColumn {
  std::string column;
  std::string table;  // without its schema; empty: not said
};

struct AllowedEdits {
  std::vector<MissingName> names;
  std::vector<UnreadConstant> constants;
  std::vector<MissingOperator> operators;
  std::vector<NullColumn> nulls;
  std::set<std::string> uncast_columns;  // "cannot be cast automatically"
  std::set<std::string> dependents;      // objects that depend on what is to be changed
  std::set<std::string> not_found;  // types, functions, operator classes: any of an extension's
  bool duplicate = false;           // something exists already
  bool missing_object = false;      // something is not there that may be made, or comes later
  bool column_as_default = false;   // DEFAULT "text", which is a column's name

  bool IsNull(const std::string &table, const std::string &column) const;
};

// errors: of the original, and of the fixes that were run in its place.
AllowedEdits AllowedEditsFor(const std::vector<ServerError> &errors);

}  // namespace agent_branch
