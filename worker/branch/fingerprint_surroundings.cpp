#include "worker/branch/fingerprint_parts.hpp"

namespace agent_branch {
namespace {

constexpr const char *kNeither = R"(, NULL::oid, NULL::"char", NULL::aclitem[])";

// A column list is stored by numbers, in which dropped columns leave gaps.
std::string PublishedTables(int version) {
  if (version < 150000) {
    return "(SELECT string_agg(r.prrelid::regclass::text, ',' ORDER BY "
           "r.prrelid::regclass::text COLLATE \"C\") FROM pg_publication_rel r "
           "WHERE r.prpubid = p.oid), NULL";
  }
  return R"((SELECT string_agg(x, ',' ORDER BY x COLLATE "C") FROM pg_publication_rel r,
         concat_ws(' ', r.prrelid::regclass, pg_get_expr(r.prqual, r.prrelid),
           (SELECT 'columns ' || string_agg(quote_ident(a.attname), ',' ORDER BY a.attname)
            FROM pg_attribute a
            WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs))) x
       WHERE r.prpubid = p.oid),
      (SELECT string_agg(x, ',' ORDER BY x COLLATE "C") FROM pg_publication_namespace r,
         CAST(r.pnnspid::regnamespace AS text) x WHERE r.pnpubid = p.oid))";
}

std::string Publications(int version) {
  return R"(
SELECT 'publication', quote_ident(p.pubname),
  ROW(p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot, )" +
         Since(version, 180000, "p.pubgencols") + ", " + PublishedTables(version) + R"()::text,
  p.pubowner, NULL::"char", NULL::aclitem[]
FROM pg_publication p)";
}

std::string Subscriptions(int version) {
  return R"(
SELECT 'subscription', quote_ident(s.subname), ROW()" +
         SubscriptionColumns(version) + R"()::text,
  s.subowner, NULL::"char", NULL::aclitem[]
FROM pg_subscription s
WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))";
}

// Those of a schema add to the general ones, so that none at all is what there is without them.
std::string DefaultPrivileges() {
  return R"(
SELECT 'default privileges',
  concat_ws(' ', 'of', quote_ident(pg_get_userbyid(d.defaclrole)),
            'in ' || nullif(d.defaclnamespace, 0)::regnamespace::text, 'on', d.defaclobjtype),
  coalesce()" +
         AclText("d.defaclacl") + R"(, 'none'), NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_default_acl d WHERE pg_get_userbyid(d.defaclrole) !~ )" +
         kNeonRole;
}

// Privileges of the system's and the extensions' objects, where they are no longer what initdb or
// the extension's script gave; information_schema is made after initdb has taken note of these.
std::string ChangedPrivileges() {
  return R"(
SELECT 'privileges on', o.type || ' ' || o.identity,
  coalesce(g.now, 'none'),
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM (
  SELECT c.classid, c.objid, c.objsubid, )" +
         AclText("coalesce(c.acl, acldefault(c.type, c.owner))") + " AS now, " +
         AclText("coalesce(i.initprivs, acldefault(c.type, c.owner))") + R"( AS initial
  FROM (
    SELECT 'pg_class'::regclass::oid AS classid, oid AS objid, 0 AS objsubid, relacl AS acl,
      CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS type, relowner AS owner
    FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'f', 'S', 'p')
    UNION ALL
    SELECT 'pg_class'::regclass, a.attrelid, a.attnum, a.attacl, 'c', c.relowner
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, 0, proacl, 'f', proowner FROM pg_proc
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid, 0, nspacl, 'n', nspowner FROM pg_namespace
    WHERE oid <> 'public'::regnamespace
    UNION ALL
    SELECT 'pg_type'::regclass, oid, 0, typacl, 'T', typowner FROM pg_type
    UNION ALL
    SELECT 'pg_language'::regclass, oid, 0, lanacl, 'l', lanowner FROM pg_language
    UNION ALL
    SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, fdwacl, 'F', fdwowner
    FROM pg_foreign_data_wrapper
  ) c
  LEFT JOIN pg_init_privs i
    ON i.classoid = c.classid AND i.objoid = c.objid AND i.objsubid = c.objsubid
  WHERE c.acl IS DISTINCT FROM i.initprivs
    AND (c.objid < 16384 OR (c.classid, c.objid) IN (SELECT classid, objid FROM member))
) g, pg_identify_object(g.classid, g.objid, g.objsubid) o
WHERE g.now IS DISTINCT FROM g.initial
  AND coalesce(o.schema, o.name, '') <> 'information_schema')";
}

