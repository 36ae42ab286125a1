-- agent_connection_uri().
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(27);

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
SELECT pg_temp.make_session(s, s, CASE WHEN s NOT IN ('queued', 'creating') THEN 'br-' || s END)
	FROM unnest(ARRAY['queued', 'creating', 'ready', 'migrating', 'conflict', 'failed', 'merging', 'merged', 'discarding', 'discarded', 'expired']) AS s;
SELECT pg_temp.make_session('failed early', 'failed', error => 'no such parent');
INSERT INTO agent_branch.credential (session_id, project_id, pooled, uri)
	SELECT s.id, s.project_id, p.pooled, 'postgresql://' || s.name || CASE WHEN p.pooled THEN '-pooler' ELSE '' END
	FROM agent_branch.session AS s, (VALUES (true), (false)) AS p (pooled);
INSERT INTO agent_branch.credential (project_id, pooled, uri)
	SELECT id, false, 'postgresql://parent' FROM agent_branch.project WHERE project = 'agent-test';

SELECT is(agent_connection_uri('ready'), 'postgresql://ready', 'direct by default');
-- What the worker keeps for itself nobody is given.
UPDATE agent_branch.credential SET access = 'worker' WHERE session_id = (SELECT id FROM agent_branch.session WHERE name = 'migrating');
INSERT INTO agent_branch.credential (session_id, project_id, pooled, uri)
	SELECT id, project_id, false, 'postgresql://agent' FROM agent_branch.session WHERE name = 'migrating';
SELECT is(agent_connection_uri('migrating'), 'postgresql://agent', 'of the agent''s role');
DELETE FROM agent_branch.credential WHERE uri = 'postgresql://agent';
UPDATE agent_branch.credential SET access = NULL;
SELECT agent_rotate_credentials('ready');
SELECT is((SELECT array_agg(kind || ' ' || (session_id = (SELECT id FROM agent_branch.session WHERE name = 'ready')))
	FROM agent_branch.request WHERE kind = 'rotate'), ARRAY['rotate true'], 'another password is asked for');
UPDATE agent_branch.session SET shared_role = 'none can be made' WHERE name = 'conflict';
SELECT throws_ok($$SELECT agent_rotate_credentials('conflict')$$, '55000', 'the agent of session "conflict" has no role of its own', 'not of the project''s role');
SELECT throws_ok($$SELECT agent_rotate_credentials('queued')$$, '55000', 'session "queued" has no branch yet', 'nor where there is none');
SELECT throws_ok($$SELECT agent_rotate_credentials('merged')$$, '55000', 'session "merged" is finished', 'nor of what is over');
SELECT throws_ok($$SELECT agent_rotate_credentials('nothing')$$, '42704', 'session "nothing" does not exist', 'nor of nothing');
SELECT throws_ok($$SELECT agent_rotate_credentials(NULL)$$, '22004', 'argument "session" must not be null', 'nor of null');
SELECT is(agent_connection_uri('ready', pooled => true), 'postgresql://ready-pooler', 'pooled');
SELECT is(agent_connection_uri('ready', 'parent'), 'postgresql://parent', 'of the parent');
SELECT is(agent_connection_uri(s), 'postgresql://' || s, s)
	FROM unnest(ARRAY['migrating', 'conflict', 'failed', 'merging']) AS s;
SELECT throws_ok(format('SELECT agent_connection_uri(%L)', s), '55000', format('session "%s" has no branch yet', s), s || ' has none')
	FROM unnest(ARRAY['queued', 'creating']) AS s;
SELECT throws_ok(format('SELECT agent_connection_uri(%L)', s), '55000', format('session "%s" is finished', s), s || ' has none any more')
	FROM unnest(ARRAY['merged', 'discarding', 'discarded', 'expired']) AS s;
SELECT throws_ok($$SELECT agent_connection_uri('failed early')$$, '55000', 'session "failed early" has no branch', 'failed without a branch');
SELECT throws_ok($$SELECT agent_connection_uri('nothing')$$, '42704', 'session "nothing" does not exist', 'unknown session');
SELECT throws_ok($$SELECT agent_connection_uri(NULL)$$, '22004', 'argument "session" must not be null', 'session null');
SELECT throws_ok($$SELECT agent_connection_uri('ready', NULL)$$, '22004', 'argument "target" must not be null', 'target null');
SELECT throws_ok($$SELECT agent_connection_uri('ready', pooled => NULL)$$, '22004', 'argument "pooled" must not be null', 'pooled null');
SELECT throws_ok($$SELECT agent_connection_uri('ready', 'production')$$, '22023', 'unknown connection target "production"', 'unknown target');
-- A URI that is not there is waited for, and the wait obeys the statement's timeout.
DELETE FROM agent_branch.credential;
CREATE FUNCTION pg_temp.cancelled(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql;
	RETURN NULL;
EXCEPTION WHEN query_canceled THEN
	RETURN sqlerrm;
END$$;
SET statement_timeout = '100 ms';
SELECT pg_temp.cancelled($$SELECT agent_connection_uri('ready')$$) AS result \gset
RESET statement_timeout;
SELECT is(:'result'::text, 'canceling statement due to statement timeout', 'waits for the worker');

SELECT * FROM finish();
ROLLBACK;
