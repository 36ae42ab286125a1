#include "worker/branch/standpoint.hpp"

#include "worker/branch/fingerprint_parts.hpp"
#include "worker/branch/look_query.hpp"

namespace agent_branch {
namespace {

// Of a logged sequence that was never called, setval() alone can move the start, and takes an id.
constexpr const char *kSequences = R"(
  SELECT c.oid::regclass::text AS name, r.readable, c.relpersistence,
    CASE WHEN r.readable THEN pg_sequence_last_value(c.oid) END AS value
  FROM pg_class c, LATERAL (
    SELECT has_sequence_privilege(c.oid, 'SELECT, USAGE') AS readable) r
  WHERE c.relkind = 'S' AND c.relpersistence <> 't')";

// How many rows were ever changed by table, as the statistics have it.
const std::string kChanges =
    R"((SELECT coalesce(jsonb_object_agg(format('%I.%I', schemaname, relname),
      jsonb_build_object('inserted', n_tup_ins, 'updated', n_tup_upd, 'deleted', n_tup_del)), '{}')
    FROM pg_stat_user_tables
    WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND schemaname !~ '^pg_temp'))";

// How often tables were analyzed and vacuumed: each takes a transaction, and writes nothing.
const std::string kMaintained =
    "(SELECT coalesce(sum(analyze_count + autoanalyze_count + vacuum_count + autovacuum_count), 0)"
    "::int8 FROM pg_stat_all_tables)";

// Rows that other databases' transactions ever wrote, as the statistics have it.
const std::string kElsewhere =
    "(SELECT coalesce(sum(tup_inserted + tup_updated + tup_deleted), 0)::int8 "
    "FROM pg_stat_database WHERE datname <> current_database())";

// A crash throws the statistics away, and moves this.
const std::string kStatisticsSince =
    "(SELECT coalesce(extract(epoch FROM stats_reset)::text, '') FROM pg_stat_bgwriter)";

// A backend tells the statistics what it did ten seconds later at most, and when it ends.
const std::string kRecentClients =
    "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
    "AND datname = current_database() AND pid <> pg_backend_pid() "
    "AND state_change > clock_timestamp() - interval '11 seconds')";

// Table → rows whose version was written since, 1001 at most, by none of the windows, each a pair
// of transaction ids, the first one in it and the first one behind. A table that was truncated or
// rewritten by somebody else is told with -1, and so is one that cannot be read.
std::string Written(const std::string &first, const std::string &windows) {
  return R"((SELECT coalesce(jsonb_object_agg(name, rows), '{}') FROM (
    SELECT format('%I.%I', s.nspname, c.relname) AS name,
      CASE WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN -1
        WHEN c.relfilenode <> c.oid AND age(c.xmin) <= n.id - )" +
         first + R"( AND NOT EXISTS (SELECT FROM jsonb_array_elements()" + windows +
         R"() w WHERE c.xmin::text::int8 >= (w->>0)::int8 & 4294967295
          AND c.xmin::text::int8 < (w->>1)::int8 & 4294967295) THEN -1
        ELSE (xpath('/row/rows/text()', query_to_xml(format(
          'SELECT count(*) AS rows FROM (SELECT FROM ONLY %s t WHERE age(t.xmin) <= %s AND NOT EXISTS
            (SELECT FROM jsonb_array_elements(%L::jsonb) w
              WHERE t.xmin::text::int8 >= (w->>0)::int8 & 4294967295
              AND t.xmin::text::int8 < (w->>1)::int8 & 4294967295) LIMIT 1001) r',
          c.oid::regclass, n.id - )" +
         first + ", " + windows + R"(::text), false, true, '')))[1]::text::int8 END AS rows
    FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND s.nspname !~ '^pg_'
      AND s.nspname <> 'information_schema') t WHERE rows <> 0))";
}

