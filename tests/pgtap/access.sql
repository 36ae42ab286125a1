-- Rights by project, roles that come and go, limits, the parent's URI, audit.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(68);

CREATE ROLE agent_test_alice;
CREATE ROLE agent_test_bob;
CREATE ROLE agent_test_watcher;
CREATE ROLE agent_test_boss;
SELECT agent_project_register('north'), agent_project_register('south');

SELECT lives_ok($$SELECT agent_branch_grant('agent_test_alice', 'user', 'north')$$, 'a level for one project');
SELECT lives_ok($$SELECT agent_branch_grant('agent_test_bob', 'user')$$, 'a level for every project');
SELECT lives_ok($$SELECT agent_branch_grant('agent_test_watcher', 'monitor', 'north')$$, 'monitor of one');
SELECT lives_ok($$SELECT agent_branch_grant('agent_test_boss', 'admin', 'north')$$, 'admin of one');
SELECT throws_ok($$SELECT agent_branch_grant('agent_test_bob', 'user', 'west')$$, '42704', 'project "west" is not registered', 'unknown project');
SELECT throws_ok($$SELECT agent_branch_grant(NULL, 'user')$$, '22004', 'argument "role" must not be null', 'null role');
SELECT results_eq($$SELECT role::text, level, project FROM agent_grants ORDER BY 1, 3$$, $$VALUES
	('agent_test_alice', 'user', 'north'), ('agent_test_bob', 'user', NULL), ('agent_test_boss', 'admin', 'north'),
	('agent_test_watcher', 'monitor', 'north')$$, 'agent_grants says who has what');

SET ROLE agent_test_alice;
SELECT results_eq('SELECT project FROM agent_projects', ARRAY['north'], 'alice sees her project only');
SELECT is(agent_branch_create('a'), 'branch-for-revision-a', 'and needs not name it');
SELECT throws_ok($$SELECT agent_branch_create('a', 'south')$$, '42704', 'project "south" is not registered', 'the other one does not exist');
SELECT results_eq('SELECT role::text FROM agent_grants', ARRAY['agent_test_alice'], 'she sees her grant only');
SET ROLE agent_test_bob;
SELECT throws_ok($$SELECT agent_branch_create('b')$$, '42P08', 'project is ambiguous', 'bob has two projects');
SELECT is(agent_branch_create('b', 'south'), 'branch-for-revision-b', 'and works in either');
SELECT is(agent_branch_create('c', 'north'), 'branch-for-revision-c', 'or the other');
SET ROLE agent_test_watcher;
SELECT set_eq('SELECT session FROM agent_sessions', ARRAY['a', 'c'], 'a monitor of one project sees its sessions');
SELECT set_eq('SELECT DISTINCT session FROM agent_events', ARRAY['a', 'c'], 'and their events');
SELECT lives_ok('SELECT * FROM agent_branches', 'a monitor reads agent_branches');
SELECT set_eq($$SELECT role::text FROM agent_grants$$, ARRAY['agent_test_alice', 'agent_test_boss', 'agent_test_watcher'],
	'and the grants there');
SET ROLE agent_test_boss;
SELECT set_eq('SELECT session FROM agent_sessions', ARRAY['a', 'c'], 'so does an admin of one');
SELECT throws_ok($$SELECT agent_discard('b', 'south')$$, '42704', 'session "b" of project "south" does not exist', 'who does not act elsewhere');
SELECT lives_ok($$SELECT agent_project_register('north', options => '{"parent_access": "none"}')$$, 'but registers it anew');
SELECT throws_ok($$SELECT agent_project_register('south')$$, '42501', 'permission denied for agent_project_register()', 'not another''s');
SELECT throws_ok($$SELECT agent_project_register('west')$$, '42501', 'permission denied for agent_project_register()', 'nor a new one');
SELECT throws_ok($$SELECT agent_reap()$$, '42501', 'permission denied for agent_reap()', 'what concerns every project needs admin for every one');
SELECT throws_ok($$SELECT agent_purge('1 day')$$, '42501', 'permission denied for agent_purge()', 'purging does');
SELECT throws_ok($$SELECT agent_branch_take_over()$$, '42501', 'permission denied for agent_branch_take_over()', 'taking over does');
RESET ROLE;

-- The parent's URI.
UPDATE agent_branch.session SET created_at = now() - interval '1 min', state = 'ready', settled = true, branch_id = 'br-' || name;
DELETE FROM agent_branch.request;
INSERT INTO agent_branch.credential (session_id, project_id, pooled, uri)
	SELECT NULL, id, false, 'postgresql://parent-of-' || project FROM agent_branch.project;
SELECT agent_project_register('north');
INSERT INTO agent_branch.credential (session_id, project_id, pooled, uri, access)
	SELECT NULL, id, n = 1, CASE n WHEN 0 THEN 'postgresql://reader-of-' || project ELSE '' END, 'reader'
	FROM agent_branch.project, generate_series(0, 1) AS n;
