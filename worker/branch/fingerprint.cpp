#include "worker/branch/fingerprint.hpp"

#include "worker/branch/fingerprint_parts.hpp"

namespace agent_branch {
namespace {

// What has one kind and name is hashed together: a composite type is in two catalogs.
constexpr const char *kHashes = R"(
, described AS (
  SELECT kind || coalesce(' ' || identity, '') AS key,
         ROW(definition, pg_get_userbyid(owner),
             CASE WHEN acl_type IS NOT NULL THEN
               (SELECT string_agg(item, ' ' ORDER BY item COLLATE "C")
                FROM aclexplode(coalesce(acl, acldefault(acl_type, owner))) a,
                  concat_ws(' ', quote_ident(pg_get_userbyid(a.grantor)),
                            CASE a.grantee WHEN 0 THEN 'PUBLIC'
                              ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                            a.privilege_type, a.is_grantable) item)
             END)::text AS definition
  FROM object
), hashed AS (
  SELECT key, md5(string_agg(definition, ' ' ORDER BY definition COLLATE "C")) AS hash
  FROM described GROUP BY key
)
SELECT md5(coalesce(string_agg(key || ' ' || hash, chr(10) ORDER BY key COLLATE "C"), '')),
       coalesce(json_object_agg(key, hash ORDER BY key COLLATE "C")::text, '{}')
FROM hashed)";

}  // namespace

std::string FingerprintQuery(int server_version_num) {
  return "WITH member AS MATERIALIZED ("
         "SELECT classid, objid FROM pg_depend WHERE deptype = 'e'), "
         "object (kind, identity, definition, owner, acl_type, acl) AS (" +
         RelationParts(server_version_num) + " UNION ALL " + ObjectParts(server_version_num) +
         " UNION ALL " + SurroundingParts(server_version_num) + ")" + kHashes;
}

}  // namespace agent_branch
