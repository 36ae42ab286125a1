#include "worker/branch/look_query.hpp"

#include <algorithm>
#include <map>
#include <string_view>

namespace agent_branch {
namespace {

constexpr char kMark[] = "agent_branch runs alone";

// Rows are counted where that is a matter of milliseconds, and reckoned from the statistics as the
// planner does it where it is not. query_to_xml() is what runs a composed query inside a query.
constexpr char kRisks[] = R"(
SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('n', q.n, 'rows', size.rows,
  'bytes', CASE WHEN c.relkind IN ('r', 'm', 'p', 't', 'i', 'I', 'S') THEN size.bytes END,
  'not_null', coalesce(a.attnotnull, false)) ORDER BY q.n), '[]')::pg_catalog.text
FROM pg_catalog.jsonb_to_recordset($questions::pg_catalog.jsonb)
  AS q (n pg_catalog.int4, relation pg_catalog.text, "column" pg_catalog.text,
    type pg_catalog.text, name pg_catalog.text)
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(q.relation)
CROSS JOIN LATERAL (SELECT p.parts[pg_catalog.cardinality(p.parts)] AS name
  FROM (SELECT pg_catalog.parse_ident(q.name) AS parts) AS p) AS last
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
  AND NOT a.attisdropped AND a.attname = (pg_catalog.parse_ident(q."column"))[1]
CROSS JOIN LATERAL (
  SELECT pg_catalog.sum(part.rows)::pg_catalog.int8 AS rows,
    pg_catalog.sum(part.bytes)::pg_catalog.int8 AS bytes
  FROM (
    SELECT pg_catalog.pg_total_relation_size(leaf.oid) AS bytes, CASE
      WHEN leaf.relkind NOT IN ('r', 'm') THEN NULL
      WHEN pg_catalog.pg_relation_size(leaf.oid) <= 16777216
        AND pg_catalog.has_table_privilege(leaf.oid, 'SELECT')
        AND (leaf.relkind = 'r' OR leaf.relispopulated)
      THEN substring(pg_catalog.query_to_xml('SELECT count(*) AS n FROM '
        || leaf.oid::pg_catalog.regclass, false, true, '')::pg_catalog.text
        FROM '<n>([0-9]+)</n>')::pg_catalog.int8
      WHEN leaf.reltuples >= 0 AND leaf.relpages > 0
      THEN (leaf.reltuples / leaf.relpages * (pg_catalog.pg_relation_size(leaf.oid)
        / pg_catalog.current_setting('block_size')::pg_catalog.int4))::pg_catalog.int8
      END AS rows
    FROM pg_catalog.pg_class AS leaf
    WHERE leaf.oid = c.oid AND c.relkind <> 'p' OR c.relkind = 'p' AND leaf.oid IN (
      SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) AS t WHERE t.isleaf)
  ) AS part
) AS size
WHERE (q.relation IS NULL OR c.oid IS NOT NULL)
  AND (q."column" IS NULL OR a.attname IS NOT NULL)
  AND CASE
    WHEN q.name IS NULL THEN true
    WHEN q.type = 'trigger' THEN EXISTS (SELECT FROM pg_catalog.pg_trigger AS t
      WHERE t.tgrelid = c.oid AND t.tgname = last.name)
    WHEN q.type = 'policy' THEN EXISTS (SELECT FROM pg_catalog.pg_policy AS p
      WHERE p.polrelid = c.oid AND p.polname = last.name)
    WHEN q.type = 'rule' THEN EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r
      WHERE r.ev_class = c.oid AND r.rulename = last.name)
    WHEN q.type = 'constraint' THEN EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
      WHERE k.conrelid = c.oid AND k.conname = last.name)
    WHEN q.type IN ('function', 'procedure', 'routine', 'aggregate') THEN EXISTS (
      SELECT FROM pg_catalog.pg_proc AS f WHERE f.proname = last.name)
    WHEN q.type IN ('type', 'domain') THEN EXISTS (
      SELECT FROM pg_catalog.pg_type AS y WHERE y.typname = last.name)
    WHEN q.type = 'schema' THEN EXISTS (
      SELECT FROM pg_catalog.pg_namespace AS s WHERE s.nspname = last.name)
    WHEN q.type = 'extension' THEN EXISTS (
      SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = last.name)
    WHEN q.type = 'role' THEN EXISTS (
      SELECT FROM pg_catalog.pg_roles AS o WHERE o.rolname = last.name)
    ELSE true END)";

