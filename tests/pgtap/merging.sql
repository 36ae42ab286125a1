-- agent_merge().
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(25);

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

SELECT lives_ok($$SELECT agent_merge('ready')$$, 'ready');
SELECT lives_ok($$SELECT agent_merge('queued')$$, 'queued');
SELECT lives_ok($$SELECT agent_merge('creating')$$, 'creating');
SELECT lives_ok($$SELECT agent_merge('conflict', 'restore', 'fail')$$, 'conflict');
SELECT results_eq($$SELECT s.name, r.arguments FROM agent_branch.request AS r JOIN agent_branch.session AS s ON s.id = r.session_id
	WHERE r.kind = 'merge' ORDER BY r.id$$,
	$$VALUES ('ready', '{"strategy": "auto", "on_drift": "fail", "on_unrecorded": "fail"}'::jsonb), ('queued', '{"strategy": "auto", "on_drift": "fail", "on_unrecorded": "fail"}'),
		('creating', '{"strategy": "auto", "on_drift": "fail", "on_unrecorded": "fail"}'), ('conflict', '{"strategy": "restore", "on_drift": "fail", "on_unrecorded": "fail"}')$$,
	'requests say what was chosen');
SELECT agent_project_register('agent-test', options => '{"merge_strategy": "restore"}');
SELECT pg_temp.make_session('by project', 'ready', 'br-p');
SELECT agent_merge('by project');
SELECT is((SELECT r.arguments ->> 'strategy' FROM agent_branch.request AS r JOIN agent_branch.session AS s ON s.id = r.session_id
	WHERE s.name = 'by project'), 'restore', 'the project''s option stands in');
SELECT pg_temp.make_session('by argument', 'ready', 'br-p');
SELECT agent_merge('by argument', 'auto');
SELECT is((SELECT r.arguments ->> 'strategy' FROM agent_branch.request AS r JOIN agent_branch.session AS s ON s.id = r.session_id
	WHERE s.name = 'by argument'), 'auto', 'an argument goes before it');

SELECT throws_ok($$SELECT agent_merge('ready')$$, '55006', 'a merge of session "ready" has been asked for already', 'twice');
SELECT throws_ok($$SELECT agent_merge('merging')$$, '55006', 'a merge of session "merging" has been asked for already', 'merging');
SELECT pg_temp.make_session('wants merge', 'ready', 'br-wm', 'merge');
SELECT throws_ok($$SELECT agent_merge('wants merge')$$, '55006', 'a merge of session "wants merge" has been asked for already', 'a merge that was taken');
SELECT throws_ok($$SELECT agent_merge('migrating')$$, '55006', 'session "migrating" has migrations that have not run yet', 'migrating');
SELECT pg_temp.make_session('open', 'ready', 'br-o');
SELECT agent_migrate('open', 'x');
SELECT throws_ok($$SELECT agent_merge('open')$$, '55006', 'session "open" has migrations that have not run yet', 'a queued migration');
SELECT throws_ok($$SELECT agent_merge('failed')$$, '55000', 'session "failed" has failed', 'failed');
SELECT throws_ok($$SELECT agent_merge('merged')$$, '55000', 'session "merged" is finished', 'merged');
SELECT throws_ok($$SELECT agent_merge('discarding')$$, '55000', 'session "discarding" is finished', 'discarding');
SELECT throws_ok($$SELECT agent_merge('discarded')$$, '55000', 'session "discarded" is finished', 'discarded');
SELECT throws_ok($$SELECT agent_merge('expired')$$, '55000', 'session "expired" is finished', 'expired');
SELECT pg_temp.make_session('too late', 'ready', 'br-tl', expires_in => '-1 s');
SELECT throws_ok($$SELECT agent_merge('too late')$$, '55000', 'session "too late" has expired', 'after its expiry');

SELECT pg_temp.make_session('m', 'ready', 'br-m');
SELECT throws_ok($$SELECT agent_merge(NULL)$$, '22004', 'argument "session" must not be null', 'session null');
SELECT throws_ok($$SELECT agent_merge('nothing')$$, '42704', 'session "nothing" does not exist', 'unknown session');
SELECT throws_ok($$SELECT agent_merge('m', 'magic')$$, '22023', 'unknown merge strategy "magic"', 'unknown strategy');
SELECT throws_ok($$SELECT agent_merge('m', on_unrecorded => 'keep')$$, '22023', 'unknown value of on_unrecorded "keep"', 'unknown on_unrecorded');
SELECT throws_ok($$SELECT agent_merge('m', on_drift => 'ignore')$$, '22023', 'unknown value of on_drift "ignore"', 'unknown on_drift');

-- The detail names the migration that failed.
WITH failed AS (
	INSERT INTO agent_branch.migration (session_id, ordinal, status)
	SELECT id, 1, 'failed' FROM agent_branch.session WHERE name = 'failed' RETURNING id)
INSERT INTO agent_branch.migration_attempt (migration_id, number, sql, status, message)
	SELECT id, 1, 'x', 'failed', 'relation "y" does not exist' FROM failed;
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
SELECT is(pg_temp.detail_of($$SELECT agent_merge('failed')$$), 'Migration 1 failed: relation "y" does not exist', 'what failed');
SELECT is(pg_temp.detail_of($$SELECT agent_merge('merged')$$), 'Its state is "merged".', 'what state it is in');

SELECT * FROM finish();
ROLLBACK;
