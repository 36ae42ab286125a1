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

// Only the columns that everybody may read: the connection string is the superuser's.
std::string Subscriptions(int version) {
  return R"(
SELECT 'subscription', quote_ident(s.subname),
  ROW(s.subenabled, s.subslotname,
      (SELECT string_agg(p, ',' ORDER BY p COLLATE "C") FROM unnest(s.subpublications) p), )" +
         Since(version, 140000, "s.subbinary, s.substream, s.subsynccommit") + ", " +
         Since(version, 150000, "s.subtwophasestate <> 'd', s.subdisableonerr") + ", " +
         Since(version, 160000, "s.subpasswordrequired, s.subrunasowner, s.suborigin") + ", " +
         Since(version, 170000, "s.subfailover") + R"()::text,
  s.subowner, NULL::"char", NULL::aclitem[]
FROM pg_subscription s
WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))";
}

// A null acl would become the owner's default, but a row without privileges has an empty one.
std::string DefaultPrivileges() {
  return R"(
SELECT 'default privileges',
  concat_ws(' ', 'of', quote_ident(pg_get_userbyid(d.defaclrole)),
            'in ' || nullif(d.defaclnamespace, 0)::regnamespace::text, 'on', d.defaclobjtype),
  ''::text, NULL::oid, CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END::"char",
  d.defaclacl
FROM pg_default_acl d)";
}

// Privileges of the system's and the extensions' objects, where they are no longer what initdb or
// the extension's script gave; information_schema is made after initdb has taken note of these.
std::string ChangedPrivileges() {
  return R"(
SELECT 'privileges on', o.type || ' ' || o.identity,
  (SELECT string_agg(i, ' ' ORDER BY i COLLATE "C") FROM aclexplode(g.acl) x,
     concat_ws(' ', quote_ident(pg_get_userbyid(x.grantor)),
               CASE x.grantee WHEN 0 THEN 'PUBLIC'
                 ELSE quote_ident(pg_get_userbyid(x.grantee)) END,
               x.privilege_type, x.is_grantable) i),
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM (
  SELECT c.classid, c.objid, c.objsubid, coalesce(c.acl, acldefault(c.type, c.owner)) AS acl,
    coalesce(i.initprivs, acldefault(c.type, c.owner)) AS initial
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
  WHERE (c.acl IS NOT NULL OR i.objoid IS NOT NULL)
    AND (c.objid < 16384 OR (c.classid, c.objid) IN (SELECT classid, objid FROM member))
) g, pg_identify_object(g.classid, g.objid, g.objsubid) o
WHERE NOT (g.acl @> g.initial AND g.initial @> g.acl)
  AND coalesce(o.schema, o.name, '') <> 'information_schema')";
}

// On what the user made, and on the schema public; an extension's members bring their own.
std::string CommentsAndLabels() {
  return R"(
SELECT 'comment on', o.type || ' ' || o.identity, d.description,
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) o
WHERE (d.objoid >= 16384
       OR (d.classoid = 'pg_namespace'::regclass AND d.objoid = 2200))
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classoid AND m.objid = d.objoid)
  AND coalesce(o.schema, '') !~ '^pg_(temp|toast)'
UNION ALL
SELECT 'security label on', o.type || ' ' || o.identity, ROW(l.provider, l.label)::text,
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_seclabel l, pg_identify_object(l.classoid, l.objoid, l.objsubid) o
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = l.classoid AND m.objid = l.objoid)
UNION ALL
SELECT s.kind, CASE WHEN s.classoid = 'pg_database'::regclass THEN 'database'
                 ELSE 'role ' || quote_ident(pg_get_userbyid(s.objoid)) END,
  s.text, NULL::oid, NULL::"char", NULL::aclitem[]
FROM (SELECT 'comment on', classoid, objoid, description FROM pg_shdescription
      UNION ALL
      SELECT 'security label on', classoid, objoid, ROW(provider, label)::text FROM pg_shseclabel
     ) s (kind, classoid, objoid, text)
WHERE (s.classoid = 'pg_database'::regclass
       AND s.objoid = (SELECT oid FROM pg_database WHERE datname = current_database()))
   OR (s.classoid = 'pg_authid'::regclass AND pg_get_userbyid(s.objoid) !~ '^pg_'))";
}

// Everything but the name.
std::string Database(int version) {
  const std::string locale =
      Since(version, 170000, "d.datlocale", Since(version, 150000, "d.daticulocale").c_str());
  return R"(
SELECT 'database', NULL,
  ROW(pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, d.datconnlimit, d.datallowconn,
      d.datistemplate, (SELECT spcname FROM pg_tablespace WHERE oid = d.dattablespace), )" +
         Since(version, 150000, "d.datlocprovider") + ", " + locale + ", " +
         Since(version, 160000, "d.daticurules") + R"()::text, d.datdba, 'd'::"char", d.datacl
FROM pg_database d WHERE d.datname = current_database()
UNION ALL
SELECT 'settings', concat_ws(' ', 'of',
         CASE WHEN s.setrole <> 0 THEN 'role ' || quote_ident(pg_get_userbyid(s.setrole)) END,
         CASE WHEN s.setdatabase <> 0 THEN 'database' END),
  (SELECT string_agg(o, ',' ORDER BY o COLLATE "C") FROM unnest(s.setconfig) o))" +
         kNeither + R"(
FROM pg_db_role_setting s
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())))";
}

// Without passwords. Predefined roles are the server's, but not who is a member of them.
std::string Roles(int version) {
  return R"(
SELECT 'role', quote_ident(r.rolname),
  ROW(r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication,
      r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil)::text)" +
         std::string(kNeither) + R"(
FROM pg_roles r WHERE r.rolname !~ '^pg_'
UNION ALL
SELECT 'membership', format('of %I in %I', pg_get_userbyid(a.member), pg_get_userbyid(a.roleid)),
  ROW(pg_get_userbyid(a.grantor), a.admin_option, )" +
         Since(version, 160000, "a.inherit_option, a.set_option") + ")::text" + kNeither + R"(
FROM pg_auth_members a
WHERE pg_get_userbyid(a.member) !~ '^pg_' OR pg_get_userbyid(a.roleid) !~ '^pg_')" +
         Since(version, 150000, R"(
UNION ALL
SELECT 'parameter', p.parname, ''::text, 10::oid, 'p'::"char", p.paracl FROM pg_parameter_acl p)",
               "");
}

}  // namespace

std::string SurroundingParts(int version) {
  return Publications(version) + " UNION ALL " + Subscriptions(version) + " UNION ALL " +
         DefaultPrivileges() + " UNION ALL " + ChangedPrivileges() + " UNION ALL " +
         CommentsAndLabels() + " UNION ALL " + Database(version) + " UNION ALL " + Roles(version);
}

}  // namespace agent_branch
