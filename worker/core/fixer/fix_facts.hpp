// What is on the branch of that which a migration and its fix name, as far as the check of the fix
// has to know it: which names exist, and what the objects are that a duplicate ran into.
//
// FixFactsExpression() makes the query, a branch answers with a JSON text, FixFacts reads it. What
// is not in it is not known to exist; a text that is none, or was cut short, is no knowledge at
// all, and then the check gives no leave that rests on it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/status.hpp"

namespace agent_branch {

struct RelationFacts {
  std::string schema;
  std::string name;
  std::string kind;  // as pg_class.relkind
  // By name; each as it would stand in CREATE TABLE. Only of relations that the texts name.
  std::map<std::string, std::string> columns;
  // A statement that makes the whole of it; empty where it is more than one statement makes.
  std::string definition;
};

struct FixFacts {
  bool known = false;  // and the lists of names are complete
  // Names without a schema are those of public, and constants are read as the standard has it.
  bool plain_path = false;
  bool plain_strings = false;
  std::vector<RelationFacts> relations;
  std::vector<std::string> types;
  std::map<std::string, std::vector<std::string>> enums;  // labels
  std::vector<std::string> schemas;
  std::vector<std::string> extensions;
  std::vector<std::string> functions;  // not PostgreSQL's own

  // Those of this name, in any schema; `name` may be qualified.
  std::vector<const RelationFacts *> Find(std::string_view name) const;
  bool HasType(std::string_view name) const;
  bool HasFunction(std::string_view name) const;
  bool HasSchema(std::string_view name) const;
  bool HasExtension(std::string_view name) const;
};

FixFacts ReadFixFacts(const std::string &json);

// For a query with search_path = pg_catalog. texts: the original and its fix.
std::string FixFactsExpression(const std::vector<std::string> &texts);

}  // namespace agent_branch
