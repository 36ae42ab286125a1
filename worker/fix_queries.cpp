// What the fixer reads and calls in the control database; see worker/core/fixer/fix_store.hpp.
#include "postgres/spi.hpp"
#include "worker/postgres_store.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

// Its helper is one of few.
constexpr milliseconds kFunctionTimeout{5'000};
constexpr int kMostInterrupted = 2;

constexpr char kOriginal[] = R"(
SELECT m.session_id, t.number, t.sql, t.sqlstate, t.message, t.detail, t.hint, t.context, t.line,
  t."column", (SELECT max(number) FROM agent_branch.migration_attempt WHERE migration_id = $1),
  t.statement, (SELECT coalesce(p.options->>'fixer_hints', '') FROM agent_branch.session AS s
    JOIN agent_branch.project AS p ON p.id = s.project_id WHERE s.id = m.session_id)
FROM agent_branch.migration AS m JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id
WHERE m.id = $1 AND t.made_by = 'agent' ORDER BY t.number DESC LIMIT 1)";

constexpr char kTried[] = R"(
SELECT number, made_by, sql, sqlstate, message, detail, hint, context, line, "column", reason
FROM agent_branch.migration_attempt
WHERE migration_id = $1 AND number > $2 AND status IN ('failed', 'refused') ORDER BY number)";

constexpr char kCalls[] = R"(
SELECT id, source, outcome FROM agent_branch.fixer_call
WHERE migration_id = $1 AND original = $2 ORDER BY id)";

constexpr char kEarlier[] = R"(
SELECT t.sql FROM agent_branch.migration AS m
JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id AND t.number = m.attempt
WHERE m.session_id = $1 AND m.id <> $2 AND m.status = 'applied' ORDER BY m.ordinal)";

constexpr char kSpent[] = R"(
SELECT count(*), coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint,
  coalesce(sum(extract(epoch FROM answered_at - asked_at) * 1000), 0)::bigint
FROM agent_branch.fixer_call WHERE session_id = $1 AND source = 'llm')";

// The limits that extension/quotas.cpp reads, of the session's owner and of its project.
constexpr char kQuota[] = R"(
SELECT (SELECT max((a.limits->>'fixer_tokens_a_day')::bigint) FROM agent_branch.role_access AS a
    WHERE a.role = s.owner AND (a.project_id IS NULL OR a.project_id = s.project_id)),
  (p.options->>'max_fixer_tokens_a_day')::bigint, s.project_id, s.owner::bigint
FROM agent_branch.session AS s JOIN agent_branch.project AS p ON p.id = s.project_id
WHERE s.id = $1)";

constexpr char kUsedToday[] = R"(
SELECT coalesce(sum(f.input_tokens + f.output_tokens) FILTER (WHERE s.owner = $2::oid), 0)::bigint,
  coalesce(sum(f.input_tokens + f.output_tokens), 0)::bigint
FROM agent_branch.fixer_call AS f JOIN agent_branch.session AS s ON s.id = f.session_id
WHERE f.source = 'llm' AND f.asked_at > now() - interval '1 day' AND s.project_id = $1)";

constexpr char kRemembered[] = R"(
SELECT id, original, fix FROM agent_branch.fixer_memory
WHERE project_id = $1 AND signature = $2 AND worked > failed ORDER BY worked - failed DESC, id DESC
LIMIT 5)";

constexpr char kArgument[] = R"(
SELECT r.oid::bigint, r.rolcanlogin, r.rolname, jsonb_build_object('project', p.project, 'session', s.name,
    'migration', m.ordinal, 'name', t.name, 'sql', t.sql, 'hints', coalesce(p.options->>'fixer_hints', ''),
    'error', jsonb_build_object('sqlstate', t.sqlstate, 'message', t.message, 'detail', t.detail,
      'hint', t.hint, 'context', t.context, 'line', t.line, 'column', t."column"),
    'attempts', coalesce((SELECT jsonb_agg(jsonb_build_object('made_by', a.made_by, 'sql', a.sql,
        'reason', a.reason, 'sqlstate', a.sqlstate, 'message', a.message, 'detail', a.detail)
        ORDER BY a.number)
      FROM agent_branch.migration_attempt AS a
      WHERE a.migration_id = m.id AND a.number > t.number), '[]'))
FROM agent_branch.migration AS m JOIN agent_branch.session AS s ON s.id = m.session_id
JOIN agent_branch.project AS p ON p.id = s.project_id
LEFT JOIN pg_roles AS r ON r.oid = p.registered_by
JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id AND t.number = $2
WHERE m.id = $1)";

ServerError ReadError(const Row &row, size_t first) {
  ServerError error;
  error.sqlstate = row.Text(first);
  error.message = row.Text(first + 1);
  error.detail = row.Text(first + 2);
  error.hint = row.Text(first + 3);
  error.context = row.Text(first + 4);
  error.line = static_cast<int>(row.Int(first + 5));
  error.column = static_cast<int>(row.Int(first + 6));
  return error;
}

