#include "worker/branch/fingerprint.hpp"

#include <utility>

#include "worker/branch/fingerprint_parts.hpp"
#include "worker/branch/look_query.hpp"

namespace agent_branch {
namespace {

// Objects in one row of an answer: about two megabytes, at most sixteen for the longest names.
constexpr const char *kObjectsInPage = "20000";

// Whoever has other privileges than an object of this kind and owner begins with: "grants on table
// public.t to app". A default that was taken away is "none".
std::string Grants() {
  return std::string(R"(
, grants AS (
  SELECT 'grants on ' || kind || coalesce(' ' || identity, '') || ' to ' ||
           CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END
           AS key,
         coalesce(g.now, 'none') AS definition
  FROM object o, LATERAL (
    SELECT i.grantee,
      string_agg(i.item, ', ' ORDER BY i.item COLLATE "C") FILTER (WHERE i.is_now) AS now,
      string_agg(i.item, ', ' ORDER BY i.item COLLATE "C") FILTER (WHERE NOT i.is_now) AS initial
    FROM (SELECT x.grantee, is_now,
            concat(x.privilege_type, CASE WHEN x.is_grantable THEN ' with grant option' END,
                   ' by ', quote_ident(pg_get_userbyid(x.grantor))) AS item
          FROM (SELECT true AS is_now, o.acl AS acl
                UNION ALL SELECT false, acldefault(o.acl_type, o.owner)) a, aclexplode(a.acl) x) i
    GROUP BY i.grantee) g
  WHERE o.acl IS NOT NULL AND o.acl_type IS NOT NULL AND g.now IS DISTINCT FROM g.initial
    AND pg_get_userbyid(g.grantee) !~ )") +
         kNeonRole + ")";
}

std::vector<FingerprintPart> Parts(int version) {
  std::vector<FingerprintPart> parts;
  for (std::vector<FingerprintPart> some :
       {TableParts(version), RelationParts(), ObjectParts(version), SurroundingParts(version),
        ClusterParts(version)}) {
    for (FingerprintPart &part : some)
      parts.push_back(std::move(part));
  }
  return parts;
}

// Definitions by key. What has one kind and name is described together: a composite type is in two
// catalogs, and a membership may have been granted twice.
std::string Described(const FingerprintPart &part) {
  return "WITH member AS MATERIALIZED ("
         "SELECT classid, objid FROM pg_depend WHERE deptype = 'e'), "
         "object (kind, identity, definition, owner, acl_type, acl) AS MATERIALIZED (" +
         part.selects + ")" + (part.has_privileges ? Grants() : "") + R"(
, described AS (
  SELECT key, string_agg(definition, '; ' ORDER BY definition COLLATE "C") AS definition
  FROM (SELECT kind || coalesce(' ' || identity, '') AS key,
               concat_ws(' ', nullif(definition, ''),
                         'owner ' || quote_ident(pg_get_userbyid(owner))) AS definition
        FROM object)" +
         (part.has_privileges ? " UNION ALL SELECT key, definition FROM grants" : "") +
         ") parts GROUP BY key)";
}

}  // namespace

std::vector<std::string> FingerprintStatements(int server_version_num) {
  std::vector<std::string> statements;
  for (const FingerprintPart &part : Parts(server_version_num)) {
    statements.push_back(Described(part) + R"(
SELECT json_object_agg(key, hash)::text
FROM (SELECT key, md5(definition) AS hash, (row_number() OVER () - 1) / )" +
                         kObjectsInPage + R"( AS page FROM described) hashed GROUP BY page)");
  }
  return statements;
}

std::string DefinitionsQuery(int server_version_num, const std::string &keys) {
  std::string all;
  for (const FingerprintPart &part : Parts(server_version_num))
    all += (all.empty() ? "" : " UNION ALL ") + part.selects;
  return Described({all, true}) + R"(
SELECT coalesce(json_object_agg(key, left(definition, 8000) ORDER BY key COLLATE "C"), '{}')::text
FROM described
WHERE key IN (SELECT jsonb_array_elements_text()" +
         Literal(keys) + "::jsonb))";
}

}  // namespace agent_branch