SET ROLE agent_test_alice;
SELECT is(agent_connection_uri('a', 'parent'), 'postgresql://reader-of-north', 'a user only reads the parent');
SELECT throws_ok($$SELECT agent_connection_uri('a', 'parent', pooled => true)$$, '0A000',
	'there is no role that only reads the parent of session "a"', 'if there is a role for that');
RESET ROLE;
SELECT agent_project_register('north', options => '{"parent_access": "none"}');
SET ROLE agent_test_alice;
SELECT throws_ok($$SELECT agent_connection_uri('a', 'parent')$$, '42501', 'permission denied for the parent of session "a"', 'or has no URI of it');
RESET ROLE;
SELECT agent_project_register('north', options => '{"isolate_role": false}');
SET ROLE agent_test_alice;
SELECT throws_ok($$SELECT agent_connection_uri('a', 'parent')$$, '42501', 'permission denied for the parent of session "a"',
	'as where no roles are to be made');
RESET ROLE;
SELECT agent_project_register('north', options => '{"parent_access": "full"}');
SET ROLE agent_test_alice;
SELECT is(agent_connection_uri('a', 'parent'), 'postgresql://parent-of-north', 'but where the project says so');
RESET ROLE;
SELECT agent_project_register('north');
SELECT agent_branch_grant('agent_test_alice', 'admin', 'north');
SET ROLE agent_test_alice;
SELECT is(agent_connection_uri('a', 'parent'), 'postgresql://parent-of-north', 'an admin has it, for sessions of its own');
RESET ROLE;
SELECT agent_branch_grant('agent_test_alice', 'user', 'north');

-- Limits.
SELECT throws_ok($$SELECT agent_branch_limit('agent_test_alice', '{"x": 1}', 'north')$$, '22023', 'unknown limit "x"', 'unknown limit');
SELECT throws_ok($$SELECT agent_branch_limit('agent_test_alice', '{"live_sessions": -1}', 'north')$$, '22023', 'limit "live_sessions" must be an integer from 0 to 1000000000000', 'a bad one');
SELECT throws_ok($$SELECT agent_branch_limit('agent_test_alice', '[]', 'north')$$, '42804', 'limits must be a JSON object', 'no object');
SELECT throws_ok($$SELECT agent_branch_limit('agent_test_alice', '{}')$$, '42704', 'role agent_test_alice has no level there', 'no such grant');
SELECT lives_ok($$SELECT agent_branch_limit('agent_test_alice', '{"live_sessions": 2}', 'north')$$, 'two sessions');
SET ROLE agent_test_alice;
SELECT lives_ok($$SELECT agent_branch_create('a2')$$, 'a second');
SELECT throws_ok($$SELECT agent_branch_create('a3')$$, '53400', 'limit of this role in project "north" is reached', 'no third');
RESET ROLE;
SELECT agent_branch_limit('agent_test_alice', '{"fixer_tokens_a_day": 1}', 'north');
SELECT agent_branch_limit('agent_test_alice', '{"queued_sessions": 1}', 'north');
SET ROLE agent_test_alice;
SELECT throws_ok($$SELECT agent_branch_create('a3')$$, '53400', 'limit of this role in project "north" is reached', 'one may wait');
RESET ROLE;
SELECT agent_branch_limit('agent_test_alice', '{"branches_a_day": 2}', 'north');
SET ROLE agent_test_alice;
SELECT throws_ok($$SELECT agent_branch_create('a3')$$, '53400', 'limit of this role in project "north" is reached', 'two a day');
RESET ROLE;
SELECT agent_branch_limit('agent_test_alice', '{"migration_bytes": 20}', 'north');
SET ROLE agent_test_alice;
SELECT lives_ok($$SELECT agent_migrate('a', 'SELECT 1')$$, 'a short migration');
SELECT throws_ok($$SELECT agent_migrate('a', 'SELECT 123456')$$, '53400', 'limit of this role in project "north" is reached', 'and no more bytes');
RESET ROLE;
SELECT agent_project_register('south', options => '{"max_live_sessions": 1}');
SET ROLE agent_test_bob;
SELECT throws_ok($$SELECT agent_branch_create('d', 'south')$$, '53400', 'limit in project "south" is reached', 'a project has limits of its own');
RESET ROLE;

-- Revoking for one project, and altogether.
SELECT agent_branch_grant('agent_test_bob', 'monitor', 'south');
SELECT lives_ok($$SELECT agent_branch_revoke('agent_test_bob', 'south')$$, 'one project is revoked');
SELECT results_eq($$SELECT level, project FROM agent_grants WHERE role = 'agent_test_bob'::regrole$$, $$VALUES ('user', NULL::text)$$, 'the rest stays');
SELECT throws_ok($$SELECT agent_branch_revoke(NULL)$$, '22004', 'argument "role" must not be null', 'of nobody');
SELECT lives_ok($$SELECT agent_branch_revoke('-')$$, 'of no role');

