-- Projects that rest or go, what is kept of sessions, and how it is shown.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(43);
SELECT agent_project_register('history');
SELECT agent_branch_create('s');
UPDATE agent_branch.session SET created_at = now() - interval '10 min', state = 'creating' WHERE name = 's';
UPDATE agent_branch.session SET state = 'ready', settled = true, branch_id = 'br-s', ready_at = clock_timestamp() WHERE name = 's';
DELETE FROM agent_branch.request;

-- Pause.
SELECT lives_ok($$SELECT agent_project_pause('history', 'the disk is full')$$, 'pause');
SELECT is((SELECT pause_reason FROM agent_projects), 'the disk is full', 'is shown');
SELECT throws_ok($$SELECT agent_branch_create('t')$$, '55000', 'project "history" is paused', 'no session begins');
SELECT throws_ok($$SELECT agent_migrate('s', 'SELECT 1')$$, '55000', 'project "history" is paused', 'nor migrates');
SELECT throws_ok($$SELECT agent_merge('s')$$, '55000', 'project "history" is paused', 'nor merges');
SELECT throws_ok($$SELECT agent_rebase('s')$$, '55000', 'project "history" is paused', 'nor is rebased');
SELECT lives_ok($$SELECT agent_extend('s', '1 h')$$, 'it may live on');
SELECT lives_ok($$SELECT agent_project_resume('history')$$, 'resume');
SELECT lives_ok($$SELECT agent_migrate('s', 'SELECT 1', 'first')$$, 'and migrate again');
SELECT throws_ok($$SELECT agent_project_pause('x')$$, '42704', 'project "x" is not registered', 'pause what is not there');
SELECT throws_ok($$SELECT agent_project_pause('history', repeat('x', 1001))$$, '42622', 'reason is too long', 'a long reason');
SELECT throws_ok($$SELECT agent_project_pause('history', E'a\nb')$$, '42602', 'reason must not contain control characters', 'of one line');
SELECT is((SELECT count(*) FROM agent_branch.request WHERE kind = 'register'), 2::bigint, 'the worker is told');

-- Refused until the worker does them, after all that can be checked was.
SELECT throws_ok($$SELECT agent_merge_preview('none')$$, '42704', 'session "none" does not exist', 'preview of nothing');
SELECT throws_ok($$SELECT agent_merge_undo('s')$$, '55000', 'session "s" was not merged', 'undo of no merge');
SELECT throws_ok($$SELECT agent_rebase('s')$$, '55006', 'session "s" has migrations that have not run yet', 'rebase of a busy session');

-- Timeline.
DELETE FROM agent_branch.request;
UPDATE agent_branch.migration SET status = 'applied';
UPDATE agent_branch.migration_attempt SET status = 'applied', started_at = now(), finished_at = now() + interval '2 s';
INSERT INTO agent_branch.step (id, project_id, session_id, kind, target, status, intended_at, recorded_at)
	SELECT 1, project_id, id, 'create branch', 'branch-for-revision-s', 'done', now() - interval '5 min', now() - interval '4 min' FROM agent_branch.session;
SELECT results_eq($$SELECT step, duration, what FROM agent_timeline('s') WHERE step IN ('create branch', 'migration 1')$$, $$VALUES
	('create branch', '1 min'::interval, 'branch-for-revision-s: done'), ('migration 1', '2 s', 'applied')$$, 'steps and migrations are on the timeline');
SELECT set_eq($$SELECT step FROM agent_timeline('s', 'history') WHERE what = 'state'$$, ARRAY['queued', 'creating', 'ready'], 'so are states');
SELECT throws_ok($$SELECT * FROM agent_timeline('none')$$, '42704', 'session "none" does not exist', 'of nothing');

