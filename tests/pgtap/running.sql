-- agent_run() and agent_reap(), as far as they can be seen in one transaction.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(15);

SELECT throws_ok($$CALL agent_run('s', '{}', NULL)$$, '2D000', 'agent_run() cannot be called in a transaction block', 'agent_run() commits as it goes');

SELECT agent_reap() AS sweep \gset
SELECT results_eq($$SELECT r.kind, r.subject_id, w.dry_run, w.started_at FROM agent_branch.request AS r JOIN agent_branch.sweep AS w ON w.id = r.subject_id$$,
	format($$VALUES ('reap', %s::bigint, false, NULL::timestamptz)$$, :sweep), 'agent_reap() asks for a sweep');
SELECT is(agent_reap(true), :sweep + 1::bigint, 'returns its id');
SELECT is((SELECT dry_run FROM agent_branch.sweep ORDER BY id DESC LIMIT 1), true, 'and a dry run is one');
SELECT throws_ok($$SELECT agent_reap(NULL)$$, '22004', 'argument "dry_run" must not be null', 'null');
SELECT is_empty('SELECT FROM agent_branches', 'a sweep that was not done shows nothing');

-- The view shows the last one that ended.
SELECT agent_project_register('agent-test');
UPDATE agent_branch.sweep SET started_at = now(), finished_at = now() WHERE id = :sweep;
INSERT INTO agent_branch.sweep_branch (sweep_id, project_id, branch_id, name, class, action, created_at)
	SELECT :sweep, id, 'br-1', 'stray', 'orphan', 'delete', now() - interval '2 days' FROM agent_branch.project WHERE project = 'agent-test';
SELECT results_eq('SELECT sweep, project, branch_id, class, action, age FROM agent_branches',
	format($$VALUES (%s::bigint, 'agent-test', 'br-1', 'orphan', 'delete', interval '2 days')$$, :sweep), 'what it saw and did');
-- 1.50 a month for the branch, 0.35 for each of 2 GB, and a compute unit for a tenth of 730 hours at 0.106 each.
SELECT is(agent_branch.monthly_cost(2000000000, 17280, interval '2 days'), 9.94, 'a branch that is used costs what it uses');
SELECT is(agent_branch.monthly_cost(NULL, 0, NULL), 1.50, 'one of which nothing is known costs its price');
SELECT is(agent_branch.monthly_cost(0, 3600, interval '1 second'), 78.88, 'a young one is judged by an hour');
SELECT is((SELECT monthly_cost FROM agent_branches), 1.50, 'and the view shows it');

-- What keeps the next sweep from being done is shown wherever the last one is.
SELECT is_empty('SELECT FROM agent_projects WHERE upkeep_error IS NOT NULL', 'a project is in no trouble that nothing tells of');
INSERT INTO agent_branch.project_upkeep (project_id, error, error_since)
	SELECT id, 'the Neon API does not accept the API key', now() - interval '3 hours' FROM agent_branch.project WHERE project = 'agent-test';
SELECT results_eq('SELECT project, swept_at, upkeep_error, now() - upkeep_error_since FROM agent_projects',
	$$VALUES ('agent-test', NULL::timestamptz, 'the Neon API does not accept the API key', interval '3 hours')$$, 'trouble, and since when');
SELECT results_eq('SELECT branch_id, upkeep_error, now() - upkeep_error_since FROM agent_branches',
	$$VALUES ('br-1', 'the Neon API does not accept the API key', interval '3 hours')$$, 'a branch that was seen before it');
SELECT lives_ok('SELECT * FROM agent_worker', 'agent_worker can be read whether or not a worker runs');

SELECT * FROM finish();
ROLLBACK;
