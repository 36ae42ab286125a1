#include "worker/store_rows.hpp"

#include <sstream>

#include "postgres/server.hpp"
#include "worker/core/state/gate_options.hpp"

namespace agent_branch {

namespace {

std::vector<std::string> Words(const std::string &text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;)
    words.push_back(word);
  return words;
}

std::vector<std::string> Lines(const std::string &text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

}  // namespace

const char kProjectColumns[] = R"(
SELECT id, project, parent, database, role, coalesce(options->>'api_key_file', ''),
  coalesce((options->>'max_parallel')::integer, 4), coalesce((options->>'min_cu')::float8, 0.25),
  coalesce((options->>'max_cu')::float8, 1),
  coalesce(extract(epoch FROM (options->>'undo_window')::interval), 0)::bigint,
  (options->>'max_pinned')::integer,
  coalesce(extract(epoch FROM (options->>'statement_timeout')::interval) * 1000, 600000)::bigint,
  coalesce(extract(epoch FROM (options->>'lock_timeout')::interval) * 1000, 30000)::bigint,
  coalesce((SELECT string_agg(kind, ' ')
    FROM jsonb_array_elements_text(options->'refuse_risks') AS kind), ''),
  coalesce(options->>'fixer', 'llm'), coalesce(options->>'fixer_function', ''),
  paused_at IS NOT NULL,
  coalesce(extract(epoch FROM (options->>'replay_budget')::interval) * 1000, 10000)::bigint,
  coalesce((SELECT string_agg(quote_ident(managed.name), E'\n')
    FROM jsonb_array_elements_text(options->'managed_schemas') AS managed (name)),
    CASE WHEN options ? 'managed_schemas' THEN '' ELSE 'neon_auth' END),
  coalesce(options->>'on_unrecorded', '') = 'drop',
  coalesce((SELECT jsonb_agg(CASE jsonb_typeof(g.value)
      WHEN 'string' THEN jsonb_build_object('name', g.name, 'sql', g.value)
      ELSE g.value || jsonb_build_object('name', g.name,
        'timeout', (extract(epoch FROM (g.value->>'timeout')::interval) * 1000)::bigint,
        'longest_lock', (extract(epoch FROM (g.value->>'longest_lock')::interval) * 1000)::bigint)
      END
      ORDER BY g.name COLLATE "C")
    FROM (SELECT key AS name, value FROM jsonb_each(CASE jsonb_typeof(options->'gates')
        WHEN 'object' THEN options->'gates' END)
      UNION ALL SELECT 'gate ' || n, value FROM jsonb_array_elements(
        CASE jsonb_typeof(options->'gates') WHEN 'array' THEN options->'gates' END)
        WITH ORDINALITY AS e (value, n)) AS g)::text, ''),
  coalesce((options->>'allow_pieces')::boolean, false),
  coalesce(options->>'isolate_role', 'possible'),
  coalesce(options->>'parent_access', CASE options->>'isolate_role' WHEN 'false' THEN 'none' ELSE 'read_only' END)
    = 'read_only'
FROM agent_branch.project )";

ProjectRow ReadProject(const Row &row) {
  ProjectRow project;
  project.id = row.Int(0);
  project.neon_id = row.Text(1);
  project.parent = row.Text(2);
  project.database = row.Text(3);
  project.role = row.Text(4);
  project.api_key_file = row.Text(5);
  project.max_parallel = static_cast<int>(row.Int(6));
  project.min_cu = row.Float(7);
  project.max_cu = row.Float(8);
  project.undo_window = row.Int(9);
  if (!row.IsNull(10)) project.max_pinned = static_cast<int>(row.Int(10));
  project.statement_timeout = milliseconds(row.Int(11));
  project.lock_timeout = milliseconds(row.Int(12));
  project.refuse_risks = Words(row.Text(13));
  project.fixer = row.Text(14);
  project.fixer_function = row.Text(15);
  project.paused = row.Bool(16);
  project.replay_budget = milliseconds(row.Int(17));
  project.managed_schemas = Lines(row.Text(18));
  project.drops_unrecorded = row.Bool(19);
  project.gates = ReadGates(row.Text(20));
  project.allow_pieces = row.Bool(21);
  const std::string isolation = row.Text(22);
  project.isolation = isolation == "false"  ? RoleIsolation::kOff
                      : isolation == "true" ? RoleIsolation::kAlways
                                            : RoleIsolation::kWherePossible;
  project.reads_parent = row.Bool(23);
  return project;
}

