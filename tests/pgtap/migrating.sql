-- agent_migrate().
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(33);

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
SELECT pg_temp.make_session('q', 'queued');
SELECT pg_temp.make_session('r', 'ready', 'br-r');

SELECT is(agent_migrate('q', 'CREATE TABLE a ()'), 1, 'a queued session takes migrations');
SELECT is(agent_migrate('q', 'CREATE TABLE b ()', 'second'), 2, 'ordinals count up');
SELECT is(agent_migrate('r', 'CREATE TABLE a ()'), 1, 'in each session');
SELECT results_eq($$SELECT ordinal, name, status, sql FROM agent_migrations WHERE session = 'q' ORDER BY ordinal$$,
	$$VALUES (1, NULL::text, 'queued', 'CREATE TABLE a ()'), (2, 'second', 'queued', 'CREATE TABLE b ()')$$, 'as they were given');
SELECT results_eq($$SELECT r.kind, m.ordinal, r.arguments FROM agent_branch.request AS r JOIN agent_branch.migration AS m ON m.id = r.subject_id
	JOIN agent_branch.session AS s ON s.id = r.session_id AND s.id = m.session_id WHERE s.name = 'q' ORDER BY 2$$,
	$$VALUES ('migrate', 1, '{}'::jsonb), ('migrate', 2, '{}'::jsonb)$$, 'and a request each');
SAVEPOINT before;
SELECT is(agent_migrate('q', 'CREATE TABLE c ()'), 3, 'a third one');
ROLLBACK TO before;
SELECT is(agent_migrate('q', 'CREATE TABLE d ()'), 3, 'a rollback gives its ordinal back');

SELECT throws_ok($$SELECT agent_migrate(NULL, 'x')$$, '22004', 'argument "session" must not be null', 'session null');
SELECT throws_ok($$SELECT agent_migrate('q', NULL)$$, '22004', 'argument "sql" must not be null', 'sql null');
SELECT throws_ok($$SELECT agent_migrate('q', '')$$, '22023', 'migration must not be empty', 'empty');
SELECT throws_ok($$SELECT agent_migrate('q', E' \n\t ')$$, '22023', 'migration must not be empty', 'blank');
SELECT lives_ok($$SELECT agent_migrate('q', repeat('x', 1048576))$$, 'a megabyte');
SELECT throws_ok($$SELECT agent_migrate('q', repeat('x', 1048577))$$, '54000', 'migration is too long', 'and a byte');
SELECT lives_ok($$SELECT agent_migrate('q', 'x', repeat('n', 256))$$, 'a name of 256 characters');
SELECT throws_ok($$SELECT agent_migrate('q', 'x', repeat('n', 257))$$, '42622', 'name of the migration is too long', 'of 257');
SELECT throws_ok($$SELECT agent_migrate('nothing', 'x')$$, '42704', 'session "nothing" does not exist', 'unknown session');
SELECT throws_ok($$SELECT agent_migrate('q', 'x', project => 'elsewhere')$$, '42704',
	'session "q" of project "elsewhere" does not exist', 'unknown project');
SELECT throws_ok($$SELECT agent_migrate(repeat('%s', 5000), 'x')$$, '42704',
	'session "' || repeat('%s', 40) || '..." does not exist', 'a long name is cut in the message');

-- States.
SELECT pg_temp.make_session(s, s, CASE WHEN s <> 'creating' THEN 'br-' || s END)
	FROM unnest(ARRAY['creating', 'migrating', 'conflict', 'failed', 'merging', 'merged', 'discarding', 'discarded', 'expired']) AS s;
SELECT pg_temp.make_session('failed early', 'failed', error => 'no such parent');
SELECT pg_temp.make_session('wants merge', 'ready', 'br-wm', 'merge');
SELECT pg_temp.make_session('wants discard', 'ready', 'br-wd', 'discard');
SELECT pg_temp.make_session('too late', 'ready', 'br-tl', expires_in => '-1 s');
SELECT lives_ok($$SELECT agent_migrate('creating', 'x')$$, 'creating takes migrations');
SELECT lives_ok($$SELECT agent_migrate('migrating', 'x')$$, 'migrating takes migrations');
SELECT lives_ok($$SELECT agent_migrate('conflict', 'x')$$, 'conflict takes migrations');
SELECT lives_ok($$SELECT agent_migrate('failed', 'x')$$, 'failed with a branch takes migrations');
SELECT throws_ok($$SELECT agent_migrate('failed early', 'x')$$, '55000', 'session "failed early" has no branch', 'failed without one does not');
SELECT throws_ok($$SELECT agent_migrate('merging', 'x')$$, '55006', 'session "merging" is being merged', 'merging');
SELECT throws_ok($$SELECT agent_migrate('wants merge', 'x')$$, '55006', 'session "wants merge" is being merged', 'a merge that was taken');
SELECT pg_temp.make_session('asked', 'ready', 'br-a');
SELECT agent_merge('asked');
SELECT throws_ok($$SELECT agent_migrate('asked', 'x')$$, '55006', 'session "asked" is being merged', 'a merge that was not taken yet');
SELECT throws_ok($$SELECT agent_migrate('too late', 'x')$$, '55000', 'session "too late" has expired', 'after its expiry');
SELECT throws_ok($$SELECT agent_migrate('merged', 'x')$$, '55000', 'session "merged" is finished', 'merged');
SELECT throws_ok($$SELECT agent_migrate('discarding', 'x')$$, '55000', 'session "discarding" is finished', 'discarding');
SELECT throws_ok($$SELECT agent_migrate('discarded', 'x')$$, '55000', 'session "discarded" is finished', 'discarded');
SELECT throws_ok($$SELECT agent_migrate('expired', 'x')$$, '55000', 'session "expired" is finished', 'expired');
SELECT throws_ok($$SELECT agent_migrate('wants discard', 'x')$$, '55000', 'session "wants discard" is finished', 'a discard that was taken');
SELECT pg_temp.make_session('given up', 'ready', 'br-g');
SELECT agent_discard('given up');
SELECT throws_ok($$SELECT agent_migrate('given up', 'x')$$, '55000', 'session "given up" is finished', 'a discard that was not taken yet');

SELECT * FROM finish();
ROLLBACK;
