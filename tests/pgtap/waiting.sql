-- agent_wait(), as far as it can be seen in one transaction.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(26);

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
SELECT pg_temp.make_session(s, s, 'br-' || s, settled => true)
	FROM unnest(ARRAY['ready', 'conflict', 'failed', 'merged', 'discarded', 'expired']) AS s;
SELECT is(agent_wait(s, '1 min'), s, s || ' is returned at once')
	FROM unnest(ARRAY['ready', 'conflict', 'failed', 'merged', 'discarded', 'expired']) AS s;

SELECT pg_temp.make_session('busy', 'creating', error => 'Neon said 423');
SELECT throws_ok($$SELECT agent_wait('busy', '10 ms')$$, 'AB001', 'session "busy" did not settle within 10 ms', 'a timeout');
SELECT throws_ok($$SELECT agent_wait('busy', '1.5 s')$$, 'AB001', 'session "busy" did not settle within 1 s 500 ms', 'a longer one');
CREATE FUNCTION pg_temp.detail_of(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE sql;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END$$;
SELECT is(pg_temp.detail_of($$SELECT agent_wait('busy', '10 ms')$$), 'Its state is "creating". Its last error: Neon said 423',
	'says how far it is');
-- A request that somebody else committed and the worker has not taken.
INSERT INTO agent_branch.request (kind, session_id, requested_by, requested_at)
	SELECT 'merge', id, owner, now() - interval '1 s' FROM agent_branch.session WHERE name = 'ready';
SELECT throws_ok($$SELECT agent_wait('ready', '10 ms')$$, 'AB001', 'session "ready" did not settle within 10 ms',
	'a request that was not taken yet is outstanding');

SELECT throws_ok($$SELECT agent_wait(NULL)$$, '22004', 'argument "session" must not be null', 'session null');
SELECT throws_ok($$SELECT agent_wait('busy', NULL)$$, '22023', 'timeout must be greater than zero', 'timeout null');
SELECT throws_ok($$SELECT agent_wait('busy', '0')$$, '22023', 'timeout must be greater than zero', 'timeout zero');
SELECT throws_ok($$SELECT agent_wait('busy', '-1 s')$$, '22023', 'timeout must be greater than zero', 'timeout negative');
SELECT throws_ok($$SELECT agent_wait('nothing', '1 s')$$, '42704', 'session "nothing" does not exist', 'unknown session');
SELECT throws_ok($$SELECT agent_wait('busy', '1 s', 'elsewhere')$$, '42704', 'session "busy" of project "elsewhere" does not exist',
	'unknown project');

-- What this transaction asked for cannot be waited for in it.
SELECT agent_branch_create('new');
SELECT throws_ok($$SELECT agent_wait('new')$$, '25001', 'session "new" was created in this transaction', 'created here');
SELECT throws_ok($$SELECT agent_migrate('new', 'x')$$, '25001', 'session "new" was created in this transaction', 'nor migrated');
SELECT throws_ok($$SELECT agent_merge('new')$$, '25001', 'session "new" was created in this transaction', 'nor merged');
SELECT throws_ok($$SELECT agent_discard('new')$$, '25001', 'session "new" was created in this transaction', 'nor discarded');
SELECT throws_ok($$SELECT agent_extend('new', '1 h')$$, '25001', 'session "new" was created in this transaction', 'nor extended');
SELECT throws_ok($$SELECT agent_connection_uri('new')$$, '25001', 'session "new" was created in this transaction', 'nor connected to');
SELECT agent_migrate('conflict', 'SELECT 1');
SELECT throws_ok($$SELECT agent_wait('conflict')$$, '25001', 'session "conflict" cannot settle before this transaction commits',
	'asked for here');
SAVEPOINT before;
SELECT agent_discard('failed');
ROLLBACK TO before;
SELECT is(agent_wait('failed', '1 s'), 'failed', 'what was rolled back does not count');

-- The unfinished session of a name goes before finished ones, and of these the latest.
SELECT pg_temp.make_session('again', 'discarded', settled => true);
SELECT pg_temp.make_session('again', 'expired', settled => true);
SELECT is(agent_wait('again', '1 s'), 'expired', 'the latest finished one');
SELECT pg_temp.make_session('again', 'ready', 'br', settled => true);
SELECT is(agent_wait('again', '1 s'), 'ready', 'the unfinished one');

SELECT * FROM finish();
ROLLBACK;