-- A role that is renamed keeps what it has; one that is gone leaves nothing to whoever comes after.
ALTER ROLE agent_test_watcher RENAME TO agent_test_seer;
SELECT agent_branch_grant('agent_test_boss', 'admin', 'north');
SELECT is((SELECT role_name FROM agent_branch.access WHERE role = 'agent_test_seer'::regrole), 'agent_test_seer', 'a new name is noted');
SELECT 'agent_test_boss'::regrole::oid AS boss, 'agent_test_bob'::regrole::oid AS bob \gset
DROP OWNED BY agent_test_boss;
SELECT is_empty($$SELECT FROM agent_branch.role_access WHERE role = 'agent_test_boss'::regrole$$, 'DROP OWNED takes the level');
DROP ROLE agent_test_boss;
CREATE ROLE agent_test_boss;
SELECT is_empty($$SELECT FROM agent_branch.role_access WHERE role = 'agent_test_boss'::regrole$$, 'another role of that name has nothing');
SELECT lives_ok(format('SELECT agent_branch_revoke(%s::regrole)', :'boss'), 'what a role that is gone had can be revoked');
SELECT is_empty(format('SELECT FROM agent_branch.access WHERE role = %s', :'boss'), 'and is gone');
DROP OWNED BY agent_test_bob;
DROP ROLE agent_test_bob;
CREATE ROLE agent_test_bob;
SELECT agent_branch_grant('agent_test_bob', 'user');
SET ROLE agent_test_bob;
SELECT is_empty('SELECT session FROM agent_sessions', 'nor does a namesake have the sessions');
RESET ROLE;

-- What a dump brings finds its roles by name; a role that is not there loses no row.
SELECT lives_ok($$INSERT INTO agent_branch.access (role, role_name, level) VALUES (10, 'agent_test_nobody', 'admin'), (10, 'agent_test_none', 'user')$$,
	'access of roles that are not there');
SELECT set_eq($$SELECT role FROM agent_branch.access WHERE role_name LIKE 'agent\_test\_no%'$$, ARRAY[0::oid], 'is nobody''s, and not that of the role with this oid');
SELECT lives_ok($$INSERT INTO agent_branch.session (project_id, name, owner, owner_name, branch_name, expires_at)
	SELECT id, 'dumped', 10, 'agent_test_nobody', 'x', now() FROM agent_branch.project WHERE project = 'north'$$, 'a session of one');
SELECT is((SELECT owner FROM agent_branch.session WHERE name = 'dumped'), 0::oid, 'is nobody''s');
CREATE ROLE agent_test_nobody;
SELECT agent_branch_take_over();
SELECT is((SELECT owner FROM agent_branch.session WHERE name = 'dumped'), 'agent_test_nobody'::regrole::oid, 'until the role is there');

-- Who asked for what.
SET ROLE agent_test_alice;
SELECT agent_extend('a', '2 h');
RESET ROLE;
SELECT results_eq($$SELECT asked, asked_as::text COLLATE "default", session, project FROM agent_audit WHERE asked = 'extend'$$,
	$$VALUES ('extend', 'agent_test_alice', 'a', 'north')$$, 'a request is an event');
SELECT is((SELECT asked_by FROM agent_audit WHERE asked = 'extend'), session_user, 'with who had logged in');
SELECT is((SELECT asked_as FROM agent_events WHERE session = 'a' AND old_state IS NULL), 'agent_test_alice', 'as the begin of a session is');
-- What was sent for it.
INSERT INTO agent_branch.step (id, project_id, session_id, kind, target, status)
	SELECT 900001, s.project_id, s.id, 'set expiry', 'br-a', 'intended' FROM agent_branch.session AS s WHERE s.name = 'a';
SELECT is_empty($$SELECT FROM agent_audit WHERE sent IS NOT NULL$$, 'what is only intended is no event');
UPDATE agent_branch.step SET status = 'done', request_id = 'neon-7', outcome = 'HTTP 200' WHERE id = 900001;
SELECT results_eq($$SELECT session, project, sent, target, request_id, outcome FROM agent_audit WHERE sent IS NOT NULL$$,
	$$VALUES ('a', 'north', 'set expiry', 'br-a', 'neon-7', 'done: HTTP 200')$$, 'what was sent is one, with what came of it');
SELECT agent_branch.seal_events();
SELECT is((SELECT v.whole FROM agent_events_verify() AS v), true, 'the chain is whole');
SELECT is((SELECT v.checked FROM agent_events_verify() AS v), (SELECT count(*) FROM agent_branch.event), 'and has all events');
UPDATE agent_branch.event SET asked_as = 'agent_test_seer' WHERE asked = 'extend';
SELECT is((SELECT v.reason FROM agent_events_verify() AS v), 'it is not what it was when it was sealed', 'a changed event shows');
UPDATE agent_branch.event SET asked_as = 'agent_test_alice' WHERE asked = 'extend';
DELETE FROM agent_branch.event WHERE place = 3;
SELECT is((SELECT v.reason FROM agent_events_verify() AS v), 'an event before it is missing', 'so does one that is missing');

SELECT * FROM finish();
ROLLBACK;
