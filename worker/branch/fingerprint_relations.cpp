#include "worker/branch/fingerprint_parts.hpp"

namespace agent_branch {
namespace {

// In their order, but without their numbers: a dropped column leaves a gap that means nothing.
// Servers with the corrections of late 2026 keep a version among a column's options, the reserved
// ATTRIBUTE_VERSION_ATTOPTION of pg_attribute.h, which pg_dump leaves out as well.
// Types of table columns and of composite types' attributes are the same thing.
std::string ColumnsOf(int version) {
  return R"((
    SELECT string_agg(
      ROW(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
          a.attgenerated, a.attstorage, )" +
         Since(version, 140000, "a.attcompression") + R"(,
          CASE WHEN a.attcollation <> 0 THEN a.attcollation::regcollation END,
          coalesce(a.attstattarget, -1), a.attislocal, a.attinhcount,
          (SELECT string_agg(o, ',' ORDER BY o COLLATE "C") FROM unnest(a.attoptions) o
           WHERE left(o, 10) <> 'pg_attver='),
          (SELECT string_agg(o, ',' ORDER BY o COLLATE "C") FROM unnest(a.attfdwoptions) o),
          pg_get_expr(d.adbin, d.adrelid),
          CASE WHEN a.attacl IS NOT NULL THEN
            (SELECT string_agg(i, ' ' ORDER BY i COLLATE "C")
             FROM aclexplode(a.attacl) x,
               concat_ws(' ', quote_ident(pg_get_userbyid(x.grantor)),
                         CASE x.grantee WHEN 0 THEN 'PUBLIC'
                           ELSE quote_ident(pg_get_userbyid(x.grantee)) END,
                         x.privilege_type, x.is_grantable) i)
          END)::text, ',' ORDER BY a.attnum)
    FROM pg_attribute a
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))";
}

// For views the text of pg_get_viewdef, for partitions their bounds, for foreign tables their
// server: whatever does not apply is null.
std::string Tables(int version) {
  return R"(
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
         WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END,
  c.oid::regclass::text,
  ROW(c.relkind, c.relpersistence, c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
      (SELECT string_agg(o, ',' ORDER BY o COLLATE "C") FROM unnest(c.reloptions) o),
      (SELECT string_agg(o, ',' ORDER BY o COLLATE "C")
       FROM pg_class t, unnest(t.reloptions) o WHERE t.oid = c.reltoastrelid),
      (SELECT amname FROM pg_am WHERE oid = c.relam),
      (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
      CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END,
      CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
      CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
      (SELECT string_agg(ROW(i.inhparent::regclass, )" +
         Since(version, 140000, "i.inhdetachpending") + R"()::text, ',' ORDER BY i.inhseqno)
       FROM pg_inherits i WHERE i.inhrelid = c.oid),
      CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
      CASE WHEN c.relkind = 'm' THEN c.relispopulated END,
      (SELECT ROW(s.srvname,
                  (SELECT string_agg(o, ',' ORDER BY o COLLATE "C") FROM unnest(f.ftoptions) o))
       FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver
       WHERE f.ftrelid = c.oid), )" +
         ColumnsOf(version) + R"()::text,
  c.relowner, CASE WHEN c.relkind <> 'c' THEN 'r'::"char" END, c.relacl
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND )" +
         kUserSchema + R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass
                  AND m.objid = c.reltype AND c.relkind = 'c'))";
}

// What a sequence is, not where it stands.
std::string Sequences() {
  return R"(
SELECT 'sequence', c.oid::regclass::text,
  ROW(c.relpersistence, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax,
      s.seqmin, s.seqcache, s.seqcycle,
      (SELECT string_agg(ROW(d.deptype, d.refobjid::regclass, a.attname)::text, ',')
       FROM pg_depend d
       JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
       WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
         AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')))::text,
  c.relowner, 's'::"char", c.relacl
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE )" +
         std::string(kUserSchema) +
         R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid))";
}

std::string Indexes() {
  return R"(
SELECT 'index', c.oid::regclass::text,
  ROW(pg_get_indexdef(c.oid), x.indisvalid, x.indisclustered, x.indisreplident,
      (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
      (SELECT string_agg(i.inhparent::regclass::text, ',') FROM pg_inherits i
       WHERE i.inhrelid = c.oid),
      (SELECT string_agg(ROW(a.attnum, a.attstattarget)::text, ',' ORDER BY a.attnum)
       FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0))::text,
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE )" +
         std::string(kUserSchema) +
         R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass
                  AND m.objid = x.indrelid))";
}

// A constraint trigger is described as a trigger. The triggers that carry a foreign key out have
// names with numbers in them, and matter only when somebody has disabled them.
std::string Constraints() {
  return R"(
SELECT 'constraint',
  quote_ident(k.conname) || ' on ' ||
    CASE WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text
      ELSE 'domain ' || format_type(k.contypid, NULL) END,
  ROW(pg_get_constraintdef(k.oid), k.contype, k.convalidated, k.condeferrable, k.condeferred,
      k.conislocal, k.coninhcount, k.connoinherit,
      CASE WHEN k.contype = 'f' THEN
        (SELECT string_agg(ROW(t.tgtype, t.tgenabled)::text, ',' ORDER BY t.tgtype, t.tgenabled)
         FROM pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O')
      END)::text,
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
WHERE k.contype <> 't' AND )" +
         std::string(kUserSchema) + R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass
                  AND m.objid = k.conrelid)
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass
                  AND m.objid = k.contypid))";
}

std::string TriggersRulesPolicies() {
  return R"(
SELECT 'trigger', quote_ident(t.tgname) || ' on ' || c.oid::regclass,
  ROW(pg_get_triggerdef(t.oid), t.tgenabled, t.tgparentid <> 0)::text,
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND )" +
         std::string(kUserSchema) + R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_trigger'::regclass AND m.objid = t.oid)
UNION ALL
SELECT 'rule', quote_ident(r.rulename) || ' on ' || c.oid::regclass,
  ROW(pg_get_ruledef(r.oid), r.ev_enabled)::text, NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN' AND )" +
         kUserSchema + R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_rewrite'::regclass AND m.objid = r.oid)
UNION ALL
SELECT 'policy', quote_ident(p.polname) || ' on ' || c.oid::regclass,
  ROW(p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid),
      pg_get_expr(p.polwithcheck, p.polrelid),
      (SELECT string_agg(name, ',' ORDER BY name COLLATE "C") FROM unnest(p.polroles) r,
         concat(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END) name))::text,
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE )" +
         kUserSchema +
         R"(
UNION ALL
SELECT 'statistics', format('%I.%I', n.nspname, s.stxname),
  ROW(pg_get_statisticsobjdef(s.oid), coalesce(s.stxstattarget, -1))::text,
  s.stxowner, NULL::"char", NULL::aclitem[]
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE )" +
         kUserSchema +
         R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_statistic_ext'::regclass
                  AND m.objid = s.oid))";
}

}  // namespace

std::string RelationParts(int version) {
  return Tables(version) + " UNION ALL " + Sequences() + " UNION ALL " + Indexes() + " UNION ALL " +
         Constraints() + " UNION ALL " + TriggersRulesPolicies();
}

}  // namespace agent_branch