void CountCall(const Row &row, FixHistory *history) {
  const std::string source = row.Text(1);
  const std::string outcome = row.Text(2);
  if (row.IsNull(2)) history->open_calls.push_back(row.Int(0));
  if (source == "memory") history->memory_asked = true;
  if (source == "function") {
    if (outcome == "interrupted") ++history->function_interrupted;
    const bool lost = outcome == "interrupted" && history->function_interrupted < kMostInterrupted;
    history->function_ended = history->function_ended || (outcome != "answered" && !lost);
  } else if (outcome == "interrupted") {
    ++history->interrupted;
  }
  const bool unusable = outcome == "declined" || outcome == "refused" || outcome == "cut off" ||
                        outcome == "malformed" || outcome == "several answers" ||
                        outcome == "too long";
  if (unusable) ++history->unusable;
}

FixQuota ReadQuota(Transaction &transaction, int64_t session_id) {
  FixQuota quota;
  const Rows limits = transaction.Query(kQuota, {session_id});
  if (limits.empty()) return quota;
  if (!limits[0].IsNull(0)) quota.of_role = limits[0].Int(0);
  if (!limits[0].IsNull(1)) quota.of_project = limits[0].Int(1);
  if (!quota.of_role && !quota.of_project) return quota;
  const Rows used = transaction.Query(kUsedToday, {limits[0].Int(2), limits[0].Int(3)});
  quota.used_by_role = used[0].Int(0);
  quota.used_by_project = used[0].Int(1);
  return quota;
}

}  // namespace

int64_t PostgresStore::LastFixCallId() {
  int64_t id = 0;
  Status status = InTransaction([&](Transaction &transaction) {
    id = transaction.Query("SELECT coalesce(max(id), 0) FROM agent_branch.fixer_call")[0].Int(0);
  });
  if (!status.ok()) RaiseStatus(status);
  return id;
}

Result<FixHistory> PostgresStore::ReadFixHistory(int64_t migration_id) {
  FixHistory history;
  history.migration_id = migration_id;
  Status status = InTransaction([&](Transaction &transaction) {
    Rows rows = transaction.Query(kOriginal, {migration_id});
    if (rows.empty()) Raise("02000", "the migration has no text");
    const Row &original = rows[0];
    history.session_id = original.Int(0);
    history.original_number = static_cast<int>(original.Int(1));
    history.original = original.Text(2);
    history.error = ReadError(original, 3);
    history.last_attempt = static_cast<int>(original.Int(10));
    history.statement = static_cast<int>(original.Int(11));
    history.hints = original.Text(12);
    for (const Row &row : transaction.Query(kTried, {migration_id, history.original_number})) {
      TriedFix tried;
      tried.number = static_cast<int>(row.Int(0));
      tried.made_by = row.Text(1);
      tried.sql = row.Text(2);
      tried.error = ReadError(row, 3);
      tried.reason = row.Text(10);
      history.tried.push_back(std::move(tried));
    }
    for (const Row &row : transaction.Query(kCalls, {migration_id, history.original_number}))
      CountCall(row, &history);
    for (const Row &row : transaction.Query(kEarlier, {history.session_id, migration_id}))
      history.earlier_migrations.push_back(row.Text(0));
    const Rows spent = transaction.Query(kSpent, {history.session_id});
    history.spent.calls = spent[0].Int(0);
    history.spent.input_tokens = spent[0].Int(1);
    history.spent.output_tokens = spent[0].Int(2);
    history.spent.milliseconds = spent[0].Int(3);
    history.quota = ReadQuota(transaction, history.session_id);
  });
  if (!status.ok()) return status;
  return history;
}

Result<std::vector<RememberedFix>> PostgresStore::RememberedFixes(int64_t project_id,
                                                                  const std::string &signature) {
  std::vector<RememberedFix> fixes;
  Status status = InTransaction([&](Transaction &transaction) {
    for (const Row &row : transaction.Query(kRemembered, {project_id, signature}))
      fixes.push_back({row.Int(0), row.Text(1), row.Text(2)});
  });
  if (!status.ok()) return status;
  return fixes;
}

Result<HelperTask> PostgresStore::FixFunctionCall(const FixHistory &history,
                                                  const std::string &function) {
  HelperTask task;
  task.kind = HelperTask::Kind::kCallFixFunction;
  task.function = function;
  task.timeout = kFunctionTimeout;
  Status status = InTransaction([&](Transaction &transaction) {
    Rows rows = transaction.Query(kArgument, {history.migration_id, history.original_number});
    if (rows.empty() || rows[0].IsNull(0))
      Raise("42704", "the role that registered the project is gone", {},
            "Register the project again.");
    if (kHelperNeedsLogin && !rows[0].Bool(1))
      Raise("42501", "the fixer's function needs a role that may log in",
            "Role \"" + rows[0].Text(2) + "\", which registered the project, may not.",
            "Have a role with LOGIN register the project.");
    task.role_oid = static_cast<uint32_t>(rows[0].Int(0));
    task.text = rows[0].Text(3);
  });
  if (!status.ok()) return status;
  return task;
}

}  // namespace agent_branch