-- The tree.
SELECT is(agent_branch_tree(), E'development (history)\n└─ branch-for-revision-s [ready]\n', 'a tree');
SELECT matches(agent_branch_tree('history', 'mermaid'), '^graph LR\n', 'by Mermaid');
SELECT matches(agent_branch_tree('history', 'svg'), '^<svg ', 'as a picture');
SELECT throws_ok($$SELECT agent_branch_tree('x')$$, '42704', 'project "x" is not registered', 'of no project');
SELECT throws_ok($$SELECT agent_branch_tree(format => 'png')$$, '22023', 'unknown format "png"', 'of no format');

-- Numbers.
SELECT results_eq($$SELECT labels, value, type FROM agent_metrics() WHERE name = 'agent_branch_sessions'$$,
	$$VALUES ('{"project": "history", "state": "ready"}'::jsonb, 1::float8, 'gauge')$$, 'sessions by state');
SELECT is((SELECT value FROM agent_metrics() WHERE name = 'agent_branch_create_seconds_count'), 1::float8, 'a histogram counts');
SELECT is((SELECT value FROM agent_metrics() WHERE name = 'agent_branch_create_seconds_bucket' AND labels->>'le' = '1000'), 1::float8, 'ten minutes are less than 1000 s');
SELECT is((SELECT value FROM agent_metrics() WHERE name = 'agent_branch_create_seconds_bucket' AND labels->>'le' = '300'), 0::float8, 'and more than 300 s');
SELECT is_empty($$SELECT FROM agent_metrics() WHERE name !~ '^agent_branch_[a-z_]+$' OR help = '' OR type NOT IN ('gauge', 'counter', 'histogram')$$, 'names and types are Prometheus''');

-- The queue.
SELECT agent_branch_create('q1'), agent_branch_create('q2'), agent_branch_create('q3');
SELECT results_eq($$SELECT session, queue_position FROM agent_sessions WHERE state = 'queued' ORDER BY id$$,
	$$VALUES ('q1', 1::bigint), ('q2', 2::bigint), ('q3', 3::bigint)$$, 'places in the queue');
SELECT agent_project_register('second');
SELECT agent_branch_create('q1', 'second');
SELECT is((SELECT queue_position FROM agent_sessions WHERE session = 'q1' AND project = 'second'), 1::bigint, 'each project has its own');

-- Remove and purge.
SELECT throws_ok($$SELECT agent_project_remove('history')$$, '55006', 'project "history" has sessions', 'sessions live');
SELECT is(agent_purge('1 day'), 0::bigint, 'nothing is old');
UPDATE agent_branch.session SET state = 'discarded', finished_at = now() - interval '2 days' WHERE project_id = (SELECT id FROM agent_branch.project WHERE project = 'history');
INSERT INTO agent_branch.kept_branch (project_id, session_id, branch_id, name, kind)
	SELECT project_id, id, 'br-q1', 'x', 'pinned' FROM agent_branch.session WHERE name = 'q1' AND finished_at IS NOT NULL;
DELETE FROM agent_branch.request;
SELECT throws_ok($$SELECT agent_purge('-1 day')$$, '22023', 'older_than must not be negative', 'into the future');
SELECT throws_ok($$SELECT agent_purge(NULL)$$, '22004', 'argument "older_than" must not be null', 'null');
SELECT agent_branch.seal_events();
SELECT is(agent_purge('1 day'), 3::bigint, 'old sessions go, but one whose branch is kept');
SELECT is_empty($$SELECT FROM agent_branch.migration$$, 'with their migrations');
SELECT isnt_empty($$SELECT FROM agent_audit WHERE session = 's' AND state = 'ready'$$, 'their events stay');
SELECT is((SELECT v.whole FROM agent_events_verify() AS v), true, 'and the chain is whole');
SELECT lives_ok($$SELECT agent_project_remove('history')$$, 'a project without sessions goes');
SELECT set_eq($$SELECT project FROM agent_projects$$, ARRAY['second'], 'out of sight');
SELECT throws_ok($$SELECT agent_branch_create('t', 'history')$$, '42704', 'project "history" is not registered', 'and is not registered');
SELECT lives_ok($$SELECT agent_project_register('history')$$, 'it may come back');

SELECT * FROM finish();
ROLLBACK;
