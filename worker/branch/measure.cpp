#include "worker/branch/measure.hpp"

#include "worker/branch/look_query.hpp"

namespace agent_branch {
namespace {

constexpr char kTables[] = R"((SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
    AND n.nspname <> 'information_schema'))";

// What can be dropped besides tables and columns. What belongs to an extension goes and comes with
// its versions. A constraint's index is the constraint; a partition's parts are its parent's.
constexpr char kObjects[] = R"((SELECT * FROM (
  WITH n AS (SELECT oid, nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
  r AS (SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class AS c JOIN n ON n.oid = c.relnamespace WHERE c.relpersistence <> 't')
  SELECT 'pg_class'::regclass::oid AS class, c.oid, CASE c.relkind WHEN 'v' THEN 'view'
      WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'index' END AS kind,
    r.name, coalesce(x.indrelid, 0) AS owner
  FROM pg_class AS c JOIN r ON r.oid = c.oid LEFT JOIN pg_index AS x ON x.indexrelid = c.oid
  WHERE c.relkind IN ('v', 'm', 'S', 'i', 'I') AND NOT c.relispartition AND NOT EXISTS (
    SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
  UNION ALL SELECT 'pg_proc'::regclass, p.oid, CASE p.prokind WHEN 'p' THEN 'procedure'
      WHEN 'a' THEN 'aggregate' ELSE 'function' END, format('%I.%I', n.nspname, p.proname), 0
  FROM pg_proc AS p JOIN n ON n.oid = p.pronamespace
  UNION ALL SELECT 'pg_type'::regclass, y.oid, 'type', format('%I.%I', n.nspname, y.typname), 0
  FROM pg_type AS y JOIN n ON n.oid = y.typnamespace WHERE y.typtype IN ('e', 'd', 'r')
    OR y.typtype = 'c' AND (SELECT c.relkind = 'c' FROM pg_class AS c WHERE c.oid = y.typrelid)
  UNION ALL SELECT 'pg_constraint'::regclass, k.oid, 'constraint',
    format('%I on %s', k.conname, r.name), k.conrelid
  FROM pg_constraint AS k JOIN r ON r.oid = k.conrelid
  WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conparentid = 0 AND k.conislocal
  UNION ALL SELECT 'pg_trigger'::regclass, g.oid, 'trigger',
    format('%I on %s', g.tgname, r.name), g.tgrelid
  FROM pg_trigger AS g JOIN r ON r.oid = g.tgrelid WHERE NOT g.tgisinternal AND g.tgparentid = 0
  UNION ALL SELECT 'pg_policy'::regclass, p.oid, 'policy',
    format('%I on %s', p.polname, r.name), p.polrelid
  FROM pg_policy AS p JOIN r ON r.oid = p.polrelid
  UNION ALL SELECT 'pg_rewrite'::regclass, w.oid, 'rule',
    format('%I on %s', w.rulename, r.name), w.ev_class
  FROM pg_rewrite AS w JOIN r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
  UNION ALL SELECT 'pg_operator'::regclass, o.oid, 'operator',
    format('%I.%s', n.nspname, o.oprname), 0 FROM pg_operator AS o JOIN n ON n.oid = o.oprnamespace
  UNION ALL SELECT 'pg_collation'::regclass, o.oid, 'collation',
    format('%I.%I', n.nspname, o.collname), 0
  FROM pg_collation AS o JOIN n ON n.oid = o.collnamespace
  UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid, 'statistics object',
    format('%I.%I', n.nspname, s.stxname), s.stxrelid
  FROM pg_statistic_ext AS s JOIN n ON n.oid = s.stxnamespace
  UNION ALL SELECT 'pg_event_trigger'::regclass, e.oid, 'event trigger', quote_ident(e.evtname), 0
  FROM pg_event_trigger AS e
  UNION ALL SELECT 'pg_publication'::regclass, p.oid, 'publication', quote_ident(p.pubname), 0
  FROM pg_publication AS p
  UNION ALL SELECT 'pg_foreign_server'::regclass, f.oid, 'server', quote_ident(f.srvname), 0
  FROM pg_foreign_server AS f
  UNION ALL SELECT 'pg_namespace'::regclass, n.oid, 'schema', quote_ident(n.nspname), 0 FROM n
  UNION ALL SELECT 'pg_extension'::regclass, e.oid, 'extension', quote_ident(e.extname), 0
  FROM pg_extension AS e
  UNION ALL SELECT 'pg_authid'::regclass, a.oid, 'role', quote_ident(a.rolname), 0
  FROM pg_roles AS a WHERE a.oid >= 16384) AS object
  WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = object.class
    AND d.objid = object.oid AND d.deptype = 'e')))";