const char kSessionColumns[] = R"(
SELECT id, uuid, project_id, name, branch_name, (options->>'min_cu')::float8,
  (options->>'max_cu')::float8, state, coalesce(goal, ''), settled, coalesce(error, ''),
  coalesce(error_hint, ''), extract(epoch FROM created_at)::bigint,
  ceil(extract(epoch FROM expires_at))::bigint, coalesce(parent_branch_id, ''),
  coalesce(parent_reset_at, ''), coalesce(branch_id, ''), coalesce(endpoint_id, ''),
  coalesce(extract(epoch FROM branch_expires_at), 0)::bigint, bare_compute,
  array_to_string(operations, ' '), coalesce(base_fingerprint, ''), pinned, api_calls,
  finished_at IS NOT NULL, coalesce(role_branch_id, ''), coalesce(shared_role, '')
FROM agent_branch.session )";

SessionRow ReadSession(const Row &row) {
  SessionRow session;
  session.id = row.Int(0);
  session.uuid = row.Text(1);
  session.project_id = row.Int(2);
  session.name = row.Text(3);
  session.branch_name = row.Text(4);
  if (!row.IsNull(5)) session.min_cu = row.Float(5);
  if (!row.IsNull(6)) session.max_cu = row.Float(6);
  session.state = ParseState(row.Text(7)).value_or(SessionState::kFailed);
  session.goal = ParseGoal(row.Text(8));
  session.settled = row.Bool(9);
  session.error = row.Text(10);
  session.error_hint = row.Text(11);
  session.created_at = row.Int(12);
  session.expires_at = row.Int(13);
  session.parent_branch_id = row.Text(14);
  session.parent_reset_at = row.Text(15);
  session.branch_id = row.Text(16);
  session.endpoint_id = row.Text(17);
  session.branch_expires_at = row.Int(18);
  session.bare_compute = row.Bool(19);
  session.operations = Words(row.Text(20));
  session.base_fingerprint = row.Text(21);
  session.pinned = row.Bool(22);
  session.api_calls = static_cast<int>(row.Int(23));
  session.finished = row.Bool(24);
  session.role_branch_id = row.Text(25);
  session.shared_role = row.Text(26);
  return session;
}

const char kMigrationColumns[] = R"(
SELECT m.id, m.session_id, m.ordinal, m.status, m.attempt, coalesce(m.transaction_id::text, ''),
  coalesce(m.seen_before, ''), m.segment_rows, t.statements_done, t.rows, t.made_by,
  coalesce(m.fixer, ''), coalesce(m.segment_record::text, ''),
  coalesce(substr(m.record::text, 2, length(m.record::text) - 2), '')
FROM agent_branch.migration AS m JOIN agent_branch.migration_attempt AS t
  ON t.migration_id = m.id AND t.number = m.attempt )";

MigrationRow ReadMigration(const Row &row) {
  MigrationRow migration;
  migration.id = row.Int(0);
  migration.session_id = row.Int(1);
  migration.ordinal = static_cast<int>(row.Int(2));
  migration.status = ParseMigrationStatus(row.Text(3)).value_or(MigrationStatus::kQueued);
  migration.attempt = static_cast<int>(row.Int(4));
  migration.transaction_id = row.Text(5);
  migration.seen_before = row.Text(6);
  migration.segment_rows = row.Int(7);
  migration.statements_done = static_cast<int>(row.Int(8));
  migration.rows = row.Int(9);
  migration.made_by = row.Text(10);
  migration.fixer = row.Text(11);
  migration.segment_record = row.Text(12);
  migration.record = row.Text(13);
  return migration;
}

}  // namespace agent_branch
