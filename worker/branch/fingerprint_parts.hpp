// The parts of the fingerprint: each is one or more SELECTs, joined by UNION ALL, of
//
//   kind text, identity text, definition text, owner oid, acl_type "char", acl aclitem[]
//
// owner is null for what has none, acl_type for what has no privileges. The statement of a part
// adds the owner's name to the definition, and makes an object of each grantee's privileges, where
// they are not the default. Each part is a statement of its own: the server analyzes and plans
// twenty small ones in a fraction of the time that it takes for their union. What has one kind and
// name in two catalogs, as a composite type has, is in one part. `member`, which all of them may
// use, holds the objects that belong to an extension: these are described by its version. A
// definition is for people too (agent_conflicts shows it), so its parts say what they are; no
// secret is in it, only a digest of one. All names of catalogs and functions are found in
// pg_catalog, by the transaction's search_path.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace agent_branch {

struct FingerprintPart {
  FingerprintPart(std::string text, bool privileges = false)
      : selects(std::move(text)), has_privileges(privileges) {}
  std::string selects;
  bool has_privileges;  // acl_type is not null everywhere
};

// `text` on servers from `first` on, else `otherwise`: for columns that older ones do not have.
inline std::string Since(int version, int first, const char *text, const char *otherwise = "NULL") {
  return version >= first ? text : otherwise;
}

// Tables, views, foreign tables and types; their columns.
std::vector<FingerprintPart> TableParts(int version);
// Sequences, indexes, constraints, triggers, rules, policies, statistics.
std::vector<FingerprintPart> RelationParts();
// Schemas, functions, operators and what is made of them, languages, extensions, servers.
std::vector<FingerprintPart> ObjectParts(int version);
// Publications, subscriptions, default privileges, changed privileges of the system's objects,
// comments, labels, objects that depend on an extension.
std::vector<FingerprintPart> SurroundingParts(int version);
// What all databases of the branch share: the databases, roles, passwords, settings, parameters;
// and this one's large objects.
std::vector<FingerprintPart> ClusterParts(int version);

// Enums, domains, ranges, base types and shells, and what a composite type is by itself: for the
// part of the tables.
std::string Types(int version);
// Of a subscription in `s` everything but its name and owner: columns of a ROW. Of the connection
// string, which is the superuser's, a digest where it can be read.
std::string SubscriptionColumns(int version);

// Schemas whose objects are the user's own, for a WHERE clause on pg_namespace n.
inline constexpr const char *kUserSchema =
    "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

// Roles that Neon's compute makes and grants to as it starts: nobody changed them, and a branch's
// new compute may be of another release than its parent's. And those of sessions, which are taken
// from a branch before a restore, whoever made them.
inline constexpr const char *kNeonRole =
    "'^(neon_superuser|neon_service|cloud_admin|zenith_admin|agent_branch_session_[0-9a-f]{32})$'";

// The role that reads a parent, as it is made and as long as it can do no more: it may be made
// while there are branches that do not have it.
inline constexpr const char *kReaderRole = "'^agent_branch_reader_[0-9a-f]{32}$'";

// Something that differs when the password of a role in `roles`, which is pg_roles, was set anew,
// where the catalog can be read. A table that may not be read is an error even where it is not
// reached, and query_to_xml() keeps it out of this query. 32 bits of a digest notice a change, and
// are no help to somebody who tries passwords out.
inline std::string PasswordMark(const std::string &roles) {
  return "CASE WHEN has_table_privilege('pg_authid', 'SELECT') THEN coalesce(substring("
         "query_to_xml('SELECT left(encode(sha256(convert_to(rolpassword, ''UTF8'')), ''hex''), 8) "
         "AS d FROM pg_catalog.pg_authid WHERE oid = ' || " +
         roles + ".oid, false, true, '')::text FROM '<d>(.*)</d>'), 'none') END";
}

// The next transaction id as int8, without one being assigned: xid8 knows the epoch, age() the
// exact number.
inline constexpr const char *kNextXid =
    "(SELECT x + ((age('3'::xid)::int8 + 3 - x) & 4294967295) "
    "FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8 AS x) AS newest)";

// The items of an acl in one order.
inline std::string AclText(const std::string &acl) {
  return "(SELECT string_agg(item, ', ' ORDER BY item COLLATE \"C\") FROM aclexplode(" + acl +
         ") x, concat(x.privilege_type, CASE WHEN x.is_grantable THEN ' with grant option' END, "
         "' to ', CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) "
         "END, ' by ', quote_ident(pg_get_userbyid(x.grantor))) AS item "
         "WHERE pg_get_userbyid(x.grantee) !~ " +
         kNeonRole + ")";
}

inline std::string SortedOptions(const std::string &column) {
  return "(SELECT string_agg(o, ', ' ORDER BY o COLLATE \"C\") FROM unnest(" + column + ") o)";
}

// 'word value', or null where there is no value.
inline std::string Labelled(const std::string &word, const std::string &value) {
  return "'" + word + " ' || " + value;
}

}  // namespace agent_branch
