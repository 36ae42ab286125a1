-- What the extension creates: names, arguments, results, comments.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(57);

SELECT has_schema('agent_branch');
SELECT schema_owner_is('agent_branch', (SELECT extowner::regrole::name FROM pg_extension WHERE extname = 'agent_branch'));

SELECT function_returns('agent_project_register', ARRAY['text', 'text', 'text', 'text', 'jsonb'], 'void');
SELECT function_returns('agent_branch_create', ARRAY['text', 'text', 'interval', 'jsonb'], 'text');
SELECT function_returns('agent_wait', ARRAY['text', 'interval', 'text'], 'text');
SELECT function_returns('agent_connection_uri', ARRAY['text', 'text', 'boolean', 'text'], 'text');
SELECT function_returns('agent_migrate', ARRAY['text', 'text', 'text', 'text'], 'integer');
SELECT function_returns('agent_merge', ARRAY['text', 'text', 'text', 'text', 'text'], 'void');
SELECT function_returns('agent_discard', ARRAY['text', 'text'], 'void');
SELECT function_returns('agent_extend', ARRAY['text', 'interval', 'text'], 'timestamp with time zone');
SELECT function_returns('agent_rotate_credentials', ARRAY['text', 'text'], 'void');
SELECT function_returns('agent_reap', ARRAY['boolean'], 'bigint');
SELECT function_returns('agent_branch_grant', ARRAY['regrole', 'text', 'text'], 'void');
SELECT function_returns('agent_branch_revoke', ARRAY['regrole', 'text'], 'void');
SELECT function_returns('agent_merge_preview', ARRAY['text', 'text'], 'jsonb');
SELECT function_returns('agent_merge_undo', ARRAY['text', 'boolean', 'text'], 'void');
SELECT function_returns('agent_rebase', ARRAY['text', 'text'], 'void');
SELECT function_returns('agent_project_remove', ARRAY['text'], 'void');
SELECT function_returns('agent_project_pause', ARRAY['text', 'text'], 'void');
SELECT function_returns('agent_project_resume', ARRAY['text'], 'void');
SELECT function_returns('agent_purge', ARRAY['interval'], 'bigint');
SELECT function_returns('agent_branch_tree', ARRAY['text', 'text'], 'text');
SELECT is(pg_get_function_result('agent_timeline'::regproc),
	'TABLE(step text, start timestamp with time zone, wait interval, duration interval, what text)', 'rows of agent_timeline()');
SELECT is(pg_get_function_result('agent_metrics'::regproc),
	'TABLE(name text, labels jsonb, value double precision, type text, help text)', 'rows of agent_metrics()');
SELECT is(pg_get_function_result('agent_branch.doctor'::regproc), 'SETOF record', 'rows of doctor()');
SELECT columns_are('agent_grants', ARRAY['role', 'level', 'project', 'limits', 'granted_by', 'granted_at']);
SELECT columns_are('agent_audit', ARRAY['id', 'at', 'asked', 'asked_as', 'asked_by', 'client_addr', 'session', 'project',
	'old_state', 'state', 'error', 'session_id', 'place', 'hash', 'sent', 'target', 'request_id', 'outcome']);
SELECT is_procedure('agent_run', 'agent_run() is a procedure');
SELECT is(pg_get_function_arguments('agent_run'::regproc),
	'IN session text, IN migrations text[], INOUT result jsonb, IN project text DEFAULT NULL::text, '
	'IN timeout interval DEFAULT ''00:10:00''::interval', 'arguments of agent_run()');

SELECT is(pg_get_function_arguments('agent_branch_create'::regproc),
	'session text, project text DEFAULT NULL::text, ttl interval DEFAULT NULL::interval, options jsonb DEFAULT ''{}''::jsonb',
	'arguments of agent_branch_create()');
SELECT is(pg_get_function_arguments('agent_wait'::regproc),
	'session text, timeout interval DEFAULT ''00:02:00''::interval, project text DEFAULT NULL::text',
	'arguments of agent_wait()');

SELECT columns_are('agent_projects', ARRAY['project', 'parent', 'database', 'role', 'options', 'registered_by',
	'registered_at', 'sessions', 'queued', 'paused_at', 'pause_reason',
	'swept_at', 'upkeep_error', 'upkeep_error_since', 'name', 'state']);
SELECT columns_are('agent_sessions', ARRAY['session', 'project', 'state', 'settled', 'error', 'hint', 'owner',
	'branch_name', 'branch_id', 'endpoint_id', 'queue_position', 'created_at', 'ready_at', 'state_changed_at',
	'expires_at', 'branch_expires_at', 'finished_at', 'pinned', 'api_calls', 'base_fingerprint', 'id', 'waits_for', 'waits_since',
	'goes_on_with', 'agent_role', 'shared_role']);
SELECT columns_are('agent_api_calls', ARRAY['route', 'calls', 'errors', 'errors_by_kind', 'retries', 'waits', 'wait_time',
	'total_time', 'mean_time', 'p50_time', 'p90_time', 'p99_time', 'max_time', 'stats_reset']);
SELECT columns_are('agent_spans', ARRAY['trace_id', 'span_id', 'parent_span_id', 'name', 'kind', 'started_at', 'ended_at', 'error',
	'attributes', 'session', 'project', 'session_id']);
