-- agent_migrate().
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(60);

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
SELECT lives_ok($$SELECT agent_migrate('q', '')$$, 'an empty file is a migration of nothing');
SELECT lives_ok($$SELECT agent_migrate('q', E' \n\t -- nothing')$$, 'and so is one of comments');
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

-- A failed session: a text comes in the place of the one that failed.
SELECT pg_temp.make_session('repair', 'failed', 'br-repair');
CREATE FUNCTION pg_temp.make_migration(session text, ordinal integer, status text) RETURNS bigint LANGUAGE sql
	BEGIN ATOMIC
	INSERT INTO agent_branch.migration (session_id, ordinal, status)
	SELECT s.id, make_migration.ordinal, make_migration.status FROM agent_branch.session AS s
	WHERE s.name = make_migration.session RETURNING id;
	END;
CREATE FUNCTION pg_temp.make_attempts(session text) RETURNS bigint LANGUAGE sql
	BEGIN ATOMIC
	WITH made AS (INSERT INTO agent_branch.migration_attempt (migration_id, number, sql, name, status)
		SELECT m.id, 1, 'text ' || m.ordinal, 'name ' || m.ordinal, m.status FROM agent_branch.migration AS m
			JOIN agent_branch.session AS s ON s.id = m.session_id WHERE s.name = make_attempts.session RETURNING 1)
	SELECT count(*) FROM made;
	END;
SELECT pg_temp.make_migration('repair', 1, 'applied'), pg_temp.make_migration('repair', 2, 'failed'),
	pg_temp.make_migration('repair', 3, 'cancelled');
SELECT pg_temp.make_attempts('repair');
SELECT throws_ok($$SELECT agent_migrate('repair', 'mended')$$, '55000',
	'migration 2 "name 2" has failed, and this is not the text to replace it', 'a text without its name does not');
SELECT throws_ok($$SELECT agent_migrate('repair', 'mended', 'name 4')$$, '55000',
	'migration 2 "name 2" has failed, and this is not the text to replace it', 'nor one of another name');
SELECT is(agent_migrate('repair', 'text 2', 'name 2'), 2, 'the same text again is the same migration');
SELECT is((SELECT max(attempt) FROM agent_migration_attempts WHERE session = 'repair'), 1, 'of which nothing comes');
SELECT is(agent_migrate('repair', 'mended', 'name 2'), 2, 'it takes the failed one''s ordinal');
SELECT results_eq($$SELECT attempt, made_by, name, status, sql FROM agent_migration_attempts WHERE session = 'repair' AND ordinal = 2
	ORDER BY attempt$$, $$VALUES (1, 'agent', 'name 2', 'failed', 'text 2'), (2, 'agent', 'name 2', 'queued', 'mended')$$, 'as another attempt');
SELECT results_eq($$SELECT ordinal, status, attempts, sql FROM agent_migrations WHERE session = 'repair' ORDER BY ordinal$$,
	$$VALUES (1, 'applied', 1, 'text 1'), (2, 'failed', 1, 'text 2'), (3, 'cancelled', 1, 'text 3')$$, 'which the worker takes up');
SELECT results_eq($$SELECT r.kind, m.ordinal, r.arguments FROM agent_branch.request AS r JOIN agent_branch.migration AS m ON m.id = r.subject_id
	JOIN agent_branch.session AS s ON s.id = r.session_id WHERE s.name = 'repair'$$,
	$$VALUES ('migrate', 2, '{"attempt": 2}'::jsonb)$$, 'by a request that says which');
SELECT is(agent_migrate('repair', 'mended', 'name 2'), 2, 'asked for twice, it is one text');
SELECT is((SELECT count(*) FROM agent_migration_attempts WHERE session = 'repair' AND ordinal = 2), 2::bigint, 'and one attempt');
SELECT throws_ok($$SELECT agent_migrate('repair', 'mended again', 'name 2')$$, '55006',
	'migration 2 "name 2" is under way, with another text', 'another one waits until that is known');
SELECT throws_ok($$SELECT agent_migrate('repair', 'text 0', 'name 1')$$, '42710',
	'migration 1 "name 1" is applied already, with another text', 'the name of an applied one is taken');
