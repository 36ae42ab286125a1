// Whether a statement of the fix is one of the original's, but for what the errors seen license.
//
// The differences of their tokens propose edits of the original; those that a rule here gives leave
// to are made, all others are not; then the trees of both have to be equal. So whatever no rule
// knows may differ in how it is written, and in nothing else.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "worker/core/fixer/allowed_edits.hpp"
#include "worker/core/fixer/fix_facts.hpp"
#include "worker/core/fixer/sql_trees.hpp"
#include "worker/core/fixer/text_edits.hpp"

namespace agent_branch {

struct CheckedStatement {
  std::string text;
  ScriptStatement read;
  int number = 0;                    // in the original, from 1; 0: it was made of a part of one
  std::optional<size_t> error_byte;  // of `text`, where the original's error points to
};

// What all statements of a check are looked at with.
struct CheckScene {
  AllowedEdits allowed;
  FixFacts facts;
  SqlTrees *trees = nullptr;
  std::set<std::string> made;  // relations and types that the original makes, without schemas
  // Columns that the original gives to tables, by the table's name.
  std::map<std::string, std::set<std::string>> made_columns;
  // What it takes away, renames or changes, by last names; opaque: by a statement that may do
  // anything, so that what the facts say may not hold any more where a statement stands.
  std::set<std::string> disturbed;
  bool opaque = false;
  // Names without a schema may be of any.
  bool moved_path = false;
  size_t spent = 0;  // pairs of statements that were compared token by token
};

// "orders.total" → "total", and → "orders".
std::string LastPartOf(const std::string &object);
std::string OwnerPartOf(const std::string &object);

bool Repairs(const CheckedStatement &original, const CheckedStatement &fix, CheckScene *scene);

}  // namespace agent_branch