SELECT function_returns('agent_stats_reset', ARRAY[]::text[], 'void');
SELECT function_returns('agent_branch', 'read_script', ARRAY['text'], 'jsonb');
SELECT function_returns('agent_branch', 'check_fix', ARRAY['text'], 'jsonb');
SELECT function_returns('agent_branch', 'fix_facts_query', ARRAY['text', 'text'], 'text');
SELECT columns_are('agent_migrations', ARRAY['session', 'project', 'ordinal', 'name', 'status', 'sql', 'attempts',
	'fixer', 'queued_at', 'started_at', 'finished_at', 'duration', 'statements', 'statements_done', 'alone', 'rows', 'risks',
	'statement', 'sqlstate', 'message', 'detail', 'hint', 'context', 'line', 'column', 'session_id']);
SELECT columns_are('agent_migration_attempts', ARRAY['session', 'project', 'ordinal', 'attempt', 'made_by', 'name',
	'status', 'reason', 'sql', 'queued_at', 'started_at', 'finished_at', 'duration', 'statements', 'statements_done',
	'alone', 'rows', 'risks', 'statement', 'sqlstate', 'message', 'detail', 'hint', 'context', 'line', 'column',
	'session_id', 'notices']);
SELECT columns_are('agent_merges', ARRAY['session', 'project', 'status', 'strategy', 'on_drift', 'reason',
	'requested_at', 'started_at', 'finished_at', 'base_fingerprint', 'parent_fingerprint', 'backup_name',
	'backup_branch_id', 'session_id', 'on_unrecorded', 'chosen', 'chosen_reason', 'transaction_id', 'certificate', 'candidates',
	'gates', 'undo_until', 'not_undoable', 'undo_status', 'undone_at', 'undone_by', 'undo_reason', 'undo_lost', 'preserved_name',
	'checked', 'pieces', 'after_fingerprint']);
SELECT columns_are('agent_fixer_calls', ARRAY['session', 'project', 'ordinal', 'attempt', 'source', 'model', 'outcome',
	'reason', 'explanation', 'input_tokens', 'output_tokens', 'cost', 'asked_at', 'answered_at', 'duration',
	'session_id']);
SELECT columns_are('agent_fixer_memory', ARRAY['project', 'id', 'original', 'fix', 'worked', 'failed', 'first_at',
	'last_at']);
SELECT columns_are('agent_conflicts', ARRAY['session', 'project', 'object', 'change', 'base_hash', 'branch_hash',
	'parent_hash', 'reason', 'found_at', 'session_id', 'base_definition', 'branch_definition', 'parent_definition',
	'depends_on', 'counterexamples']);
SELECT columns_are('agent_events', ARRAY['id', 'at', 'session', 'project', 'old_state', 'state', 'error',
	'session_id', 'asked_as', 'asked_by', 'client_addr', 'traceparent']);
SELECT columns_are('agent_branches', ARRAY['sweep', 'dry_run', 'seen_at', 'project', 'branch_id', 'name',
	'parent_id', 'class', 'action', 'session', 'created_at', 'expires_at', 'age', 'children', 'monthly_cost',
	'upkeep_error', 'upkeep_error_since']);
SELECT columns_are('agent_worker', ARRAY['pid', 'state', 'started_at', 'sessions', 'waiting', 'calls_waiting',
	'calls_under_way', 'calls_total', 'call_budget', 'last_error', 'last_error_at', 'queue', 'projects_in_trouble']);

-- Every function and every relation says what it is.
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid
	WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch')
		AND obj_description(p.oid, 'pg_proc') IS NULL$$, 'every function has a comment');
SELECT is_empty($$
	SELECT c.oid::regclass FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid
	WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch')
		AND c.relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL$$,
	'every table and view has a comment');

-- No function of a user's is STRICT (a null is an error that says so), none is SECURITY DEFINER.
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc AS p
	WHERE p.proname LIKE 'agent\_%' AND p.probin LIKE '%agent_branch%' AND (p.proisstrict OR p.prosecdef)$$,
	'no function is STRICT or SECURITY DEFINER');
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
	WHERE p.pronamespace IN ('agent_branch'::regnamespace) AND l.lanname = 'plpgsql'
		AND p.proconfig[1] IS DISTINCT FROM 'search_path=pg_catalog, pg_temp'$$,
	'functions in plpgsql pin their search_path');

SELECT is((SELECT relpersistence FROM pg_class WHERE oid = 'agent_branch.credential'::regclass), 'u',
	'connection URIs are not in WAL');
SELECT is((SELECT count(*) FROM agent_branch.installation), 1::bigint, 'one identity');
SELECT is_empty($$
	SELECT c.oid::regclass FROM pg_extension AS e, unnest(e.extconfig) AS c (oid)
	WHERE e.extname = 'agent_branch' AND c.oid IN ('agent_branch.credential'::regclass,
		'agent_branch.installation'::regclass, 'agent_branch.request'::regclass)$$,
	'a dump has neither credentials nor the identity nor requests');
SELECT col_is_pk('agent_branch', 'session', 'id', 'a session is one row');
SELECT has_index('agent_branch', 'session', 'session_unfinished_name', ARRAY['name', 'project_id'],
	'names of unfinished sessions are unique');

SELECT * FROM finish();
ROLLBACK;
