-- Undo of merges: who may ask for one, when it is refused at once, and what is shown.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(21);
SELECT agent_project_register('undoes', options => '{"undo_window": "1 hour"}');
SELECT agent_branch_create('s'), agent_branch_create('t');
-- As if another transaction had made them, and they had been merged.
UPDATE agent_branch.session SET created_at = now() - interval '10 min', state = 'creating';
UPDATE agent_branch.session SET state = 'ready', settled = true, branch_id = 'br-' || name;
DELETE FROM agent_branch.request;
SELECT throws_ok($$SELECT agent_merge_undo('s')$$, '55000', 'session "s" was not merged', 'what was not merged is not undone');
UPDATE agent_branch.session SET state = 'merging', goal = 'merge';
UPDATE agent_branch.session SET state = 'merged', goal = NULL, finished_at = now() - interval '5 min';
INSERT INTO agent_branch.merge (id, session_id, strategy, on_drift, status, chosen)
	SELECT id, id, 'auto', 'fail', 'merged', 'replay' FROM agent_branch.session;

SELECT results_eq($$SELECT undo_until, not_undoable, undone_at FROM agent_merges WHERE session = 's'$$,
	$$VALUES (NULL::timestamptz, 'no backup was kept for an undo', NULL::timestamptz)$$, 'without a backup it says so');
SELECT throws_ok($$SELECT agent_merge_undo('s')$$, '55000', 'the merge of session "s" cannot be undone', 'and is not undone');
INSERT INTO agent_branch.undo_point (merge_id, session_id, why_not)
	SELECT id, id, 'no backup could be made' FROM agent_branch.session WHERE name = 's';
SELECT is((SELECT not_undoable FROM agent_merges WHERE session = 's'), 'no backup could be made', 'the reason is shown');
SELECT throws_ok($$SELECT agent_merge_undo('s', true)$$, '55000', 'the merge of session "s" cannot be undone', 'force does not help');
UPDATE agent_branch.undo_point SET why_not = NULL, undo_until = now() - interval '1 s', backup_name = 'development-before',
	backup_branch_id = 'br-backup';
SELECT throws_ok($$SELECT agent_merge_undo('s')$$, '55000', 'the merge of session "s" cannot be undone any more', 'nor when the window is over');
UPDATE agent_branch.undo_point SET undo_until = now() + interval '1 hour';
SELECT results_eq($$SELECT undo_until, not_undoable, backup_name, backup_branch_id FROM agent_merges WHERE session = 's'$$,
	$$VALUES (now() + interval '1 hour', NULL::text, 'development-before', 'br-backup')$$, 'until when, and its backup');
SELECT throws_ok($$SELECT agent_merge_undo('s', NULL)$$, '22004', 'argument "force" must not be null', 'force is not null');
SELECT agent_project_pause('undoes', 'no more');
SELECT throws_ok($$SELECT agent_merge_undo('s')$$, '55000', 'project "undoes" is paused', 'nothing is undone in a paused project');
SELECT agent_project_resume('undoes');
DELETE FROM agent_branch.request;

SELECT lives_ok($$SELECT agent_merge_undo('s', true)$$, 'an undo is asked for');
SELECT results_eq($$SELECT r.kind, r.subject_id, r.arguments FROM agent_branch.request AS r$$,
	$$SELECT 'undo', m.id, '{"force": true}'::jsonb FROM agent_branch.merge AS m JOIN agent_branch.session AS s ON s.id = m.session_id
		WHERE s.name = 's'$$, 'of that merge, with what was said');
SELECT throws_ok($$SELECT agent_merge_undo('s')$$, '55006', 'an undo of the merge of session "s" has been asked for already', 'once');
SELECT is(agent_purge('0 s'), 1::bigint, 'and keeps its session from being purged, but no other');
DELETE FROM agent_branch.request;
INSERT INTO agent_branch.undo (id, merge_id, session_id, forced, requested_by, status)
	SELECT 1000, id, id, true, 'somebody', 'running' FROM agent_branch.session WHERE name = 's';
SELECT throws_ok($$SELECT agent_merge_undo('s')$$, '55006', 'an undo of the merge of session "s" has been asked for already', 'nor while it runs');
SELECT is(agent_purge('0 s'), 0::bigint, 'which keeps the session, too');
UPDATE agent_branch.undo SET status = 'refused', lost = '{"table public.t: 3 rows written"}', reason = 'it would drop them', finished_at = now();
SELECT results_eq($$SELECT undo_status, undone_at, undone_by, undo_lost, undo_reason FROM agent_merges WHERE session = 's'$$,
	$$VALUES ('refused', NULL::timestamptz, NULL::name, '{"table public.t: 3 rows written"}'::text[], 'it would drop them')$$, 'a refusal is shown');
SELECT lives_ok($$SELECT agent_merge_undo('s', true)$$, 'and it can be asked for again');
DELETE FROM agent_branch.request;
INSERT INTO agent_branch.undo (id, merge_id, session_id, forced, requested_by, status, preserved_name, finished_at)
	SELECT 1001, id, id, true, 'somebody', 'undone', 'development-undone', now() FROM agent_branch.session WHERE name = 's';
SELECT results_eq($$SELECT undo_status, undone_at, undone_by, preserved_name FROM agent_merges WHERE session = 's'$$,
	$$VALUES ('undone', now(), 'somebody'::name, 'development-undone')$$, 'when, by whom, and where what it dropped is');
SELECT throws_ok($$SELECT agent_merge_undo('s')$$, '55000', 'the merge of session "s" has been undone already', 'once');
SELECT lives_ok($$DELETE FROM agent_branch.session WHERE name = 's'$$, 'all of it goes with the session');
SELECT is_empty($$SELECT merge_id FROM agent_branch.undo UNION ALL SELECT merge_id FROM agent_branch.undo_point$$, 'so that none is left');
SELECT * FROM finish();
ROLLBACK;