// Rows of the catalogs that somebody has written since: every change of the schema but a mere
// deletion leaves some. VACUUM and ANALYZE change rows in their place.
std::string CatalogsWritten(const std::string &first, const std::string &windows) {
  std::string all;
  for (const char *catalog : {"pg_class",
                              "pg_attribute",
                              "pg_attrdef",
                              "pg_constraint",
                              "pg_index",
                              "pg_proc",
                              "pg_type",
                              "pg_enum",
                              "pg_namespace",
                              "pg_trigger",
                              "pg_rewrite",
                              "pg_policy",
                              "pg_depend",
                              "pg_description",
                              "pg_extension",
                              "pg_operator",
                              "pg_opclass",
                              "pg_cast",
                              "pg_collation",
                              "pg_default_acl",
                              "pg_db_role_setting",
                              "pg_database",
                              "pg_auth_members",
                              "pg_shdepend",
                              "pg_inherits",
                              "pg_sequence",
                              "pg_publication",
                              "pg_publication_rel",
                              "pg_event_trigger",
                              "pg_foreign_server",
                              "pg_foreign_data_wrapper",
                              "pg_ts_config",
                              "pg_ts_dict",
                              "pg_statistic_ext",
                              "pg_shdescription",
                              "pg_largeobject_metadata",
                              "pg_tablespace"}) {
    all +=
        (all.empty() ? "SELECT xmin FROM " : " UNION ALL SELECT xmin FROM ") + std::string(catalog);
  }
  return "(SELECT count(*) FROM (" + all + ") c WHERE age(c.xmin) <= n.id - " + first +
         " AND NOT EXISTS (SELECT FROM jsonb_array_elements(" + windows +
         ") w WHERE c.xmin::text::int8 >= (w->>0)::int8 & 4294967295 "
         "AND c.xmin::text::int8 < (w->>1)::int8 & 4294967295))";
}

}  // namespace

std::string StandpointQuery() {
  return std::string(
             "SELECT jsonb_build_object("
             "'system_identifier', (SELECT system_identifier::text FROM "
             "pg_control_system()), 'database', current_database(), 'next_xid', n.id::text,"
             " 'quiet', pg_snapshot_xmin(n.snapshot)::text = n.id::text,"
             " 'sequences', s.values, 'unread_sequences', s.unread,"
             " 'other_databases', (SELECT coalesce(jsonb_agg(datname ORDER BY datname),"
             " '[]') FROM pg_database WHERE datallowconn AND NOT datistemplate"
             " AND datname <> current_database()), 'statistics_since',"
             " " +
             kStatisticsSince + ", 'changes', " + kChanges + ", 'maintained', " + kMaintained +
             ", 'elsewhere', " + kElsewhere + ")::text FROM (SELECT ") +
         kNextXid + R"( AS id, pg_current_snapshot() AS snapshot) n, (
SELECT coalesce(jsonb_object_agg(name, value) FILTER (WHERE readable), '{}') AS values,
  count(*) FILTER (WHERE NOT readable OR (relpersistence = 'u' AND value IS NULL)) AS unread
FROM ()" +
         kSequences + ") q) s";
}

std::string UnrecordedQuery(const std::string &since, const std::string &own) {
  const std::string first = Literal(since) + "::int8";
  const std::string windows = Literal(own) + "::jsonb";
  return "SELECT jsonb_build_object('next_xid', n.id::text, 'foreign_count', "
         "CASE WHEN n.id - " +
         first + " <= 100000 THEN f.count END, 'foreign', coalesce(f.ids, '[]'), 'changes', " +
         kChanges + ", 'statistics_since', " + kStatisticsSince + ", 'recent_clients', " +
         kRecentClients + ", 'maintained', " + kMaintained + ", 'elsewhere', " + kElsewhere +
         ", 'catalogs', CASE WHEN f.count > 0 THEN " + CatalogsWritten(first, windows) +
         R"( ELSE 0 END, 'written',
  CASE WHEN f.count > 0 OR n.id - )" +
         first + " > 100000 THEN " + Written(first, windows) + R"( ELSE '{}'::jsonb END)::text
FROM (SELECT )" +
         kNextXid + R"( AS id) n, LATERAL (
  SELECT count(*) AS count,
    jsonb_agg(i.id::text ORDER BY i.id) FILTER (WHERE i.place <= 100) AS ids
  FROM (SELECT x AS id, row_number() OVER (ORDER BY x) AS place
    FROM generate_series()" +
         first + ", CASE WHEN n.id - " + first +
         R"( <= 100000 THEN n.id - 1 ELSE 0 END) x
    WHERE pg_xact_status(x::text::xid8) IN ('committed', 'in progress')
      AND NOT EXISTS (SELECT FROM jsonb_array_elements()" +
         windows + R"() w WHERE x = (w->>0)::int8 OR (x >= (w->>0)::int8 AND x < (w->>1)::int8
        AND (w->>1)::int8 - (w->>0)::int8 <= 100000))) i) f)";
}

}  // namespace agent_branch
