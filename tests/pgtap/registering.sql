-- agent_project_register(): what it accepts, refuses and writes.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(70);

SELECT lives_ok($$SELECT agent_project_register('agent-test')$$, 'a project by its id alone');
SELECT results_eq($$SELECT project, parent, database, role, options, registered_by = current_user::text::regrole FROM agent_projects WHERE project = 'agent-test'$$,
	$$VALUES ('agent-test', 'development', 'neondb', 'neondb_owner', '{}'::jsonb, true)$$, 'defaults');
SELECT results_eq($$SELECT r.kind, r.arguments, r.requested_by = current_user::text::regrole FROM agent_branch.request AS r JOIN agent_branch.project AS p ON p.id = r.project_id
	WHERE p.project = 'agent-test'$$, $$VALUES ('register', '{}'::jsonb, true)$$, 'and a request for the worker');
SELECT id AS id FROM agent_branch.project WHERE project = 'agent-test' \gset
SELECT lives_ok($$SELECT agent_project_register('agent-test', 'main', 'app', 'owner', '{"max_parallel": 2}')$$, 'again');
SELECT results_eq($$SELECT id, parent, database, role, options FROM agent_branch.project WHERE project = 'agent-test'$$,
	format($$VALUES (%s::bigint, 'main', 'app', 'owner', '{"max_parallel": 2}'::jsonb)$$, :id), 'changes the same row');

-- Nulls, empty and long texts.
SELECT throws_ok($$SELECT agent_project_register(NULL)$$, '22004', 'argument "project" must not be null', 'project null');
SELECT throws_ok($$SELECT agent_project_register('p', NULL)$$, '22004', 'argument "parent" must not be null', 'parent null');
SELECT throws_ok($$SELECT agent_project_register('p', database => NULL)$$, '22004', 'argument "database" must not be null', 'database null');
SELECT throws_ok($$SELECT agent_project_register('p', role => NULL)$$, '22004', 'argument "role" must not be null', 'role null');
SELECT throws_ok($$SELECT agent_project_register('p', options => NULL)$$, '22004', 'argument "options" must not be null', 'options null');
SELECT throws_ok($$SELECT agent_project_register('')$$, '22023', 'project must not be empty', 'project empty');
SELECT throws_ok($$SELECT agent_project_register('p', '')$$, '22023', 'parent must not be empty', 'parent empty');
SELECT throws_ok($$SELECT agent_project_register('p', database => '')$$, '22023', 'database must not be empty', 'database empty');
SELECT throws_ok($$SELECT agent_project_register('p', role => '')$$, '22023', 'role must not be empty', 'role empty');
SELECT throws_ok($$SELECT agent_project_register(repeat('x', 257))$$, '42622', 'project is too long', 'project too long');
SELECT throws_ok($$SELECT agent_project_register(E'a\nb')$$, '42602', 'project must not contain control characters', 'a line break');

-- Options that are taken.
SELECT lives_ok($$SELECT agent_project_register('agent-test', options => '{"max_parallel": 4, "ttl": "24 h", "min_cu": 0.25,
	"max_cu": 56, "merge_strategy": "auto", "on_drift": "fail", "undo_window": "0", "max_pinned": 0,
	"statement_timeout": "10 min", "lock_timeout": "500 ms"}')$$, 'every option');
SELECT lives_ok($$SELECT agent_project_register('agent-test', options => '{"ttl": "30 days"}')$$, 'the longest ttl');
SELECT lives_ok($$SELECT agent_project_register('agent-test', options => '{"merge_strategy": "restore"}')$$, 'restore');

-- Options that are not.
SELECT throws_ok($$SELECT agent_project_register('p', options => '[]')$$, '42804', 'options must be a JSON object', 'an array');
SELECT throws_ok($$SELECT agent_project_register('p', options => 'null')$$, '42804', 'options must be a JSON object', 'a JSON null');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"speed": 1}')$$, '22023', 'unknown option "speed"', 'unknown');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"max_parallel": "4"}')$$, '42804', 'option "max_parallel" must be an integer', 'string for integer');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"max_parallel": 1.5}')$$, '42804', 'option "max_parallel" must be an integer', 'fraction for integer');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"max_parallel": 0}')$$, '22023', 'option "max_parallel" must be from 1 to 1000', 'none in parallel');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"max_parallel": 1001}')$$, '22023', 'option "max_parallel" must be from 1 to 1000', 'too many in parallel');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"max_pinned": -1}')$$, '22023', 'option "max_pinned" must be from 0 to 1000000', 'negative');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"min_cu": "1"}')$$, '42804', 'option "min_cu" must be a number', 'string for number');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"min_cu": 0.1}')$$, '22023', 'option "min_cu" must be from 0.25 to 56', 'too small');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"max_cu": 57}')$$, '22023', 'option "max_cu" must be from 0.25 to 56', 'too large');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"min_cu": 4, "max_cu": 2}')$$, '22023', 'option "min_cu" must not exceed "max_cu"', 'upside down');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"min_cu": 2}')$$, '22023', 'option "min_cu" must not exceed "max_cu"', 'more than the default max_cu');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"ttl": 24}')$$, '42804', 'option "ttl" must be a string', 'number for interval');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"ttl": "soon"}')$$, '22023', 'option "ttl" must be an interval', 'no interval');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"ttl": "0"}')$$, '22023', 'option "ttl" must be greater than zero', 'ttl zero');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"ttl": "30 days 1 s"}')$$, '22023', 'option "ttl" must not exceed 30 days', 'ttl too long');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"undo_window": "-1 s"}')$$, '22023', 'option "undo_window" must not be negative', 'undo_window negative');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"lock_timeout": "0"}')$$, '22023', 'option "lock_timeout" must be greater than zero', 'lock_timeout zero');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"statement_timeout": "-1 s"}')$$, '22023', 'option "statement_timeout" must be greater than zero', 'statement_timeout negative');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"merge_strategy": "magic"}')$$, '22023', 'unknown merge strategy "magic"', 'unknown strategy');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"on_unrecorded": "keep"}')$$, '22023', 'unknown value of on_unrecorded "keep"', 'unknown on_unrecorded');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"on_drift": "ignore"}')$$, '22023', 'unknown value of on_drift "ignore"', 'unknown on_drift');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"fixer": "perhaps"}')$$, '22023', 'unknown value of option "fixer" "perhaps"', 'fixer');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"fixer_function": "f(); DROP TABLE x"}')$$, '22023', 'invalid value of option "fixer_function"', 'fixer_function');
SELECT throws_ok(format($$SELECT agent_project_register('p', options => jsonb_build_object('gates', jsonb_build_object('g', %L)))$$, g.sql),
	'22023', 'gate "g" cannot be read as a query', 'no gate: ' || g.sql)
