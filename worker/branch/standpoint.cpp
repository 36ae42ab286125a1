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
             kStatisticsSince + ", 'changes', " + kChanges + ")::text FROM (SELECT ") +
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
         kRecentClients + R"(, 'written',
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
      AND x NOT IN (SELECT (w->>0)::int8 FROM jsonb_array_elements()" +
         windows + R"() w)) i) f)";
}

}  // namespace agent_branch
