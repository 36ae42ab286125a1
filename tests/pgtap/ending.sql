-- agent_discard() and agent_extend().
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(37);

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

-- Extending goes first: what is discarded cannot be extended.
SELECT is(agent_extend(s, '5 h'), now() + interval '5 h', s || ' can be extended')
	FROM unnest(ARRAY['queued', 'creating', 'ready', 'migrating', 'conflict', 'failed', 'merging']) AS s;
SELECT results_eq($$SELECT DISTINCT r.arguments FROM agent_branch.request AS r WHERE r.kind = 'extend'$$,
	$$SELECT jsonb_build_object('expires_at', to_char((now() + interval '5 h') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))$$,
	'the request has it in RFC 3339');
SET TimeZone = 'Asia/Kolkata';
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SELECT agent_extend('ready', '6 h');
SELECT is((SELECT (r.arguments ->> 'expires_at') FROM agent_branch.request AS r WHERE r.kind = 'extend' ORDER BY id DESC LIMIT 1),
	to_char((now() + interval '6 h') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'whatever the session''s settings are');
RESET TimeZone;
RESET DateStyle;
RESET IntervalStyle;
SELECT is((SELECT expires_at FROM agent_sessions WHERE session = 'ready'), now() + interval '1 h', 'the worker is who changes it');
SELECT throws_ok($$SELECT agent_extend(NULL, '1 h')$$, '22004', 'argument "session" must not be null', 'session null');
SELECT throws_ok($$SELECT agent_extend('ready', NULL)$$, '22004', 'argument "ttl" must not be null', 'ttl null');
SELECT throws_ok($$SELECT agent_extend('ready', '0')$$, '22023', 'ttl must be greater than zero', 'ttl zero');
SELECT throws_ok($$SELECT agent_extend('ready', '-1 s')$$, '22023', 'ttl must be greater than zero', 'ttl negative');
SELECT throws_ok($$SELECT agent_extend('ready', '31 days')$$, '22023', 'ttl must not exceed 30 days', 'ttl too long');
SELECT throws_ok($$SELECT agent_extend('nothing', '1 h')$$, '42704', 'session "nothing" does not exist', 'unknown session');
SELECT throws_ok(format('SELECT agent_extend(%L, %L)', s, '1 h'), '55000', format('session "%s" is finished', s), s || ' cannot be extended')
	FROM unnest(ARRAY['merged', 'discarding', 'discarded', 'expired']) AS s;
SELECT pg_temp.make_session('too late', 'ready', 'br-tl', expires_in => '-1 s');
SELECT throws_ok($$SELECT agent_extend('too late', '1 h')$$, '55000', 'session "too late" has expired', 'after its expiry');

SELECT lives_ok(format('SELECT agent_discard(%L)', s), s || ' can be discarded')
	FROM unnest(ARRAY['queued', 'creating', 'ready', 'migrating', 'conflict', 'failed']) AS s;
SELECT lives_ok($$SELECT agent_discard('too late')$$, 'as can what has expired');
SELECT throws_ok($$SELECT agent_discard('merging')$$, '55006', 'session "merging" is being merged', 'merging cannot');
SELECT throws_ok($$SELECT agent_discard('ready')$$, '55000', 'session "ready" is finished', 'twice');
SELECT throws_ok(format('SELECT agent_discard(%L)', s), '55000', format('session "%s" is finished', s), s || ' cannot be discarded')
	FROM unnest(ARRAY['merged', 'discarding', 'discarded', 'expired']) AS s;
SELECT throws_ok($$SELECT agent_discard(NULL)$$, '22004', 'argument "session" must not be null', 'session null');
SELECT throws_ok($$SELECT agent_discard('nothing')$$, '42704', 'session "nothing" does not exist', 'unknown session');
SELECT results_eq($$SELECT count(*) FROM agent_branch.request WHERE kind = 'discard'$$, $$VALUES (7::bigint)$$, 'a request each');

SELECT * FROM finish();
ROLLBACK;
