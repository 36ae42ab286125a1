-- Settings: their defaults, who may see them, what they refuse.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(11);
-- What the server says of a setting that is hidden: another text from 16 on.
CREATE FUNCTION pg_temp.hidden(setting text) RETURNS text LANGUAGE sql AS $$
	SELECT format(CASE WHEN current_setting('server_version_num')::integer < 160000
		THEN 'must be superuser or have privileges of pg_read_all_settings to examine "%s"'
		ELSE 'permission denied to examine "%s"' END, setting)
$$;

SELECT results_eq($$SELECT name COLLATE "C", boot_val, coalesce(unit, ''), context FROM pg_settings WHERE name LIKE 'agent\_branch.%' ORDER BY 1$$, $$VALUES
	('agent_branch.active_compute_limit' COLLATE "C", '20', '', 'sighup'),
	('agent_branch.api_key_directory', '', '', 'sighup'),
	('agent_branch.api_key_file', '', '', 'sighup'),
	('agent_branch.api_url', 'https://console.neon.tech/api/v2', '', 'sighup'),
	('agent_branch.branch_month_price', '1.5', '', 'sighup'),
	('agent_branch.branch_prefix', 'branch-for-revision-', '', 'sighup'),
	('agent_branch.ca_file', '', '', 'sighup'),
	('agent_branch.compute_hour_price', '0.106', '', 'sighup'),
	('agent_branch.database_workers', '8', '', 'postmaster'),
	('agent_branch.fixer_answer_tokens', '8192', '', 'sighup'),
	('agent_branch.fixer_attempts', '3', '', 'sighup'),
	('agent_branch.fixer_input_price', '0', '', 'sighup'),
	('agent_branch.fixer_key_file', '', '', 'sighup'),
	('agent_branch.fixer_max_cost', '0', '', 'sighup'),
	('agent_branch.fixer_max_time', '600', 's', 'sighup'),
	('agent_branch.fixer_max_tokens', '200000', '', 'sighup'),
	('agent_branch.fixer_model', '', '', 'sighup'),
	('agent_branch.fixer_output_price', '0', '', 'sighup'),
	('agent_branch.fixer_protocol', 'openai', '', 'sighup'),
	('agent_branch.fixer_timeout', '120', 's', 'sighup'),
	('agent_branch.fixer_url', '', '', 'sighup'),
	('agent_branch.https_proxy', '', '', 'sighup'),
	('agent_branch.keep_finished', '90', '', 'sighup'),
	('agent_branch.max_age', '86400', 's', 'sighup'),
	('agent_branch.rate_limit_burst', '40', '', 'sighup'),
	('agent_branch.rate_limit_per_minute', '700', '', 'sighup'),
	('agent_branch.reap_interval', '21600', 's', 'sighup'),
	('agent_branch.reap_limit', '100', '', 'sighup'),
	('agent_branch.storage_month_price', '0.35', '', 'sighup')$$, 'names, defaults, units, contexts');

-- None can be set by a user, and none by a database or a role, where everybody could read it.
SELECT throws_ok($$SET agent_branch.api_url = 'https://evil.example'$$, '55P02', 'parameter "agent_branch.api_url" cannot be changed now', 'not by SET');
SELECT throws_ok(format('ALTER DATABASE %I SET agent_branch.api_url = %L', current_database(), 'https://evil.example'), '55P02',
	'parameter "agent_branch.api_url" cannot be changed now', 'not by ALTER DATABASE');
SELECT throws_ok($$SET agent_branch.nonsense = 1$$, '42602', 'invalid configuration parameter name "agent_branch.nonsense"', 'the prefix is reserved');
CREATE ROLE agent_test_nobody;
SET ROLE agent_test_nobody;
SELECT throws_ok($$SHOW agent_branch.api_url$$, '42501', pg_temp.hidden('agent_branch.api_url'), 'the URL is hidden');
SELECT throws_ok($$SHOW agent_branch.api_key_file$$, '42501', pg_temp.hidden('agent_branch.api_key_file'), 'the key''s file is hidden');
SELECT throws_ok($$SHOW agent_branch.api_key_directory$$, '42501', pg_temp.hidden('agent_branch.api_key_directory'), 'the keys'' directory is hidden');
SELECT throws_ok($$SHOW agent_branch.fixer_url$$, '42501', pg_temp.hidden('agent_branch.fixer_url'), 'the model''s URL is hidden');
SELECT throws_ok($$SHOW agent_branch.fixer_key_file$$, '42501', pg_temp.hidden('agent_branch.fixer_key_file'), 'the file of its key, too');
SELECT throws_ok($$SHOW agent_branch.https_proxy$$, '42501', pg_temp.hidden('agent_branch.https_proxy'), 'the proxy is hidden');
SELECT throws_ok($$SHOW agent_branch.ca_file$$, '42501', pg_temp.hidden('agent_branch.ca_file'), 'the file of authorities, too');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