// On what the user made, and on the schema public; an extension's members bring their own. A
// comment outlives a subscription that is dropped, and is then on nothing.
std::string CommentsAndLabels() {
  return R"(
SELECT 'comment on', o.type || ' ' || o.identity, d.description,
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) o
WHERE (d.objoid >= 16384
       OR (d.classoid = 'pg_namespace'::regclass AND d.objoid = 2200))
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classoid AND m.objid = d.objoid)
  AND coalesce(o.schema, '') !~ '^pg_(temp|toast)' AND o.identity IS NOT NULL
  AND NOT EXISTS (
    SELECT FROM (SELECT 'pg_trigger'::regclass, oid, tgrelid FROM pg_trigger
                 UNION ALL SELECT 'pg_policy'::regclass, oid, polrelid FROM pg_policy
                 UNION ALL SELECT 'pg_rewrite'::regclass, oid, ev_class FROM pg_rewrite
                 UNION ALL SELECT 'pg_constraint'::regclass, oid, conrelid FROM pg_constraint
                ) part (classid, objid, relid) JOIN pg_class c ON c.oid = part.relid
    WHERE c.relpersistence = 't' AND part.classid = d.classoid AND part.objid = d.objoid)
UNION ALL
SELECT 'security label on', o.type || ' ' || o.identity, ROW(l.provider, l.label)::text,
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_seclabel l, pg_identify_object(l.classoid, l.objoid, l.objsubid) o
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = l.classoid AND m.objid = l.objoid))";
}

// ALTER ... DEPENDS ON EXTENSION: the object goes with the extension, but is none of its members.
constexpr const char *kDependences = R"(
SELECT 'dependence', format('of %s %s on extension %I', o.type, o.identity, e.extname), '',
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid,
  pg_identify_object(d.classid, d.objid, d.objsubid) o
WHERE d.deptype = 'x' AND d.refclassid = 'pg_extension'::regclass)";

}  // namespace

std::string SubscriptionColumns(int version) {
  return R"(s.subenabled, s.subslotname,
      (SELECT string_agg(p, ',' ORDER BY p COLLATE "C") FROM unnest(s.subpublications) p), )" +
         Since(version, 140000, "s.subbinary, s.substream") + ", s.subsynccommit, " +
         Since(version, 150000, "s.subtwophasestate <> 'd', s.subdisableonerr") + ", " +
         Since(version, 160000, "s.subpasswordrequired, s.subrunasowner, s.suborigin") + ", " +
         Since(version, 170000, "s.subfailover") + R"(,
      CASE WHEN has_column_privilege('pg_subscription', 'subconninfo', 'SELECT') THEN
        substring(query_to_xml('SELECT left(encode(sha256(convert_to(subconninfo, ''UTF8'')), ''hex''), 8) AS d '
          || 'FROM pg_catalog.pg_subscription WHERE oid = ' || s.oid, false, true, '')::text
          FROM '<d>(.*)</d>') END)";
}

std::vector<FingerprintPart> SurroundingParts(int version) {
  return {{Publications(version)}, {Subscriptions(version)}, {DefaultPrivileges()},
          {ChangedPrivileges()},   {CommentsAndLabels()},    {kDependences}};
}

}  // namespace agent_branch