// An index of CREATE INDEX lies in its table's schema, whatever the search path is.
constexpr char kIndexOfTable[] = R"(
SELECT CASE WHEN i.oid IS NULL THEN 'absent' WHEN x.indisvalid THEN 'there ' ELSE 'half ' END
  || coalesce(pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(i.relname), '')
FROM (SELECT pg_catalog.to_regclass($relation) AS oid) AS t
LEFT JOIN pg_catalog.pg_class AS r ON r.oid = t.oid
LEFT JOIN pg_catalog.pg_class AS i ON i.relnamespace = r.relnamespace AND i.relkind IN ('i', 'I')
  AND i.relname = (pg_catalog.parse_ident($object))[1]
LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = i.oid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = i.relnamespace)";

constexpr char kIndex[] = R"(
SELECT CASE WHEN x.indexrelid IS NULL THEN 'absent' WHEN x.indisvalid THEN 'there' ELSE 'half' END
FROM (SELECT pg_catalog.to_regclass($object) AS oid) AS i
LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = i.oid)";

// What REINDEX CONCURRENTLY names so, of the table or of the index's table.
constexpr char kLeftIndex[] = R"(
SELECT coalesce((SELECT 'half ' || pg_catalog.quote_ident(n.nspname) || '.'
    || pg_catalog.quote_ident(i.relname)
  FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = i.relnamespace
  WHERE NOT x.indisvalid AND i.relname ~ '_cc(new|old)[0-9]*$' AND x.indrelid = coalesce(
    (SELECT y.indrelid FROM pg_catalog.pg_index AS y
      WHERE y.indexrelid = pg_catalog.to_regclass($relation)),
    pg_catalog.to_regclass($relation)::pg_catalog.oid)
  ORDER BY i.relname LIMIT 1), 'there'))";

constexpr char kPartition[] = R"(
SELECT CASE WHEN h.inhrelid IS NULL THEN 'absent' WHEN h.inhdetachpending THEN 'half'
  ELSE 'there' END
FROM (SELECT pg_catalog.to_regclass($object) AS oid, pg_catalog.to_regclass($relation) AS parent)
  AS p
LEFT JOIN pg_catalog.pg_inherits AS h ON h.inhrelid = p.oid AND h.inhparent = p.parent)";

constexpr char kRunning[] = R"(
SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a
  WHERE a.pid <> pg_catalog.pg_backend_pid() AND a.state <> 'idle'
    AND pg_catalog.strpos(a.query, '/* ' || $mark || ' */') > 0)
  THEN 'running' ELSE ()";

// Each $name of the query becomes its text as a literal. What is put in is not searched again.
std::string Fill(std::string_view query, const std::map<std::string_view, std::string> &texts) {
  std::string filled;
  for (size_t at = 0; at < query.size();) {
    const auto named = std::find_if(texts.begin(), texts.end(), [&](const auto &text) {
      return query.substr(at, text.first.size()) == text.first;
    });
    if (named == texts.end()) {
      filled += query[at++];
    } else {
      filled += Literal(named->second);
      at += named->first.size();
    }
  }
  return filled;
}

std::string StateQuery(const NonTransactionalStatement &statement) {
  const std::map<std::string_view, std::string> names = {{"$relation", statement.relation},
                                                         {"$object", statement.object}};
  switch (statement.kind) {
    case NonTransactional::kCreateIndex:
      return Fill(kIndexOfTable, names);
    case NonTransactional::kDropIndex:
      return Fill(kIndex, names);
    case NonTransactional::kDetachPartition:
      return Fill(kPartition, names);
    case NonTransactional::kReindex:
      return Fill(kLeftIndex, names);
    case NonTransactional::kRepeatable:
    case NonTransactional::kOnce:
    case NonTransactional::kNo:
      return "SELECT 'there'";
  }
  return {};
}

}  // namespace

std::string Literal(const std::string &text) {
  std::string literal = "E'";
  for (char c : text) {
    if (c == '\'' || c == '\\') literal += c;
    literal += c;
  }
  return literal + "'";
}

std::string NonTransactionalMark(const NonTransactionalStatement &statement) {
  return "/* " + std::string(kMark) + " " + statement.token + " */";
}

std::string RiskQuery(const std::string &questions) {
  return Fill(kRisks, {{"$questions", questions}});
}

std::string NonTransactionalQuery(const NonTransactionalStatement &statement) {
  const std::string mark = std::string(kMark) + " " + statement.token;
  return Fill(kRunning, {{"$mark", mark}}) + StateQuery(statement) + ") END";
}

}  // namespace agent_branch