SELECT is(agent_migrate('repair', 'text 1', 'name 1'), 1, 'its own text is it');
SELECT is(agent_migrate('repair', 'next'), 4, 'what is asked for behind it is a migration of its own');
SELECT is(agent_migrate('repair', 'next'), 5, 'and so is the next one');
SELECT pg_temp.make_session('refused fix', 'failed', 'br-rf');
SELECT pg_temp.make_migration('refused fix', 1, 'failed');
SELECT pg_temp.make_attempts('refused fix');
INSERT INTO agent_branch.migration_attempt (migration_id, number, sql, made_by, status, reason)
	SELECT m.id, 2, 'y', 'fixer', 'refused', 'it drops a table' FROM agent_branch.migration AS m
	JOIN agent_branch.session AS s ON s.id = m.session_id WHERE s.name = 'refused fix';
SELECT throws_ok($$SELECT agent_migrate('refused fix', 'mended', 'better name')$$, '55000',
	'migration 1 has failed, and this is not the text to replace it', 'one without a name is not replaced by one with');
SELECT is(agent_migrate('refused fix', 'mended'), 1, 'after a text that was refused, too');
SELECT results_eq($$SELECT attempt, made_by, name, status, reason FROM agent_migration_attempts WHERE session = 'refused fix' AND attempt > 1
	ORDER BY attempt$$, $$VALUES (2, 'fixer', NULL, 'refused', 'it drops a table'), (3, 'agent', NULL, 'queued', NULL)$$,
	'it is the next attempt');
SELECT pg_temp.make_session('pipeline', 'failed', 'br-pl');
SELECT pg_temp.make_migration('pipeline', 1, 'failed'), pg_temp.make_migration('pipeline', 2, 'cancelled');
SELECT pg_temp.make_attempts('pipeline');
UPDATE agent_branch.migration_attempt SET name = NULL WHERE sql IN ('text 1', 'text 2');
SELECT throws_ok($$SELECT agent_migrate('pipeline', 'x')$$, '55000',
	'migration 1 has failed, and this is not the text to replace it', 'of several without names it is not known which one is meant');

-- What is kept of a text is what was read of it, and what can never run is refused at once.
SELECT pg_temp.make_session('kept', 'ready', 'br-k');
SELECT agent_migrate('kept', E'\uFEFFBEGIN;\nCREATE TABLE a ();\nCOMMIT;\nVACUUM', 'one');
SELECT is((SELECT t.sql FROM agent_branch.migration_attempt AS t WHERE t.name = 'one'),
	E'BEGIN;\nCREATE TABLE a ();\nCOMMIT;\nVACUUM', 'a byte order mark is dropped');
SELECT results_eq($$SELECT s->>'tag', s->>'boundary', s->>'alone', (s->>'line')::int FROM agent_branch.migration_attempt AS t,
	json_array_elements(t.script->'statements') AS s WHERE t.name = 'one'$$, $$VALUES ('BEGIN', 'begin', NULL::text, 1),
	('CREATE TABLE', NULL, NULL, 2), ('COMMIT', 'commit', NULL, 3), ('VACUUM', NULL, 'repeatable', 4)$$, 'the reading is kept');
SELECT throws_ok($$SELECT agent_migrate('kept', 'CREATE TABLE b (); COMMIT')$$, '2D000',
	'transaction control is not allowed in a migration', 'a lone COMMIT');
SELECT throws_ok($$SELECT agent_migrate('kept', E'SELECT\u00A01 +')$$, '42601', 'syntax error near an invisible character', 'a no-break space');
SELECT throws_ok($$SELECT agent_migrate('kept', '/*' || repeat('/*', 500000))$$, '54000', NULL, 'a text that a lexer reads for ever');
SELECT pg_temp.make_session('failed otherwise', 'failed', 'br-fo');
SELECT pg_temp.make_migration('failed otherwise', 1, 'applied');
SELECT pg_temp.make_attempts('failed otherwise');
SELECT is(agent_migrate('failed otherwise', 'x'), 2, 'a session that failed for another reason takes a new one');

-- Twenty of them, but for those that were cancelled.
SELECT pg_temp.make_session('many', 'ready', 'br-many');
SELECT pg_temp.make_migration('many', n, CASE WHEN n > 19 THEN 'cancelled' ELSE 'applied' END) FROM generate_series(1, 22) AS n;
SELECT is(agent_migrate('many', 'x'), 23, 'the twentieth');
SELECT throws_ok($$SELECT agent_migrate('many', 'x')$$, '54000', 'too many migrations in one session', 'and one more');
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
