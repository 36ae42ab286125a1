// The parts of the fingerprint's query: each is one or more SELECTs, joined by UNION ALL, of
//
//   kind text, identity text, definition text, owner oid, acl_type "char", acl aclitem[]
//
// owner is null for what has none, acl_type for what has no privileges. The query puts names in
// the place of the owner, and the default in the place of a null acl. `member`, which all of them
// may use, holds the objects that belong to an extension: these are described by its version.
// All names of catalogs and functions are found in pg_catalog, by the transaction's search_path.
#pragma once

#include <string>

namespace agent_branch {

// `text` on servers from `first` on, else `otherwise`: for columns that older ones do not have.
inline std::string Since(int version, int first, const char *text, const char *otherwise = "NULL") {
  return version >= first ? text : otherwise;
}

// Tables, views, sequences, foreign tables and their columns; indexes, constraints, triggers,
// rules, policies, statistics.
std::string RelationParts(int version);
// Schemas, functions, types, operators and what is made of them, languages, extensions, servers.
std::string ObjectParts(int version);
// Publications, subscriptions, default privileges, changed privileges of the system's objects,
// comments, labels, the database itself, roles.
std::string SurroundingParts(int version);

// Schemas whose objects are the user's own, for a WHERE clause on pg_namespace n.
inline constexpr const char *kUserSchema =
    "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

}  // namespace agent_branch
