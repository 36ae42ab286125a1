#include "worker/branch/record.hpp"

#include "worker/branch/fingerprint_parts.hpp"
#include "worker/branch/measure.hpp"

namespace agent_branch {
namespace {

// Tables that hold rows themselves. The catalogs' own are no matter of a migration's.
constexpr const char *kTables =
    "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' "
    "AND n.nspname <> 'information_schema'";

constexpr const char *kName = "pg_catalog.format('%I.%I', n.nspname, c.relname)";

// The session's counters hold those of earlier transactions, too, until they are sent to the
// statistics: which the baseline asks for, and which is then done before the next transaction.
constexpr const char *kCounts =
    "pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS inserted, "
    "pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS updated, "
    "pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS deleted";

constexpr const char *kSequences =
    "SELECT c.oid, n.nspname, c.relname, pg_catalog.concat(c.oid, ':', CASE WHEN "
    "pg_catalog.has_sequence_privilege(c.oid, 'SELECT, USAGE') "
    "THEN pg_catalog.pg_sequence_last_value(c.oid) END) AS place FROM pg_catalog.pg_class c "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'S' AND c.relpersistence <> 't'";

// From the weakest to the strongest.
constexpr const char *kModes =
    "ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', "
    "'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']";

std::string Noted(const std::string &name) {
  return "pg_catalog.string_to_array(pg_catalog.current_setting('agent_branch_migration." + name +
         "', true), ',')";
}

std::string Note(const std::string &name, const std::string &items) {
  return "pg_catalog.set_config('agent_branch_migration." + name + "', coalesce((" + items +
         "), ''), false)";
}

std::string Rows() {
  return "(SELECT coalesce(jsonb_object_agg(name, jsonb_build_object('inserted', inserted, "
         "'updated', updated, 'deleted', deleted)), '{}') FROM (SELECT " +
         std::string(kName) + " AS name, " + kCounts + " FROM " + kTables +
         ") t "
         "WHERE inserted <> 0 OR updated <> 0 OR deleted <> 0)";
}

// A table's first file has the table's own number; any other is noted beforehand, or new.
std::string Rewritten() {
  return "(SELECT coalesce(jsonb_agg(" + std::string(kName) + " ORDER BY " + kName +
         "), '[]') FROM " + kTables +
         " AND c.relfilenode <> c.oid AND concat(c.oid, ':', c.relfilenode) NOT IN (SELECT "
         "unnest(" +
         Noted("files") + ")))";
}

std::string Locks() {
  return "(SELECT coalesce(jsonb_object_agg(name, (" + std::string(kModes) +
         ")[strength]), '{}') FROM (SELECT " + kName + " AS name, max(array_position(" + kModes +
         ", l.mode)) AS strength FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
         "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE l.pid = pg_backend_pid() "
         "AND l.locktype = 'relation' AND l.granted AND c.relkind IN ('r', 'p', 'm', 'f') "
         "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
         "AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' "
         "AND n.nspname <> 'information_schema' GROUP BY 1) t)";
}

std::string MovedSequences() {
  return "(SELECT coalesce(jsonb_agg(format('%I.%I', s.nspname, s.relname) ORDER BY s.nspname, "
         "s.relname), '[]') FROM (" +
         std::string(kSequences) + ") s JOIN unnest(" + Noted("sequences") +
         ") note ON split_part(note, ':', 1)::oid = s.oid WHERE note <> s.place)";
}

// Those of partitioned tables are invalid until every partition has its own.
std::string InvalidIndexes() {
  return "(SELECT coalesce(jsonb_agg(c.relname), '[]') FROM (SELECT c.relname FROM pg_index x "
         "JOIN pg_class c ON c.oid = x.indexrelid WHERE NOT x.indisvalid AND c.relkind = 'i' "
         "ORDER BY 1 LIMIT 100) c)";
}

}  // namespace

std::string RecordBaseline() {
  return "SELECT CASE WHEN pg_catalog.current_setting('is_superuser') = 'on' "
         "THEN pg_catalog.set_config('track_counts', 'on', false) END, "
         "pg_catalog.pg_stat_force_next_flush(), " +
         Note("files",
              "SELECT pg_catalog.string_agg(pg_catalog.concat(c.oid, ':', c.relfilenode), ',') "
              "FROM " +
                  std::string(kTables) + " AND c.relfilenode <> c.oid") +
         ", " +
         Note("sequences",
              "SELECT pg_catalog.string_agg(place, ',') FROM (" + std::string(kSequences) + ") s") +
         ", " + Note("role", "SELECT current_user::text");
}

// Subtransactions have ids of their own, which nothing tells but their rows; and others' ids lie
// between. age() and the snapshot know no more than the transaction's own id, so the newest one is
// looked for: pg_xact_status() refuses those that were not given out yet. Of the ids up to it, the
// others' are those that are committed, or that others hold the lock of; what is left is cut into
// windows, each from its first id to the one behind its last.
std::string RecordPreparation() {
  return "DO $agent_branch$ DECLARE own int8 := "
         "pg_catalog.pg_current_xact_id_if_assigned()::text::int8; newest int8 := own; "
         "step int8 := 1; grows bool := true; one int8; windows text := ''; "
         "begins int8 := own; BEGIN WHILE newest IS NOT NULL AND step > 0 LOOP "
         "BEGIN PERFORM pg_catalog.pg_xact_status((newest + step)::text::pg_catalog.xid8); "
         "newest := newest + step; EXCEPTION WHEN invalid_parameter_value THEN grows := false; "
         "END; "
         "step := CASE WHEN grows THEN step * 2 ELSE step / 2 END; END LOOP; "
         "IF newest - own BETWEEN 1 AND 100000 THEN FOR one IN SELECT x "
         "FROM pg_catalog.generate_series(own + 1, newest) x WHERE "
         "pg_catalog.pg_xact_status(x::text::pg_catalog.xid8) = 'committed' OR "
         "(x & 4294967295)::text IN (SELECT l.transactionid::text FROM pg_catalog.pg_locks l "
         "WHERE l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock' "
         "AND l.pid <> pg_catalog.pg_backend_pid()) ORDER BY x LOOP "
         "IF one > begins THEN windows := windows || begins || ',' || one || ' '; END IF; "
         "begins := one + 1; END LOOP; END IF; "
         "IF newest >= begins THEN windows := windows || begins || ',' || (newest + 1); END IF; "
         "PERFORM pg_catalog.set_config('agent_branch_migration.windows', windows, true); "
         "PERFORM pg_catalog.set_config('agent_branch_migration.next_xid', "
         "coalesce((newest + 1)::text, ''), true); END $agent_branch$";
}

std::string RecordExpression(bool measured) {
  return "jsonb_build_object('invalid', " + InvalidIndexes() +
         ", 'counted', current_setting('track_counts') = 'on', 'rows', " + Rows() +
         ", 'rewritten', " + Rewritten() + ", 'locks', " + Locks() + ", 'sequences', " +
         MovedSequences() +
         ", 'next_xid', current_setting('agent_branch_migration.next_xid', true), 'windows', "
         "current_setting('agent_branch_migration.windows', true), 'milliseconds', "
         "(extract(epoch FROM clock_timestamp() - transaction_timestamp()) * "
         "1000)::int8" +
         (measured ? ", 'done', " + MeasureExpression() : std::string()) + ")::text";
}

}  // namespace agent_branch
