-- Who may do and see what: PUBLIC, the levels of agent_branch_grant(), and roles among each other.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(66);

-- A catalogue: nothing of the extension is PUBLIC's.
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid,
		aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
	WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch') AND a.grantee = 0$$,
	'PUBLIC may execute no function');
SELECT is_empty($$
	SELECT c.oid::regclass FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid, aclexplode(c.relacl) AS a
	WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch') AND a.grantee <> c.relowner$$,
	'tables, views and sequences are their owner''s alone');
SELECT is_empty($$
	SELECT a.* FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
	WHERE n.nspname = 'agent_branch' AND a.grantee <> n.nspowner$$, 'nor has anybody else the schema');

CREATE ROLE agent_test_alice;
CREATE ROLE agent_test_bob;
CREATE ROLE agent_test_team;
CREATE ROLE agent_test_watcher;
CREATE ROLE agent_test_boss;
CREATE ROLE agent_test_stranger;
GRANT agent_test_team TO agent_test_alice, agent_test_bob;

-- Before any grant.
SET ROLE agent_test_stranger;
SELECT throws_ok($$SELECT agent_branch_create('x')$$, '42501', 'permission denied for function agent_branch_create', 'create');
SELECT throws_ok($$SELECT agent_wait('x')$$, '42501', 'permission denied for function agent_wait', 'wait');
SELECT throws_ok($$SELECT agent_connection_uri('x')$$, '42501', 'permission denied for function agent_connection_uri', 'uri');
SELECT throws_ok($$SELECT agent_migrate('x', 'x')$$, '42501', 'permission denied for function agent_migrate', 'migrate');
SELECT throws_ok($$SELECT agent_merge('x')$$, '42501', 'permission denied for function agent_merge', 'merge');
SELECT throws_ok($$SELECT agent_discard('x')$$, '42501', 'permission denied for function agent_discard', 'discard');
SELECT throws_ok($$SELECT agent_extend('x', '1 h')$$, '42501', 'permission denied for function agent_extend', 'extend');
SELECT throws_ok($$SELECT agent_reap()$$, '42501', 'permission denied for function agent_reap', 'reap');
SELECT throws_ok($$SELECT agent_project_register('x')$$, '42501', 'permission denied for function agent_project_register', 'register');
SELECT throws_ok($$CALL agent_run('x', '{}', NULL)$$, '42501', 'permission denied for procedure agent_run', 'run');
SELECT throws_ok($$SELECT agent_branch_grant('agent_test_stranger', 'admin')$$, '42501',
	'permission denied for function agent_branch_grant', 'grant');
SELECT throws_ok($$SELECT agent_branch_revoke('agent_test_stranger')$$, '42501',
	'permission denied for function agent_branch_revoke', 'revoke');
SELECT throws_ok($$SELECT FROM agent_sessions$$, '42501', 'permission denied for view agent_sessions', 'sessions');
SELECT throws_ok($$SELECT FROM agent_branch.session$$, '42501', 'permission denied for schema agent_branch', 'tables');
SELECT throws_ok($$SELECT FROM agent_branch.credential$$, '42501', 'permission denied for schema agent_branch', 'credentials');
RESET ROLE;

-- Levels.
SELECT lives_ok($$SELECT agent_branch_grant('agent_test_alice', 'user')$$, 'level user');
SELECT lives_ok($$SELECT agent_branch_grant('agent_test_bob', 'user')$$, 'level user for another');
SELECT lives_ok($$SELECT agent_branch_grant('agent_test_team', 'user')$$, 'level user for a group');
SELECT lives_ok($$SELECT agent_branch_grant('agent_test_watcher', 'monitor')$$, 'level monitor');
SELECT lives_ok($$SELECT agent_branch_grant('agent_test_boss', 'admin')$$, 'level admin');
SELECT throws_ok($$SELECT agent_branch_grant('agent_test_boss', 'king')$$, '22023', 'unknown access level "king"', 'unknown level');
SELECT throws_ok($$SELECT agent_branch_grant('agent_test_boss', NULL)$$, '22023', 'unknown access level "<null>"', 'null level');
SELECT throws_ok($$SELECT agent_branch_grant(4000000000::oid::regrole, 'user')$$, '42704', 'role 4000000000 does not exist', 'unknown role');
SELECT function_privs_are('agent_branch_create', ARRAY['text', 'text', 'interval', 'jsonb'], 'agent_test_alice', ARRAY['EXECUTE']);
SELECT function_privs_are('agent_reap', ARRAY['boolean'], 'agent_test_alice', '{}'::text[]);
SELECT function_privs_are('agent_project_register', ARRAY['text', 'text', 'text', 'text', 'jsonb'], 'agent_test_alice', '{}'::text[]);
SELECT function_privs_are('agent_branch_create', ARRAY['text', 'text', 'interval', 'jsonb'], 'agent_test_watcher', '{}'::text[]);
SELECT function_privs_are('agent_project_register', ARRAY['text', 'text', 'text', 'text', 'jsonb'], 'agent_test_boss', ARRAY['EXECUTE']);
SELECT function_privs_are('agent_reap', ARRAY['boolean'], 'agent_test_boss', ARRAY['EXECUTE']);
SELECT function_privs_are('agent_branch_grant', ARRAY['regrole', 'text', 'text'], 'agent_test_boss', '{}'::text[]);
SELECT function_privs_are('agent_branch', 'read_script', ARRAY['text'], 'agent_test_alice', ARRAY['EXECUTE']);
SELECT function_privs_are('agent_branch', 'read_script', ARRAY['text'], 'agent_test_watcher', '{}'::text[]);
SELECT schema_privs_are('agent_branch', 'agent_test_alice', ARRAY['USAGE']);
SELECT table_privs_are('agent_sessions', 'agent_test_alice', ARRAY['SELECT']);
SELECT table_privs_are('agent_branches', 'agent_test_alice', '{}'::text[]);
SELECT table_privs_are('agent_branches', 'agent_test_watcher', ARRAY['SELECT']);
SELECT table_privs_are('agent_branch', 'session', 'agent_test_boss', '{}'::text[]);

