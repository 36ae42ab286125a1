// Names in raw parse trees as text, quoted where SQL would want it.
//
// Plain reading of memory: nothing here calls anything of PostgreSQL that may raise.
#pragma once

#include <string>

#include "postgres/server.hpp"

namespace agent_branch {

std::string QuotedName(const char *name);
std::string NameOf(const RangeVar *relation);
// A list of strings: schema, name, column and so on.
std::string NameOf(const List *names);
std::string NameOf(const TypeName *type);
// Without the last name: a constraint's or a column's table.
std::string OwnerOf(const List *names);
// What DROP, ALTER … RENAME and COMMENT name, in whatever form its kind has; functions with the
// types of their arguments.
std::string NameOfObject(const Node *object);
// "table", "materialized view"; "object" for what has no name here.
const char *ObjectTypeName(ObjectType type);

}  // namespace agent_branch
