#include "worker/core/session/blockers.hpp"

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/script/sql_literal.hpp"

namespace agent_branch {
namespace {

constexpr size_t kLongestName = 200;
constexpr size_t kLongestQuery = 120;

constexpr char kBefore[] = R"(
SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('pid', b.pid, 'role', b.usename,
  'application', b.application_name, 'lock', b.mode, 'relation', b.relation,
  'since', b.xact_start::pg_catalog.timestamptz(0)::pg_catalog.text, 'query', b.query)), '[]')
  ::pg_catalog.text
FROM (
  SELECT * FROM (
    SELECT DISTINCT ON (a.pid) a.pid, a.usename, a.application_name, a.xact_start,
      pg_catalog."left"(a.query, 200) AS query,
      upper(pg_catalog.regexp_replace(pg_catalog.regexp_replace(l.mode, 'Lock$', ''),
        '([a-z])([A-Z])', '\1 \2', 'g')) AS mode,
      l.relation::pg_catalog.regclass::pg_catalog.text AS relation
    FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.granted AND a.pid <> pg_catalog.pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
        WHERE d.datname = pg_catalog.current_database())
      AND l.relation >= 16384 AND (n.names = '[]' OR l.relation IN (
        SELECT pg_catalog.to_regclass(name)::pg_catalog.oid
        FROM pg_catalog.jsonb_array_elements_text(n.names) AS name))
    ORDER BY a.pid, l.mode) AS one
  ORDER BY xact_start NULLS LAST LIMIT 3) AS b)";

std::string Part(const JsonValue *blocker, const char *name, size_t limit) {
  return CleanText(JsonString(blocker, name), limit);
}

std::string Sentence(const JsonValue *blocker) {
  const auto pid = JsonInteger(blocker, "pid");
  if (!pid) return {};
  std::string text = "Process " + std::to_string(*pid);
  if (const std::string role = Part(blocker, "role", kLongestName); !role.empty())
    text += " of role " + role;
  if (const std::string name = Part(blocker, "application", kLongestName); !name.empty())
    text += " (application " + name + ")";
  text += " has held " + Part(blocker, "lock", kLongestName) + " on " +
          Part(blocker, "relation", kLongestName);
  if (const std::string since = Part(blocker, "since", kLongestName); !since.empty())
    text += " since " + since;
  return text + ": " + Part(blocker, "query", kLongestQuery);
}

}  // namespace

std::string BlockerQuery(const std::string &relations) {
  std::string query = kBefore;
  const std::string names =
      "(SELECT " + SqlLiteral(relations) + "::pg_catalog.jsonb AS names) AS n";
  const std::string from = "FROM pg_catalog.pg_locks AS l JOIN";
  return query.replace(query.find(from), from.size(),
                       "FROM " + names + " CROSS JOIN pg_catalog.pg_locks AS l JOIN");
}

std::string DescribeBlockers(const std::string &answer) {
  Result<JsonDocument> json = ParseJson(answer);
  if (!json.ok() || !json->IsArray()) return {};
  std::string text;
  for (const JsonValue &blocker : json->GetArray()) {
    const std::string sentence = Sentence(&blocker);
    if (!sentence.empty()) text += (text.empty() ? "" : "\n") + sentence;
  }
  return text;
}

}  // namespace agent_branch
