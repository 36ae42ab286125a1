#include "worker/branch/fingerprint_parts.hpp"

namespace agent_branch {
namespace {

constexpr const char *kWordOfKind =
    "CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' "
    "WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END";

// Relations of the user's own that have columns, and a composite type that is no extension's.
std::string Relations() {
  return R"( pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND )" +
         std::string(kUserSchema) + R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass
                  AND m.objid = c.reltype AND c.relkind = 'c'))";
}

// Servers with the corrections of late 2026 keep a version among a column's options, the reserved
// ATTRIBUTE_VERSION_ATTOPTION of pg_attribute.h, which pg_dump leaves out as well.
// Types of table columns and of composite types' attributes are the same thing.
std::string Columns(int version) {
  return "SELECT 'column', quote_ident(a.attname) || ' of ' || " + std::string(kWordOfKind) +
         R"( || ' ' || c.oid::regclass,
  concat_ws(' ', format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> 0 THEN 'collate ' || a.attcollation::regcollation END,
    CASE WHEN a.attnotnull THEN 'not null' END,
    'identity ' || nullif(a.attidentity::text, ''), 'generated ' || nullif(a.attgenerated::text, ''),
    'default ' || pg_get_expr(d.adbin, d.adrelid),
    'storage ' || a.attstorage::text, )" +
         Since(version, 140000, "'compression ' || nullif(a.attcompression::text, '')") + R"(,
    'statistics ' || nullif(coalesce(a.attstattarget, -1), -1),
    CASE WHEN NOT a.attislocal THEN 'not local' END, 'inherited ' || nullif(a.attinhcount, 0),
    'options (' || (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(a.attoptions) o
                    WHERE left(o, 10) <> 'pg_attver=') || ')',
    'foreign options (' || )" +
         SortedOptions("a.attfdwoptions") + R"( || ')'),
  NULL::oid, CASE WHEN a.attacl IS NOT NULL THEN 'c'::"char" END, a.attacl
FROM pg_attribute a JOIN (SELECT c.oid, c.relkind FROM)" +
         Relations() + R"() c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped)";
}

// By name, without the numbers: a dropped column leaves a gap that means nothing.
std::string OrderOfColumns() {
  return "SELECT 'order of columns', 'of ' || " + std::string(kWordOfKind) +
         R"( || ' ' || c.oid::regclass, o.names, NULL::oid, NULL::"char", NULL::aclitem[]
FROM (SELECT c.oid, c.relkind FROM)" +
         Relations() + R"() c JOIN (
  SELECT attrelid, string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS names
  FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped GROUP BY attrelid
) o ON o.attrelid = c.oid)";
}

std::string Tables(int version) {
  return "SELECT " + std::string(kWordOfKind) + R"(, c.oid::regclass::text,
  concat_ws(' ', 'kind ' || c.relkind::text, 'persistence ' || c.relpersistence::text,
    'replica identity ' || c.relreplident::text,
    CASE WHEN c.relrowsecurity THEN 'row security' END,
    CASE WHEN c.relforcerowsecurity THEN 'force row security' END,
    'with (' || )" +
         SortedOptions("c.reloptions") + R"( || ')',
    'toast with (' || (SELECT )" +
         SortedOptions("t.reloptions") + R"( FROM pg_class t WHERE t.oid = c.reltoastrelid) || ')',
    'access method ' || (SELECT amname FROM pg_am WHERE oid = c.relam),
    'tablespace ' || (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
    CASE WHEN c.reloftype <> 0 THEN 'of ' || format_type(c.reloftype, NULL) END,
    CASE WHEN c.relkind = 'p' THEN 'partition by ' || pg_get_partkeydef(c.oid) END,
    CASE WHEN c.relispartition THEN 'partition ' || pg_get_expr(c.relpartbound, c.oid) END,
    'inherits ' || (SELECT string_agg(concat(i.inhparent::regclass, )" +
         Since(version, 140000, "CASE WHEN i.inhdetachpending THEN ' (being detached)' END") +
         R"(), ', ' ORDER BY i.inhseqno)
       FROM pg_inherits i WHERE i.inhrelid = c.oid),
    CASE WHEN c.relkind IN ('v', 'm') THEN 'as ' || pg_get_viewdef(c.oid) END,
    (SELECT concat_ws(' ', 'server ' || quote_ident(s.srvname), 'options (' || )" +
         SortedOptions("f.ftoptions") + R"( || ')')
       FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver
       WHERE f.ftrelid = c.oid)),
  c.relowner, CASE WHEN c.relkind <> 'c' THEN 'r'::"char" END, c.relacl
FROM)" + Relations();
}

}  // namespace

std::vector<FingerprintPart> TableParts(int version) {
  return {{Tables(version) + " UNION ALL " + Types(version), true},
          {Columns(version), true},
          {OrderOfColumns()}};
}

}  // namespace agent_branch
