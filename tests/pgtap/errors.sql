-- Every error that a call raises has an SQLSTATE that docs/errors.md names, and a hint.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(2);
SELECT agent_project_register('errors');
SELECT agent_branch_create('busy');
UPDATE agent_branch.session SET created_at = now() - interval '1 min', state = 'ready', settled = true, branch_id = 'br-busy';
DELETE FROM agent_branch.request;
SELECT agent_migrate('busy', 'SELECT 1');

CREATE TEMPORARY TABLE raised (call text, state text, message text, hint text);
CREATE FUNCTION pg_temp.try(call text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	hint text;
BEGIN
	EXECUTE call;
	INSERT INTO raised VALUES (call, '00000', 'no error', '');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	INSERT INTO raised VALUES (call, state, message, hint);
END
$$;
SELECT pg_temp.try('SELECT ' || call) FROM unnest(ARRAY[
	'agent_project_register(NULL)', 'agent_project_register('''')', 'agent_project_register(repeat(''x'', 257))',
	'agent_project_register(E''a\tb'')', 'agent_project_register(''p'', options => NULL)', 'agent_project_register(''p'', options => ''[]'')',
	'agent_project_register(''p'', options => ''{"x": 1}'')', 'agent_project_register(''p'', options => ''{"ttl": 1}'')',
	'agent_project_register(''p'', options => ''{"ttl": "x"}'')', 'agent_project_register(''p'', options => ''{"ttl": "-1 s"}'')',
	'agent_project_register(''p'', options => ''{"max_parallel": 0}'')', 'agent_project_register(''p'', options => ''{"max_parallel": "1"}'')',
	'agent_project_register(''p'', options => ''{"min_cu": 9}'')', 'agent_project_register(''p'', options => ''{"max_cu": 99}'')',
	'agent_project_register(''p'', options => ''{"merge_strategy": "x"}'')', 'agent_project_register(''p'', options => ''{"on_drift": "x"}'')',
	'agent_project_register(''p'', options => ''{"on_unrecorded": "x"}'')', 'agent_project_register(''p'', options => ''{"parent_access": "x"}'')',
	'agent_project_register(''p'', options => ''{"gates": ["SELECT 1; SELECT 2"]}'')', 'agent_project_register(''p'', options => ''{"managed_schemas": [""]}'')',
	'agent_project_register(''p'', options => ''{"isolate_role": 1}'')', 'agent_project_register(''p'', options => ''{"fixer": "x"}'')',
	'agent_project_register(''p'', options => ''{"refuse_risks": ["x"]}'')', 'agent_project_register(''p'', options => ''{"api_key_file": "x"}'')',
	'agent_project_remove(NULL)', 'agent_project_remove(''x'')', 'agent_project_remove(''errors'')', 'agent_project_pause(NULL)',
	'agent_project_pause(''errors'', repeat(''x'', 1001))', 'agent_project_resume(''x'')',
	'agent_branch_create(NULL)', 'agent_branch_create('''')', 'agent_branch_create('' x'')', 'agent_branch_create(repeat(''x'', 300))',
	'agent_branch_create(E''a\nb'')', 'agent_branch_create(''busy'')', 'agent_branch_create(''x'', ''none'')',
	'agent_branch_create(''x'', ttl => ''0'')', 'agent_branch_create(''x'', ttl => ''31 days'')', 'agent_branch_create(''x'', options => ''{"x": 1}'')',
	'agent_wait(NULL)', 'agent_wait(''none'')', 'agent_wait(''busy'', ''0'')', 'agent_wait(''busy'', NULL)', 'agent_wait(''busy'')',
	'agent_connection_uri(NULL)', 'agent_connection_uri(''none'')', 'agent_connection_uri(''busy'', ''x'')',
	'agent_migrate(''busy'', NULL)', 'agent_migrate(''busy'', repeat(''x'', 1048577))',
	'agent_migrate(''busy'', ''x'', repeat(''x'', 257))', 'agent_migrate(''none'', ''x'')',
	'agent_merge(NULL)', 'agent_merge(''busy'')', 'agent_merge(''busy'', ''x'')', 'agent_merge(''busy'', ''replay'')',
	'agent_merge(''busy'', on_drift => ''x'')', 'agent_merge(''busy'', on_unrecorded => ''x'')', 'agent_merge(''busy'', on_unrecorded => ''drop'')',
	'agent_merge_preview(''busy'')', 'agent_merge_undo(''busy'')', 'agent_merge_undo(''busy'', NULL)', 'agent_rebase(''busy'')',
	'agent_discard(NULL)', 'agent_discard(''none'')', 'agent_extend(''busy'', NULL)', 'agent_extend(''busy'', ''-1 s'')', 'agent_extend(''busy'', ''1 year'')',
	'agent_timeline(''none'')', 'agent_branch_tree(''none'')', 'agent_branch_tree(NULL, ''x'')', 'agent_branch_tree(NULL, NULL)',
	'agent_purge(NULL)', 'agent_purge(''-1 s'')', 'agent_reap(NULL)', 'agent_branch_grant(NULL, ''user'')', 'agent_branch_grant(''pg_monitor'', NULL)',
	'agent_branch_grant(''pg_monitor'', ''user'', ''none'')', 'agent_branch_grant(4000000000::oid::regrole, ''user'')', 'agent_branch_revoke(NULL)',
	'agent_branch_revoke(''pg_monitor'', ''none'')', 'agent_branch_limit(''pg_monitor'', NULL)', 'agent_branch_limit(''pg_monitor'', ''{}'')',
	'agent_branch_limit(''pg_monitor'', ''{"x": 1}'')', 'agent_branch_limit(''pg_monitor'', ''{"live_sessions": "x"}'')',
	'agent_branch.read_script(NULL)']) AS call;
SELECT is_empty($$SELECT call, state, message FROM raised WHERE hint = ''$$, 'each has a hint');
SELECT is_empty($$SELECT call, state, message FROM raised WHERE state NOT IN ('0A000', '22004', '22023', '25001', '25006', '2D000', '42501',
	'42602', '42622', '42704', '42710', '42804', '42P08', '53400', '54000', '55000', '55006', 'AB001')$$, 'and a code that is documented');
SELECT * FROM finish();
ROLLBACK;