-- A session belongs to the role that made it.
SET ROLE agent_test_boss;
SELECT agent_project_register('agent-test');
SET ROLE agent_test_alice;
SELECT lives_ok($$SELECT agent_branch_create('private')$$, 'alice makes a session');
SET ROLE agent_test_team;
SELECT lives_ok($$SELECT agent_branch_create('shared')$$, 'a group makes a session');
RESET ROLE;
-- As if the transaction had committed, and the worker had made the branches.
UPDATE agent_branch.session SET created_at = now() - interval '1 min', state = 'ready', settled = true, branch_id = 'br-' || name;
DELETE FROM agent_branch.request;
INSERT INTO agent_branch.credential (session_id, project_id, pooled, uri)
	SELECT id, project_id, false, 'postgresql://' || name FROM agent_branch.session;

SET ROLE agent_test_alice;
SELECT set_eq('SELECT session FROM agent_sessions', ARRAY['private', 'shared'], 'alice sees hers and her group''s');
SELECT is(agent_connection_uri('private'), 'postgresql://private', 'alice gets her URI');
SELECT is(agent_connection_uri('shared'), 'postgresql://shared', 'and her group''s');
SET ROLE agent_test_bob;
SELECT set_eq('SELECT session FROM agent_sessions', ARRAY['shared'], 'bob sees his group''s only');
SELECT set_eq('SELECT DISTINCT session FROM agent_events', ARRAY['shared'], 'and its events');
SELECT is(agent_connection_uri('shared'), 'postgresql://shared', 'bob gets his group''s URI');
-- What he may not see is reported as what does not exist.
SELECT throws_ok($$SELECT agent_wait('private')$$, '42704', 'session "private" does not exist', 'bob cannot wait for it');
SELECT throws_ok($$SELECT agent_wait('nothing')$$, '42704', 'session "nothing" does not exist', 'as for what does not exist');
SELECT throws_ok($$SELECT agent_connection_uri('private')$$, '42704', 'session "private" does not exist', 'nor have its URI');
SELECT throws_ok($$SELECT agent_migrate('private', 'x')$$, '42704', 'session "private" does not exist', 'nor migrate');
SELECT throws_ok($$SELECT agent_merge('private')$$, '42704', 'session "private" does not exist', 'nor merge');
SELECT throws_ok($$SELECT agent_discard('private')$$, '42704', 'session "private" does not exist', 'nor discard');
SELECT throws_ok($$SELECT agent_extend('private', '1 h')$$, '42704', 'session "private" does not exist', 'nor extend');
SELECT throws_ok($$SELECT agent_branch_create('private')$$, '42710', 'session "private" of project "agent-test" exists already',
	'a name is taken for all');
SET ROLE agent_test_watcher;
SELECT set_eq('SELECT session FROM agent_sessions', ARRAY['private', 'shared'], 'monitor sees all');
SET ROLE agent_test_boss;
SELECT set_eq('SELECT session FROM agent_sessions', ARRAY['private', 'shared'], 'admin sees all');
SELECT throws_ok($$SELECT agent_connection_uri('private')$$, '42704', 'session "private" does not exist',
	'admin gets nobody''s URI');
SELECT is(agent_wait('private', '1 s'), 'ready', 'admin waits for others'' sessions');
SELECT is(agent_migrate('private', 'SELECT 1'), 1, 'and acts on them');
RESET ROLE;

-- A search_path and objects of a user's own change nothing.
CREATE SCHEMA agent_test_trap;
CREATE FUNCTION agent_test_trap.trap(text, text) RETURNS boolean LANGUAGE plpgsql
	AS $$BEGIN RAISE EXCEPTION 'trapped as %', current_user; END$$;
CREATE OPERATOR agent_test_trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = agent_test_trap.trap);
GRANT USAGE ON SCHEMA agent_test_trap TO PUBLIC;
SET ROLE agent_test_alice;
SET search_path = agent_test_trap, pg_catalog, public;
-- Not inside of lives_ok(), whose own statements are trapped.
SELECT agent_branch_create('trapped') AS branch, current_user AS "user", current_setting('search_path') AS path \gset
RESET search_path;
SELECT is(:'branch'::text, 'branch-for-revision-trapped', 'a search_path does not reach the owner''s statements');
SELECT is(:'path'::text, 'agent_test_trap, pg_catalog, public', 'and is back afterwards');
SELECT is(:'user'::text, 'agent_test_alice', 'as is the user');
RESET ROLE;

-- Revoking.
SELECT agent_branch_revoke('agent_test_alice');
SELECT is_empty($$SELECT FROM agent_branch.access WHERE role = 'agent_test_alice'::regrole$$, 'the level is gone');
SELECT is_empty($$SELECT FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE n.nspname = 'agent_branch'
	AND a.grantee = 'agent_test_alice'::regrole$$, 'and nothing of the schema is left');

SELECT * FROM finish();
ROLLBACK;
