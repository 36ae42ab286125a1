-- Read-only transactions, isolation levels, rollbacks.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(20);

SELECT agent_project_register('agent-test');
-- A session as if it had been made a minute ago: what is made here counts as not committed yet.
CREATE FUNCTION pg_temp.make_session(name text, state text, branch_id text DEFAULT NULL, goal text DEFAULT NULL,
	settled boolean DEFAULT false, expires_in interval DEFAULT '1 h', error text DEFAULT NULL) RETURNS bigint LANGUAGE sql
	BEGIN ATOMIC
	INSERT INTO agent_branch.session (project_id, name, owner, branch_name, state, branch_id, goal, settled, expires_at,
		error, created_at, finished_at)
	SELECT p.id, make_session.name, current_user::text::regrole, 'branch-for-revision-' || make_session.name,
		make_session.state, make_session.branch_id, make_session.goal, make_session.settled, now() + expires_in,
		make_session.error, now() - interval '1 min',
		CASE WHEN make_session.state IN ('merged', 'discarded', 'expired') THEN now() END
	FROM agent_branch.project AS p WHERE p.project = 'agent-test' RETURNING id;
	END;
SELECT pg_temp.make_session('s', 'ready', 'br-s', settled => true);
INSERT INTO agent_branch.credential (session_id, project_id, pooled, uri)
	SELECT id, project_id, false, 'postgresql://s' FROM agent_branch.session WHERE name = 's';

-- pgTAP writes as it goes, so the transaction is read-only inside of the statement only.
CREATE FUNCTION pg_temp.read_only(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	SET LOCAL transaction_read_only = on;
	EXECUTE sql INTO result;
	RAISE EXCEPTION 'result: %', result USING ERRCODE = 'AB999';
END$$;
SELECT throws_ok(format('SELECT pg_temp.read_only(%L)', 'SELECT ' || call), '25006',
	format('cannot execute %s() in a read-only transaction', split_part(call, '(', 1)), split_part(call, '(', 1) || '() is refused')
	FROM unnest(ARRAY['agent_project_register(''p'')', 'agent_branch_create(''x'')', 'agent_migrate(''s'', ''x'')', 'agent_merge(''s'')',
		'agent_discard(''s'')', 'agent_extend(''s'', ''1 h'')', 'agent_reap()']) AS call;
SELECT throws_ok($$SELECT pg_temp.read_only('CALL agent_run(''x'', ''{}'', NULL)')$$, '25006',
	'cannot execute agent_run() in a read-only transaction', 'agent_run() is refused');
SELECT throws_ok($$SELECT pg_temp.read_only('SELECT agent_wait(''s'')')$$, 'AB999', 'result: ready', 'agent_wait() is not');
SELECT throws_ok($$SELECT pg_temp.read_only('SELECT agent_connection_uri(''s'')')$$, 'AB999', 'result: postgresql://s',
	'nor is agent_connection_uri()');

-- An exception handler is a savepoint.
CREATE FUNCTION pg_temp.tried(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql;
	RAISE EXCEPTION 'undo';
EXCEPTION WHEN raise_exception THEN
	RETURN 'undone';
END$$;
SELECT is(pg_temp.tried($$SELECT agent_branch_create('n')$$), 'undone', 'a session undone');
SELECT is_empty($$SELECT FROM agent_sessions WHERE session = 'n'$$, 'is not there');
SELECT is(pg_temp.tried($$SELECT agent_migrate('s', 'x')$$), 'undone', 'a migration undone');
SELECT is_empty($$SELECT FROM agent_migrations WHERE session = 's'$$, 'is not there');
SELECT is(pg_temp.tried($$SELECT agent_discard('s')$$), 'undone', 'a discard undone');
SELECT is_empty($$SELECT FROM agent_branch.request AS r JOIN agent_branch.session AS t ON t.id = r.session_id WHERE t.name = 's'$$,
	'is not there');
SELECT lives_ok($$SELECT agent_merge('s')$$, 'and the session can be merged');

-- The user and the settings are the caller's again after an error.
CREATE FUNCTION pg_temp.failed() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM agent_migrate('nothing', 'x');
	RETURN NULL;
EXCEPTION WHEN undefined_object THEN
	RETURN current_user || ' ' || current_setting('search_path');
END$$;
SET search_path = public, pg_catalog;
SELECT is(pg_temp.failed(), current_user || ' public, pg_catalog', 'an error leaves the user and search_path as they were');
RESET search_path;

-- Two sessions of one name, of which one is finished, do not hinder each other.
SELECT pg_temp.make_session('twice', 'discarded', settled => true);
SELECT lives_ok($$SELECT agent_branch_create('twice')$$, 'a name may be used again');
SELECT is((SELECT count(*) FROM agent_sessions WHERE session = 'twice'), 2::bigint, 'and both are shown');

SELECT * FROM finish();
ROLLBACK;
