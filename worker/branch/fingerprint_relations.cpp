#include "worker/branch/fingerprint_parts.hpp"

namespace agent_branch {
namespace {

// What a sequence is, not where it stands.
std::string Sequences() {
  return R"(
SELECT 'sequence', c.oid::regclass::text,
  concat_ws(' ', 'persistence', c.relpersistence, 'as', format_type(s.seqtypid, NULL),
      'start', s.seqstart, 'increment', s.seqincrement, 'maxvalue', s.seqmax,
      'minvalue', s.seqmin, 'cache', s.seqcache, CASE WHEN s.seqcycle THEN 'cycle' END,
      'owned by ' || (SELECT string_agg(concat_ws(' ', d.deptype, d.refobjid::regclass,
                                                  quote_ident(a.attname)), ', ')
       FROM pg_depend d
       JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
       WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
         AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))),
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
  concat_ws(' ', pg_get_indexdef(c.oid),
      CASE WHEN NOT x.indisvalid THEN 'invalid' END,
      CASE WHEN x.indisclustered THEN 'clustered' END,
      CASE WHEN x.indisreplident THEN 'replica identity' END,
      'tablespace ' || (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
      'attached to ' || (SELECT string_agg(i.inhparent::regclass::text, ', ') FROM pg_inherits i
                         WHERE i.inhrelid = c.oid),
      'statistics ' || (SELECT string_agg(concat(a.attnum, '=', a.attstattarget), ', '
                                          ORDER BY a.attnum)
       FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0)),
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
// names with numbers in them, and matter only when somebody has disabled them. So have the parts of
// a foreign key to a partitioned table, one for each partition in the order in which they came.
// Whether a key may be inherited depends on whether its partition was made or attached.
std::string Constraints() {
  return R"(
SELECT 'constraint',
  quote_ident(k.conname) || ' on ' ||
    CASE WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text
      ELSE 'domain ' || format_type(k.contypid, NULL) END,
  concat_ws(' ', pg_get_constraintdef(k.oid), 'kind ' || k.contype::text,
      CASE WHEN NOT k.convalidated THEN 'not validated' END,
      CASE WHEN k.condeferrable THEN 'deferrable' END,
      CASE WHEN k.condeferred THEN 'deferred' END,
      CASE WHEN NOT k.conislocal THEN 'not local' END, 'inherited ' || nullif(k.coninhcount, 0),
      CASE WHEN k.connoinherit AND k.contype IN ('c', 'n') THEN 'no inherit' END,
      CASE WHEN k.contype = 'f' THEN
        'triggers set ' || (SELECT string_agg(concat_ws(' ', t.tgtype, t.tgenabled), ', '
                                              ORDER BY t.tgtype, t.tgenabled)
         FROM pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O')
      END),
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
WHERE k.contype <> 't'
  AND NOT (k.contype = 'f' AND k.conparentid <> 0
           AND EXISTS (SELECT FROM pg_constraint whole
                       WHERE whole.oid = k.conparentid AND whole.conrelid = k.conrelid))
  AND )" +
         std::string(kUserSchema) + R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass
                  AND m.objid = k.conrelid)
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass
                  AND m.objid = k.contypid))";
}

std::string TriggersRulesPolicies() {
  return R"(
SELECT 'trigger', quote_ident(t.tgname) || ' on ' || c.oid::regclass,
  concat_ws(' ', pg_get_triggerdef(t.oid), 'enabled ' || nullif(t.tgenabled::text, 'O'),
      CASE WHEN t.tgparentid <> 0 THEN 'of the partitioned table' END),
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND )" +
         std::string(kUserSchema) + R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_trigger'::regclass AND m.objid = t.oid)
UNION ALL
SELECT 'rule', quote_ident(r.rulename) || ' on ' || c.oid::regclass,
  concat_ws(' ', pg_get_ruledef(r.oid), 'enabled ' || nullif(r.ev_enabled::text, 'O')), NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN' AND )" +
         kUserSchema + R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_rewrite'::regclass AND m.objid = r.oid)
UNION ALL
SELECT 'policy', quote_ident(p.polname) || ' on ' || c.oid::regclass,
  concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
      'for ' || p.polcmd::text,
      'to ' || (SELECT string_agg(name, ', ' ORDER BY name COLLATE "C") FROM unnest(p.polroles) r,
         concat(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END) name),
      'using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
      'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
  NULL::oid, NULL::"char", NULL::aclitem[]
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE )" +
         kUserSchema +
         R"(
UNION ALL
SELECT 'statistics', format('%I.%I', n.nspname, s.stxname),
  concat_ws(' ', pg_get_statisticsobjdef(s.oid), 'target ' || nullif(coalesce(s.stxstattarget, -1), -1)),
  s.stxowner, NULL::"char", NULL::aclitem[]
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE )" +
         kUserSchema +
         R"(
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_statistic_ext'::regclass
                  AND m.objid = s.oid))";
}

}  // namespace

std::vector<FingerprintPart> RelationParts() {
  return {{Sequences(), true}, {Indexes()}, {Constraints()}, {TriggersRulesPolicies()}};
}

}  // namespace agent_branch
