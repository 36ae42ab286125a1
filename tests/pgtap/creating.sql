-- agent_branch_create().
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(41);

SELECT throws_ok($$SELECT agent_branch_create('s')$$, '42704', 'no project is registered', 'nothing registered');
SELECT agent_project_register('agent-test-a', options => '{"ttl": "2 h"}');

SELECT is(agent_branch_create('s'), 'branch-for-revision-s', 'returns the branch''s name');
SELECT results_eq($$SELECT session, project, state, settled, owner = current_user::text::regrole, branch_name, queue_position, created_at, expires_at
	FROM agent_sessions WHERE session = 's'$$,
	$$VALUES ('s', 'agent-test-a', 'queued', false, true, 'branch-for-revision-s', 1::bigint, now(), now() + interval '2 h')$$,
	'a queued session, its ttl the project''s');
SELECT results_eq($$SELECT r.kind, r.project_id = s.project_id, r.subject_id, r.arguments FROM agent_branch.request AS r
	JOIN agent_branch.session AS s ON s.id = r.session_id WHERE s.name = 's'$$,
	$$VALUES ('create', true, NULL::bigint, '{}'::jsonb)$$, 'and a request');
SELECT results_eq($$SELECT old_state, state FROM agent_events WHERE session = 's'$$,
	$$VALUES (NULL::text, 'queued')$$, 'and an event');

-- Names.
SELECT throws_ok($$SELECT agent_branch_create(NULL)$$, '22004', 'argument "session" must not be null', 'null');
SELECT throws_ok($$SELECT agent_branch_create('')$$, '42602', 'session name must not be empty', 'empty');
SELECT throws_ok($$SELECT agent_branch_create(' s')$$, '42602', 'session name must not begin or end with a blank', 'leading blank');
SELECT throws_ok($$SELECT agent_branch_create('s ')$$, '42602', 'session name must not begin or end with a blank', 'trailing blank');
SELECT throws_ok($$SELECT agent_branch_create(E's\n')$$, '42602', 'session name must not contain control characters', 'line break');
SELECT throws_ok($$SELECT agent_branch_create(E'a\u0085b')$$, '42602', 'session name must not contain control characters', 'C1 control');
SELECT throws_ok($$SELECT agent_branch_create(E'a\x7fb')$$, '42602', 'session name must not contain control characters', 'DEL');
SELECT throws_ok($$SELECT agent_branch_create(repeat('x', 237))$$, '42622', 'session name is too long', '257 characters with the prefix');
SELECT throws_ok($$SELECT agent_branch_create(repeat('é', 237))$$, '42622', 'session name is too long', 'characters, not bytes');
SELECT throws_ok($$SELECT agent_branch_create(repeat('x', 10000))$$, '42622', 'session name is too long', '10,000 characters');
SELECT is(agent_branch_create(repeat('é', 236)), 'branch-for-revision-' || repeat('é', 236), '256 characters');
SELECT is(agent_branch_create($$it's "%s" \ %n $1; --$$), $$branch-for-revision-it's "%s" \ %n $1; --$$, 'quotes and formats');
SELECT is(agent_branch_create('🤖 one'), 'branch-for-revision-🤖 one', 'emoji');
SELECT throws_ok($$SELECT agent_branch_create('s')$$, '42710', 'session "s" of project "agent-test-a" exists already', 'taken');
UPDATE agent_branch.session SET state = 'discarded', settled = true, finished_at = now() WHERE name = 's';
SELECT lives_ok($$SELECT agent_branch_create('s')$$, 'a finished session''s name may be used again');

-- Time to live.
SELECT lives_ok($$SELECT agent_branch_create('t', ttl => '30 days')$$, '30 days');
SELECT is((SELECT expires_at FROM agent_sessions WHERE session = 't'), now() + interval '720 h', 'counted in hours');
SELECT throws_ok($$SELECT agent_branch_create('t2', ttl => '0')$$, '22023', 'ttl must be greater than zero', 'ttl zero');
SELECT throws_ok($$SELECT agent_branch_create('t2', ttl => '-1 h')$$, '22023', 'ttl must be greater than zero', 'ttl negative');
SELECT throws_ok($$SELECT agent_branch_create('t2', ttl => '721 h')$$, '22023', 'ttl must not exceed 30 days', 'ttl too long');
SELECT throws_ok($$SELECT agent_branch_create('t2', ttl => '178000000 years')$$, '22023', 'ttl must not exceed 30 days', 'ttl far too long');

-- Options.
SELECT lives_ok($$SELECT agent_branch_create('o', options => '{"min_cu": 1, "max_cu": 2}')$$, 'compute sizes');
SELECT is((SELECT options FROM agent_branch.session WHERE name = 'o'), '{"min_cu": 1, "max_cu": 2}', 'are kept');
SELECT throws_ok($$SELECT agent_branch_create('o2', options => NULL)$$, '22004', 'argument "options" must not be null', 'options null');
SELECT throws_ok($$SELECT agent_branch_create('o2', options => '{"ttl": "1 h"}')$$, '22023', 'unknown option "ttl"', 'no option of a session');
SELECT throws_ok($$SELECT agent_branch_create('o2', options => '{"min_cu": "1"}')$$, '42804', 'option "min_cu" must be a number', 'wrong type');
SELECT throws_ok($$SELECT agent_branch_create('o2', options => '{"min_cu": 2}')$$, '22023', 'option "min_cu" must not exceed "max_cu"', 'more than the project''s');
SELECT throws_ok($$SELECT agent_branch_create('o2', options => '7')$$, '42804', 'options must be a JSON object', 'no object');

-- Projects.
SELECT throws_ok($$SELECT agent_branch_create('p', 'nowhere')$$, '42704', 'project "nowhere" is not registered', 'unknown project');
SELECT agent_project_register('agent-test-b', options => '{"min_cu": 2, "max_cu": 4}');
SELECT throws_ok($$SELECT agent_branch_create('p')$$, '42P08', 'project is ambiguous', 'two projects');
SELECT lives_ok($$SELECT agent_branch_create('s', 'agent-test-b')$$, 'the same name in another project');
SELECT is((SELECT expires_at FROM agent_sessions WHERE session = 's' AND project = 'agent-test-b'), now() + interval '24 h',
	'24 hours by default');
SELECT throws_ok($$SELECT agent_branch_create('q', 'agent-test-b', options => '{"max_cu": 1}')$$, '22023',
	'option "min_cu" must not exceed "max_cu"', 'the project''s min_cu counts');
SELECT throws_ok($$SELECT agent_extend('s', '1 h')$$, '42P08', 'session "s" is ambiguous', 'a session''s name in two projects');

-- Savepoints.
SAVEPOINT before;
SELECT agent_branch_create('gone', 'agent-test-a');
ROLLBACK TO before;
SELECT is_empty($$SELECT FROM agent_sessions WHERE session = 'gone'$$, 'a rollback leaves no session');
SELECT is_empty($$SELECT FROM agent_branch.request AS r LEFT JOIN agent_branch.session AS s ON s.id = r.session_id
	WHERE r.kind = 'create' AND s.id IS NULL$$, 'and no request');

SELECT * FROM finish();
ROLLBACK;
