-- Every object of the extension, and what each level may do with it. What is not listed fails here.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(6);
CREATE ROLE "agent_test user";
CREATE ROLE "agent_test monitor";
CREATE ROLE "agent_test admin";
SELECT agent_branch_grant('"agent_test user"', 'user'), agent_branch_grant('"agent_test monitor"', 'monitor'),
	agent_branch_grant('"agent_test admin"', 'admin');

-- The levels that may execute a routine, or read a view; '-': the extension's owner alone.
CREATE TEMPORARY TABLE listed (name text PRIMARY KEY, levels text);
INSERT INTO listed VALUES
	('agent_branch_create', 'user admin'), ('agent_wait', 'user admin'), ('agent_connection_uri', 'user admin'),
	('agent_migrate', 'user admin'), ('agent_merge', 'user admin'), ('agent_merge_preview', 'user admin'),
	('agent_merge_undo', 'user admin'), ('agent_rebase', 'user admin'), ('agent_discard', 'user admin'),
	('agent_extend', 'user admin'), ('agent_rotate_credentials', 'user admin'), ('agent_run', 'user admin'), ('agent_branch.read_script', 'user admin'),
	('agent_timeline', 'user monitor admin'), ('agent_branch_tree', 'user monitor admin'),
	('agent_branch.find_session', 'user monitor admin'), ('agent_branch.worker_status', 'user monitor admin'),
	('agent_branch.monthly_cost', 'user monitor admin'),
	('agent_metrics', 'monitor admin'), ('agent_branch.api_call_statistics', 'monitor admin'), ('agent_api_calls', 'monitor admin'),
	('agent_stats_reset', 'admin'), ('agent_events_verify', 'monitor admin'),
	('agent_project_register', 'admin'), ('agent_project_create', 'admin'), ('agent_project_remove', 'admin'), ('agent_project_pause', 'admin'),
	('agent_project_resume', 'admin'), ('agent_reap', 'admin'), ('agent_purge', 'admin'), ('agent_branch_take_over', 'admin'),
	('agent_branch_grant', '-'), ('agent_branch_revoke', '-'), ('agent_branch_limit', '-'),
	('agent_branch.check_fix', '-'), ('agent_branch.count_up', '-'), ('agent_branch.fix_facts_query', '-'), ('agent_branch.event_hash', '-'), ('agent_branch.known_role', '-'),
	('agent_branch.note_roles', '-'), ('agent_branch.observe', '-'), ('agent_branch.privileges', '-'),
	('agent_branch.project_for_access', '-'), ('agent_branch.purge', '-'), ('agent_branch.record_request', '-'), ('agent_branch.require_writable', '-'),
	('agent_branch.record_state_change', '-'), ('agent_branch.record_step', '-'), ('agent_branch.seal_events', '-'), ('agent_branch.set_privileges', '-'),
	('agent_branch.stamp_installation', '-'), ('agent_branch.stamp_role', '-'), ('agent_branch.claim_no_session', '-'), ('agent_branch.doctor', '-'),
	('agent_branch.key_file_problem', '-'), ('agent_branch.library_version', '-'),
	('agent_grants', 'user monitor admin'), ('agent_projects', 'user monitor admin'), ('agent_sessions', 'user monitor admin'),
	('agent_migrations', 'user monitor admin'), ('agent_migration_attempts', 'user monitor admin'),
	('agent_fixer_calls', 'user monitor admin'), ('agent_merges', 'user monitor admin'),
	('agent_conflicts', 'user monitor admin'), ('agent_events', 'user monitor admin'), ('agent_audit', 'user monitor admin'),
	('agent_steps', 'user monitor admin'), ('agent_spans', 'user monitor admin'), ('agent_worker', 'user monitor admin'),
	('agent_fixer_memory', 'monitor admin'), ('agent_branches', 'monitor admin'), ('agent_branch.metric', 'monitor admin'),
	('agent_branch.role_access', '-'), ('agent_branch.caller_access', '-'), ('agent_branch.visible_project', '-'),
	('agent_branch.visible_session', '-'), ('agent_branch.listed_session', '-'),
	('agent_branch.caller', '-'), ('agent_branch.visible_event', '-');

CREATE TEMPORARY VIEW member AS
	SELECT d.classid, d.objid FROM pg_depend AS d
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch');
CREATE TEMPORARY VIEW allowed AS
	SELECT o.name, coalesce(string_agg(l.level, ' ' ORDER BY l.place) FILTER (WHERE o.may[l.place]), '-') AS levels
	FROM (SELECT CASE f.pronamespace WHEN 'agent_branch'::regnamespace THEN 'agent_branch.' ELSE '' END || f.proname AS name,
			ARRAY[has_function_privilege('agent_test user', f.oid, 'EXECUTE'),
				has_function_privilege('agent_test monitor', f.oid, 'EXECUTE'),
				has_function_privilege('agent_test admin', f.oid, 'EXECUTE')] AS may
		FROM member AS m JOIN pg_proc AS f ON m.classid = 'pg_proc'::regclass AND f.oid = m.objid
		UNION ALL
		SELECT CASE c.relnamespace WHEN 'agent_branch'::regnamespace THEN 'agent_branch.' ELSE '' END || c.relname,
			ARRAY[has_table_privilege('agent_test user', c.oid, 'SELECT'),
				has_table_privilege('agent_test monitor', c.oid, 'SELECT'),
				has_table_privilege('agent_test admin', c.oid, 'SELECT')]
		FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind = 'v') AS o,
		(VALUES (1, 'user'), (2, 'monitor'), (3, 'admin')) AS l (place, level)
	GROUP BY o.name;
SELECT is_empty('TABLE allowed EXCEPT TABLE listed', 'no level may do more than is listed, and everything is listed');
SELECT is_empty('TABLE listed EXCEPT TABLE allowed', 'nor less, and nothing is listed that is not there');
SELECT is_empty($$SELECT c.oid::regclass, a.* FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass
	AND c.oid = m.objid AND c.relkind <> 'v', aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner$$, 'nobody has a table or a sequence');
SELECT is_empty($$SELECT c.oid::regclass, a.* FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass
	AND c.oid = m.objid AND c.relkind = 'v', aclexplode(c.relacl) AS a
	WHERE a.grantee <> c.relowner AND a.privilege_type <> 'SELECT'$$, 'views are to be read');
SELECT is_empty($$SELECT f.oid::regprocedure FROM member AS m JOIN pg_proc AS f ON m.classid = 'pg_proc'::regclass AND f.oid = m.objid
	WHERE f.prosecdef AND f.proname <> 'agent_events_verify'$$, 'one function has its owner''s rights');
-- What a user reads is behind a barrier: a function of his own in a query is not shown what he may not see.
SELECT is_empty($$SELECT c.oid::regclass FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass
	AND c.oid = m.objid AND c.relkind = 'v' AND c.relname <> 'agent_worker' AND c.relnamespace <> 'agent_branch'::regnamespace
	WHERE NOT coalesce('security_barrier=true' = ANY (c.reloptions), false)$$, 'views have a barrier');
SELECT * FROM finish();
ROLLBACK;