// A table that cannot be read, or of which a policy hides rows, counts as one that has some.
constexpr char kBaseline[] = R"(DO $agent_branch$
DECLARE
  t oid;
  has_rows bool;
  filled oid[] := '{}';
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  PERFORM set_config('lock_timeout', '$timeout', true);
  FOR t IN SELECT c.oid FROM $tables AS c WHERE c.relkind = 'r' LOOP
    IF pg_relation_size(t) = 0 THEN CONTINUE; END IF;
    has_rows := true;
    IF has_table_privilege(t, 'SELECT') AND NOT row_security_active(t) THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', t::regclass) INTO has_rows;
    END IF;
    IF has_rows THEN filled := filled || t; END IF;
  END LOOP;
  PERFORM set_config('agent_branch_migration.before', jsonb_build_object(
    'tables', (SELECT coalesce(jsonb_object_agg(c.oid, jsonb_build_object('name', c.name,
        'file', c.relfilenode, 'rows', c.oid = ANY (filled),
        'parents', (SELECT jsonb_agg(i.inhparent) FROM pg_inherits AS i WHERE i.inhrelid = c.oid),
        'columns', (SELECT jsonb_object_agg(a.attnum, jsonb_build_array(a.attname, a.attnotnull))
          FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0
            AND NOT a.attisdropped))), '{}') FROM $tables AS c),
    'objects', (SELECT coalesce(jsonb_agg(jsonb_build_array(o.class, o.oid, o.kind, o.name, o.owner)),
        '[]') FROM $objects AS o))::text, true);
END
$agent_branch$; )";

// A row is one of before if it was not written by this transaction, whose ids and those of its
// subtransactions are all from its own to the next one. A table that was written anew holds rows of
// this transaction only: there the counters tell how many it had.
constexpr char kMeasure[] = R"(DO $agent_branch$
DECLARE
  before jsonb := current_setting('agent_branch_migration.before')::jsonb;
  own int8 := pg_current_xact_id_if_assigned()::text::int8;
  ids int8 := nullif(current_setting('agent_branch_migration.next_xid', true), '')::int8 - own;
  writing oid[];
  changed oid[] := '{}';
  emptied oid[] := '{}';
  t record;
  rest bool;
  carried int8;