FROM (VALUES ('DELETE FROM t'), ('SELECT 1; SELECT 2'), ('SELECT 1) AS g; DROP TABLE t; SELECT 1 FROM (SELECT 2'), ('COMMIT'), ('SELECT FROM WHERE')) AS g (sql);
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"gates": {"g": {"sql": "SELECT 1", "timeout": "soon"}}}')$$,
	'22023', 'option "timeout of gate g" must be an interval', 'a gate''s time');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"gates": {"g": {"sql": "SELECT 1", "timeout": "0"}}}')$$,
	'22023', 'option "timeout of gate g" must be greater than zero', 'no time for a gate');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"gates": {"g": {"on": "branch"}}}')$$, '22023', 'gate "g" has neither a query nor a limit', 'nothing to ask');
SELECT lives_ok($$SELECT agent_project_register('gated', options => '{"gates": {"a": "SELECT 1 WHERE false; ", "b": {"sql": "VALUES (true) -- ok", "on": "parent", "timeout": "5 s"}}}')$$, 'gates');
SELECT lives_ok($$SELECT agent_project_register('gated', options => '{"gates": ["WITH w AS (SELECT 1) SELECT * FROM w WHERE false"]}')$$, 'gates without names');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"api_key_file": "../key"}')$$, '22023', 'invalid value of option "api_key_file"', 'a path out of the directory');
SELECT throws_ok($$SELECT agent_project_register('p', options => '{"api_key_file": ".key"}')$$, '22023', 'invalid value of option "api_key_file"', 'a hidden file');
SELECT is_empty($$SELECT FROM agent_branch.project WHERE project = 'p'$$, 'what was refused left nothing');

-- agent_project_create(): what it writes, and that the name stands for the project.
SELECT lives_ok($$SELECT agent_project_create('agent test shop', '{"max_cu": 2, "parent": "dev", "region": "aws-eu-central-1"}')$$, 'a project to be made');
SELECT results_eq($$SELECT project, name, parent, options, state FROM agent_projects WHERE name = 'agent test shop'$$,
	$$VALUES (NULL::text, 'agent test shop', 'dev', '{"max_cu": 2}'::jsonb, 'creating')$$, 'is shown while it is being made');
SELECT results_eq($$SELECT wish, mark IS NOT NULL, asked_at FROM agent_branch.provision WHERE name = 'agent test shop'$$,
	$$VALUES ('{"production": "production", "region": "aws-eu-central-1"}'::jsonb, true, NULL::timestamptz)$$, 'what is for Neon stands apart');
SELECT throws_ok($$SELECT agent_project_create('agent test shop')$$, '42710', 'project "agent test shop" exists already', 'a name is taken once');
SELECT throws_ok($$SELECT agent_project_create('agent-test')$$, '42710', 'project "agent-test" exists already', 'an id is no free name');
SELECT throws_ok($$SELECT agent_project_register('agent test shop')$$, '55006', 'project "agent test shop" is being made at Neon', 'it cannot be registered meanwhile');
SELECT throws_ok($$SELECT agent_project_create(NULL)$$, '22004', 'argument "name" must not be null', 'no name');
SELECT throws_ok($$SELECT agent_project_create('x', '{"parent": "production"}')$$, '22023', 'options "parent" and "production" must differ', 'one branch for two');
SELECT throws_ok($$SELECT agent_project_create('x', '{"speed": 1}')$$, '22023', 'unknown option "speed"', 'unknown option');
SELECT throws_ok($$SELECT agent_branch_create('s', 'agent test shop')$$, '55006', 'project "agent test shop" is being made at Neon', 'nor worked in');
UPDATE agent_branch.provision SET asked_at = now() WHERE name = 'agent test shop';
SELECT throws_ok($$SELECT agent_project_remove('agent test shop')$$, '55006', 'project "agent test shop" is being made at Neon', 'nor given up while Neon is asked');
UPDATE agent_branch.provision SET asked_at = NULL WHERE name = 'agent test shop';
SELECT lives_ok($$SELECT agent_project_remove('agent test shop')$$, 'but before or after');
SELECT agent_project_register('wild-sea-1');
UPDATE agent_branch.project SET name = 'agent test shop' WHERE project = 'wild-sea-1';
SELECT lives_ok($$SELECT agent_project_pause('agent test shop'), agent_project_resume('wild-sea-1')$$, 'name and id are the same project');

SELECT * FROM finish();
ROLLBACK;
