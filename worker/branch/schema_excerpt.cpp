#include "worker/branch/schema_excerpt.hpp"

namespace agent_branch {
namespace {

// A string constant that is one whatever standard_conforming_strings is.
std::string Literal(const std::string &text) {
  std::string literal = "E'";
  for (char c : text) {
    if (c == '\'' || c == '\\') literal += c;
    literal += c;
  }
  return literal + "'";
}

constexpr const char *kBegin = R"(
WITH wanted AS MATERIALIZED (
  SELECT DISTINCT w AS name FROM json_array_elements_text()";

constexpr const char *kRelations = R"(::json) w
), own AS MATERIALIZED (
  SELECT c.oid, c.relkind, c.relname, c.oid::regclass::text AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
    AND n.nspname <> 'information_schema'
), named AS MATERIALIZED (
  SELECT oid FROM own WHERE lower(relname) IN (SELECT name FROM wanted) ORDER BY name LIMIT 25
), tied AS MATERIALIZED (
  SELECT oid FROM named
  UNION (SELECT k.confrelid FROM pg_constraint k JOIN named ON k.conrelid = named.oid
         WHERE k.contype = 'f' LIMIT 15)
  UNION (SELECT k.conrelid FROM pg_constraint k JOIN named ON k.confrelid = named.oid
         WHERE k.contype = 'f' LIMIT 15)
  UNION (SELECT r.ev_class FROM pg_depend d JOIN named ON d.refobjid = named.oid
         JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
         WHERE d.refclassid = 'pg_class'::regclass LIMIT 10)
  UNION (SELECT a.attrelid FROM pg_attribute a JOIN own ON own.oid = a.attrelid
         WHERE a.attnum > 0 AND NOT a.attisdropped AND own.relkind IN ('r', 'p')
           AND lower(a.attname) IN (SELECT name FROM wanted) ORDER BY 1 LIMIT 10)
))";

constexpr const char *kTexts = R"(
, described (place, text) AS (
  SELECT 1, CASE own.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
      WHEN 'f' THEN 'foreign table ' ELSE 'table ' END || own.name || E' (\n' ||
    coalesce((SELECT string_agg('  ' || quote_ident(a.attname) || ' ' ||
        format_type(a.atttypid, a.atttypmod) ||
        CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END ||
        CASE WHEN a.attidentity <> '' THEN ' IDENTITY' ELSE '' END ||
        coalesce(' DEFAULT ' || left(pg_get_expr(d.adbin, d.adrelid), 200), '') ||
        coalesce('  -- ' || left(col_description(a.attrelid, a.attnum), 120), ''),
        E'\n' ORDER BY a.attnum)
      FROM (SELECT * FROM pg_attribute x WHERE x.attrelid = own.oid AND x.attnum > 0
              AND NOT x.attisdropped ORDER BY x.attnum LIMIT 100) a
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum), '') || E'\n)' ||
    coalesce('  -- ' || left(obj_description(own.oid, 'pg_class'), 200), '') ||
    CASE WHEN own.relkind IN ('v', 'm') THEN E'\n  AS ' || left(pg_get_viewdef(own.oid), 800)
      ELSE '' END ||
    coalesce((SELECT string_agg(E'\n  constraint ' || quote_ident(k.conname) || ' ' ||
        left(pg_get_constraintdef(k.oid), 300), '' ORDER BY k.conname)
      FROM pg_constraint k WHERE k.conrelid = own.oid), '') ||
    coalesce((SELECT string_agg(E'\n  ' || left(pg_get_indexdef(i.indexrelid), 300), ''
        ORDER BY i.indexrelid)
      FROM pg_index i WHERE i.indrelid = own.oid AND NOT i.indisprimary), '') ||
    coalesce((SELECT string_agg(E'\n  ' || left(pg_get_triggerdef(t.oid), 300), ''
        ORDER BY t.tgname)
      FROM pg_trigger t WHERE t.tgrelid = own.oid AND NOT t.tgisinternal), '')
  FROM own WHERE own.oid IN (SELECT oid FROM tied)
  UNION ALL
  (SELECT 2, 'type ' || format_type(t.oid, NULL) || coalesce(' enum (' || (
      SELECT left(string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder), 500)
      FROM pg_enum e WHERE e.enumtypid = t.oid) || ')', '')
   FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE t.typtype IN ('e', 'd') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   ORDER BY 2 LIMIT 40)
  UNION ALL
  (SELECT 3, 'function ' || p.oid::regprocedure || ' returns ' || format_type(p.prorettype, NULL)
   FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE lower(p.proname) IN (SELECT name FROM wanted)
   ORDER BY n.nspname LIKE 'pg\_%', 2 LIMIT 30)
  UNION ALL
  SELECT 4, 'installed extensions: ' || string_agg(quote_ident(extname), ', ' ORDER BY extname)
  FROM pg_extension
  UNION ALL
  SELECT 5, 'other tables and views: ' || string_agg(o.name, ', ' ORDER BY o.name)
  FROM (SELECT name FROM own WHERE oid NOT IN (SELECT oid FROM tied) ORDER BY name LIMIT 300) o
)
SELECT coalesce(left(string_agg(text, E'\n' ORDER BY place, text), 24000), '') FROM described)";

}  // namespace

std::string SchemaExcerptQuery(const std::string &names) {
  return kBegin + Literal(names) + kRelations + kTexts;
}

}  // namespace agent_branch