BEGIN
  PERFORM set_config('agent_branch_migration.done', '{"tables": [], "objects": [], "made": []}', true);
  IF own IS NULL THEN RETURN; END IF;
  writing := ARRAY(SELECT DISTINCT l.relation FROM pg_locks AS l WHERE l.pid = pg_backend_pid()
    AND l.locktype = 'relation' AND l.granted AND l.mode IN ('RowExclusiveLock',
      'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'));
  FOR t IN SELECT c.oid, c.relfilenode <> (b.value ->> 'file')::oid AS anew,
      has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid) AS readable,
      pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
      pg_stat_get_xact_tuples_updated(c.oid) AS updated,
      pg_stat_get_xact_tuples_deleted(c.oid) AS deleted
    FROM jsonb_each(before -> 'tables') AS b JOIN pg_class AS c ON c.oid = b.key::oid
    WHERE c.relkind = 'r' AND (b.value ->> 'rows')::bool AND c.oid = ANY (writing)
  LOOP
    IF t.anew THEN
      carried := 1;
      IF t.readable THEN
        EXECUTE format('SELECT count(*) FROM ONLY %s', t.oid::regclass) INTO carried;
        carried := carried - t.inserted + t.deleted;
      END IF;
      IF carried <= 0 THEN
        emptied := emptied || t.oid;
      ELSIF t.updated >= carried OR t.deleted >= carried THEN
        changed := changed || t.oid;
      END IF;
      CONTINUE;
    END IF;
    rest := t.updated + t.deleted = 0;
    IF t.readable THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s AS t WHERE '
        '(t.xmin::text::int8 - $1 %% 4294967296 + 4294967296) %% 4294967296 >= $2)',
        t.oid::regclass) INTO rest USING own, ids;
    END IF;
    IF NOT rest THEN changed := changed || t.oid; END IF;
  END LOOP;
  PERFORM set_config('agent_branch_migration.done', jsonb_build_object(
    'tables', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(d)) ORDER BY d."table"), '[]') FROM (
      SELECT * FROM (
        SELECT b.value ->> 'name' AS "table",
          CASE WHEN c.oid IS NULL THEN true END AS dropped,
          CASE WHEN c.oid = ANY (emptied) THEN true END AS truncated,
          CASE WHEN c.relkind = 'r' AND c.relfilenode <> (b.value ->> 'file')::oid
            AND (b.value ->> 'rows')::bool AND c.oid <> ALL (emptied) THEN true END AS rewritten,
          CASE WHEN c.oid IS NOT NULL AND EXISTS (
            SELECT FROM jsonb_array_elements_text(nullif(b.value -> 'parents', 'null')) AS p
            WHERE EXISTS (SELECT FROM pg_class AS k WHERE k.oid = p::oid)
              AND NOT EXISTS (SELECT FROM pg_inherits AS i
                WHERE i.inhrelid = c.oid AND i.inhparent = p::oid)) THEN true END AS detached,
          whole."all", whole.deleted, whole.updated, gone.columns, gone.not_null,
          CASE WHEN c.name <> b.value ->> 'name' THEN jsonb_build_array(c.name)
            ELSE gone.renamed END AS renamed,
          CASE WHEN c.oid IS NOT NULL AND c.relkind <> 'f' THEN pg_total_relation_size(c.oid) END
            AS bytes, held.lock
        FROM jsonb_each(before -> 'tables') AS b LEFT JOIN $tables AS c ON c.oid = b.key::oid
        LEFT JOIN (
          SELECT CASE WHEN root.oid = ANY (writing) THEN root.oid ELSE leaf.oid END AS oid,
            true AS "all", sum(pg_stat_get_xact_tuples_deleted(leaf.oid)) AS deleted,
            sum(pg_stat_get_xact_tuples_updated(leaf.oid)) AS updated
          FROM jsonb_each(before -> 'tables') AS b JOIN pg_class AS leaf ON leaf.oid = b.key::oid
            LEFT JOIN pg_class AS root ON root.oid = pg_partition_root(leaf.oid)
          WHERE leaf.relkind = 'r' AND (b.value ->> 'rows')::bool
          GROUP BY 1 HAVING bool_and(leaf.oid = ANY (changed || emptied))
            AND bool_or(leaf.oid = ANY (changed))) AS whole ON whole.oid = c.oid
        LEFT JOIN LATERAL (
          SELECT jsonb_agg(k.value ->> 0) FILTER (WHERE a.attname IS NULL) AS columns,
            jsonb_agg(a.attname) FILTER (WHERE a.attnotnull AND NOT (k.value ->> 1)::bool
              AND (b.value ->> 'rows')::bool) AS not_null,
            jsonb_agg(format('%s.%I', c.name, k.value ->> 0)) FILTER (WHERE a.attname <> k.value ->> 0)
              AS renamed
          FROM jsonb_each(nullif(b.value -> 'columns', 'null')) AS k LEFT JOIN pg_attribute AS a
            ON a.attrelid = c.oid AND a.attnum = k.key::int2 AND NOT a.attisdropped
          WHERE c.oid IS NOT NULL) AS gone ON true
        LEFT JOIN LATERAL (
          SELECT (ARRAY['SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'])[max(
            array_position(ARRAY['ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
              'AccessExclusiveLock'], l.mode))] AS lock
          FROM pg_locks AS l WHERE c.oid = ANY (writing) AND l.relation = c.oid
            AND l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
            AND pg_relation_size(c.oid) >= 8388608) AS held ON true) AS each
      WHERE dropped OR truncated OR rewritten OR detached OR "all" OR columns IS NOT NULL
        OR not_null IS NOT NULL OR renamed IS NOT NULL OR lock IS NOT NULL LIMIT 50) AS d),
    'objects', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(g)) ORDER BY g.name), '[]') FROM (
      WITH now AS MATERIALIZED (SELECT * FROM $objects AS o)
      SELECT b.kind, b.name, CASE WHEN now.oid IS NOT NULL THEN true END AS renamed
      FROM (SELECT (e ->> 0)::oid AS class, (e ->> 1)::oid AS oid, e ->> 2 AS kind,
          e ->> 3 AS name, (e ->> 4)::oid AS owner
        FROM jsonb_array_elements(before -> 'objects') AS e) AS b
      LEFT JOIN now ON now.class = b.class AND now.oid = b.oid
      WHERE (now.oid IS NULL AND (b.owner = 0 OR EXISTS (SELECT FROM pg_class AS c
          WHERE c.oid = b.owner)) OR now.name <> b.name AND b.owner = 0)
        AND NOT EXISTS (SELECT FROM now AS other WHERE other.kind = b.kind AND other.name = b.name)
      UNION ALL SELECT 'large objects', 'that were there before', NULL
      WHERE pg_stat_get_xact_tuples_deleted('pg_largeobject_metadata'::regclass) > 0
      LIMIT 50) AS g),
    'made', (SELECT coalesce(jsonb_agg(m.name), '[]') FROM (SELECT c.name FROM $tables AS c
      WHERE NOT before -> 'tables' ? c.oid::text LIMIT 50) AS m))::text, true);
END
$agent_branch$)";

std::string Filled(std::string text, const std::string &timeout) {
  const auto replace = [&text](const std::string &name, const std::string &value) {
    for (size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += value.size())
      text.replace(at, name.size(), value);
  };
  replace("$timeout", timeout);
  replace("$tables", kTables);
  replace("$objects", kObjects);
  return text;
}

}  // namespace

std::string MeasureBaseline(std::chrono::milliseconds lock_timeout) {
  return Filled(kBaseline, std::to_string(lock_timeout.count()));
}

std::string BaselineExpression() {
  return "pg_catalog.current_setting('agent_branch_migration.before', true)";
}

std::string MeasureStatements(const std::string &baseline) {
  return "SELECT set_config('agent_branch_migration.before', " + Literal(baseline) + ", true); " +
         Filled(kMeasure, "");
}

std::string MeasureExpression() {
  return "current_setting('agent_branch_migration.done', true)::jsonb";
}

}  // namespace agent_branch
