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
             " AND datname <> current_database()))::text FROM (SELECT ") +
         kNextXid + R"( AS id, pg_current_snapshot() AS snapshot) n, (
SELECT coalesce(jsonb_object_agg(name, value) FILTER (WHERE readable), '{}') AS values,
  count(*) FILTER (WHERE NOT readable OR (relpersistence = 'u' AND value IS NULL)) AS unread
FROM ()" +
         kSequences + ") q) s";
}

std::string UnrecordedQuery(const std::string &since, const std::string &own) {
  const std::string first = Literal(since) + "::int8";
  return "SELECT jsonb_build_object('next_xid', n.id::text, 'foreign_count', "
         "CASE WHEN n.id - " +
         first + R"( <= 100000 THEN f.count END,
  'foreign', coalesce(f.ids, '[]'),
  'changes', (SELECT coalesce(jsonb_object_agg(format('%I.%I', schemaname, relname),
      jsonb_build_object('inserted', n_tup_ins, 'updated', n_tup_upd, 'deleted', n_tup_del)), '{}')
    FROM pg_stat_user_tables
    WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND schemaname !~ '^pg_temp'))::text
FROM (SELECT )" +
         kNextXid + R"( AS id) n, LATERAL (
  SELECT count(*) AS count,
    jsonb_agg(i.id::text ORDER BY i.id) FILTER (WHERE i.place <= 100) AS ids
  FROM (SELECT x AS id, row_number() OVER (ORDER BY x) AS place
    FROM generate_series()" +
         first + ", CASE WHEN n.id - " + first +
         R"( <= 100000 THEN n.id - 1 ELSE 0 END) x
    WHERE pg_xact_status(x::text::xid8) IN ('committed', 'in progress')
      AND x NOT IN (SELECT jsonb_array_elements_text()" +
         Literal(own) + "::jsonb)::int8)) i) f";
}

}  // namespace agent_branch
