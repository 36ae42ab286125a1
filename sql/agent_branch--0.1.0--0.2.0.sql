/* agent_branch 0.1.0 to 0.2.0. A new installation runs 0.1.0 and then this, so that fresh equals upgraded. */
\echo Use "ALTER EXTENSION agent_branch UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

-- =============================================================================================
-- Versions
-- =============================================================================================

/*
 * What follows names functions of this version's library. A server that has not been restarted since
 * the packages were installed still runs the one of 0.1.0, which does not have this setting.
 */
DO $$
BEGIN
	IF current_setting('agent_branch.keep_finished', true) IS NULL THEN
		RAISE EXCEPTION 'the server does not run the library of agent_branch 0.2.0'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'It runs the one that was installed when it started, or none.',
				HINT = 'See that agent_branch is in shared_preload_libraries, restart the server, and run this again.';
	END IF;
END
$$;

/*
 * The functions that 0.1.0 made name the library as this version does: without a folder, so that it is
 * found wherever extension_control_path and dynamic_library_path have it.
 */
UPDATE pg_proc SET probin = 'agent_branch' WHERE probin = '$libdir/agent_branch';

-- =============================================================================================
-- Access and secrets
-- =============================================================================================

/*
 * Names and texts go to Neon and to branches as they are stored here, and both speak UTF-8: in a
 * database of another encoding they would arrive as something else, without an error.
 */
DO $$
BEGIN
	IF current_setting('server_encoding') <> 'UTF8' THEN
		RAISE EXCEPTION 'agent_branch needs a database with encoding UTF8'
			USING ERRCODE = 'feature_not_supported',
				DETAIL = 'The encoding of this database is ' || current_setting('server_encoding') || '.',
				HINT = 'Create a control database with ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
END
$$;

-- They are made again below, on the tables as they are from here on.
DROP VIEW @extschema@.agent_worker, @extschema@.agent_branches, @extschema@.agent_events, @extschema@.agent_conflicts,
	@extschema@.agent_merges, @extschema@.agent_fixer_memory, @extschema@.agent_fixer_calls,
	@extschema@.agent_migration_attempts, @extschema@.agent_migrations, @extschema@.agent_sessions,
	@extschema@.agent_projects;

/*
 * ANALYZE would copy whole URIs, passwords included, into pg_statistic, which is in WAL, on standbys
 * and in base backups.
 */
ALTER TABLE agent_branch.credential ALTER COLUMN uri SET STATISTICS 0;
DELETE FROM pg_statistic WHERE starelid = 'agent_branch.credential'::regclass;

/*
 * Roles are kept by their oid, which is what rights go by, and by their name, which is what a dump
 * needs: the oid of a role that is gone is nobody's, and a row that a dump brings finds its role by
 * name, or belongs to nobody if there is none.
 */
CREATE FUNCTION agent_branch.known_role(INOUT role oid, INOUT role_name name)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF role_name IS NULL THEN
		role_name := (SELECT r.rolname FROM pg_roles AS r WHERE r.oid = known_role.role);
	ELSE
		role := coalesce((SELECT r.oid FROM pg_roles AS r WHERE r.rolname = known_role.role_name), 0);
	END IF;
END
$$;
COMMENT ON FUNCTION agent_branch.known_role(oid, name) IS 'the name of a role, or the role of a name: 0 if there is none';

CREATE FUNCTION agent_branch.stamp_role() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_TABLE_NAME = 'session' THEN
		SELECT k.role, k.role_name INTO NEW.owner, NEW.owner_name
			FROM agent_branch.known_role(NEW.owner, NEW.owner_name) AS k;
	ELSIF TG_TABLE_NAME = 'project' THEN
		SELECT k.role, k.role_name INTO NEW.registered_by, NEW.registered_by_name
			FROM agent_branch.known_role(NEW.registered_by, NEW.registered_by_name) AS k;
	ELSE
		SELECT k.role, k.role_name INTO NEW.role, NEW.role_name
			FROM agent_branch.known_role(NEW.role, NEW.role_name) AS k;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION agent_branch.stamp_role() IS 'notes the name of a new row''s role; finds the role by its name when a dump brings the row';

ALTER TABLE agent_branch.access DROP CONSTRAINT access_pkey;
ALTER TABLE agent_branch.access
	ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	ALTER COLUMN role TYPE oid,
	ADD COLUMN role_name name,
	ADD COLUMN project_id bigint REFERENCES agent_branch.project ON DELETE CASCADE,
	ADD COLUMN granted_by name DEFAULT current_user,
	ADD COLUMN granted_at timestamptz DEFAULT now(),
	ADD COLUMN limits jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN agent_branch.access.project_id IS 'the one project that the level is for; null: every project';
COMMENT ON COLUMN agent_branch.access.limits IS 'how much the role may ask for, in each project: see agent_branch_limit()';
ALTER TABLE agent_branch.session
	ALTER COLUMN owner TYPE oid,
	ADD COLUMN owner_name name,
	ADD COLUMN role_branch_id text,
	ADD COLUMN shared_role text;
COMMENT ON COLUMN agent_branch.session.role_branch_id IS 'the branch that has the login role of the session''s agent; null: none has';
COMMENT ON COLUMN agent_branch.session.shared_role IS 'why the agent has the project''s role on the branch instead of one of its own';
UPDATE agent_branch.session SET shared_role = 'the session began with version 0.1.0' WHERE branch_id IS NOT NULL;
ALTER TABLE agent_branch.project
	ALTER COLUMN registered_by TYPE oid,
	ADD COLUMN registered_by_name name,
	ADD COLUMN paused_at timestamptz,
	ADD COLUMN pause_reason text,
	ADD COLUMN removed_at timestamptz,
	ADD COLUMN name text;
COMMENT ON COLUMN agent_branch.project.name IS 'what agent_project_create() was asked to call it, which stands for its id in all functions; null: it was registered';
CREATE UNIQUE INDEX project_name ON agent_branch.project (name) WHERE removed_at IS NULL;

CREATE TABLE agent_branch.provision (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE,
	mark uuid NOT NULL DEFAULT gen_random_uuid(),
	wish jsonb NOT NULL,
	parent text NOT NULL,
	database text NOT NULL,
	role text NOT NULL,
	options jsonb NOT NULL,
	requested_by_name name NOT NULL,
	requested_at timestamptz NOT NULL DEFAULT now(),
	project text,
	asked_at timestamptz,
	error text,
	error_since timestamptz,
	installation_id uuid NOT NULL
);
COMMENT ON TABLE agent_branch.provision IS 'projects that agent_project_create() asked for and that are being made: each row is the journal of one';
COMMENT ON COLUMN agent_branch.provision.mark IS 'written into the annotation of the new project''s first branch: what makes the project provably this one';
COMMENT ON COLUMN agent_branch.provision.wish IS 'what is said to Neon once: production, region, organization, pg_version';
COMMENT ON COLUMN agent_branch.provision.project IS 'its id at Neon, once it is made; what is still to be made then is the parent branch';
COMMENT ON COLUMN agent_branch.provision.asked_at IS 'when a request was about to be sent whose outcome is not recorded: it is looked up, and never repeated blindly';
CREATE TRIGGER stamp_installation BEFORE INSERT ON agent_branch.provision
	FOR EACH ROW EXECUTE FUNCTION agent_branch.stamp_installation();
SELECT pg_catalog.pg_extension_config_dump('agent_branch.provision', '');
SELECT pg_catalog.pg_extension_config_dump('agent_branch.provision_id_seq', '');
COMMENT ON COLUMN agent_branch.project.paused_at IS 'since when no session may begin, migrate or merge; null: not paused';
COMMENT ON COLUMN agent_branch.project.removed_at IS 'when agent_project_remove() forgot it; the row stays for its history, and for branches that are still to be deleted';

-- The oids of roles that are gone are in these tables since nothing told them; they are nobody's.
DELETE FROM agent_branch.access AS a WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = a.role);
UPDATE agent_branch.access AS a SET role_name = r.rolname, granted_by = NULL, granted_at = NULL
	FROM pg_roles AS r WHERE r.oid = a.role;
UPDATE agent_branch.session AS s SET owner_name = coalesce((SELECT r.rolname FROM pg_roles AS r WHERE r.oid = s.owner), '-');
UPDATE agent_branch.project AS p SET registered_by_name =
	coalesce((SELECT r.rolname FROM pg_roles AS r WHERE r.oid = p.registered_by), '-');
CREATE UNIQUE INDEX access_role ON agent_branch.access (role_name, (coalesce(project_id, 0)));
CREATE INDEX access_project ON agent_branch.access (project_id);
CREATE TRIGGER stamp_role BEFORE INSERT ON agent_branch.access
	FOR EACH ROW EXECUTE FUNCTION agent_branch.stamp_role();
CREATE TRIGGER stamp_role BEFORE INSERT ON agent_branch.session
	FOR EACH ROW EXECUTE FUNCTION agent_branch.stamp_role();
CREATE TRIGGER stamp_role BEFORE INSERT ON agent_branch.project
	FOR EACH ROW EXECUTE FUNCTION agent_branch.stamp_role();

CREATE FUNCTION agent_branch.note_roles() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM agent_branch.access AS a
		WHERE a.role <> 0 AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = a.role);
	UPDATE agent_branch.access AS a SET role_name = r.rolname
		FROM pg_roles AS r WHERE r.oid = a.role AND a.role_name <> r.rolname;
	UPDATE agent_branch.access AS a SET role = r.oid FROM pg_roles AS r WHERE a.role = 0 AND r.rolname = a.role_name;
END
$$;
COMMENT ON FUNCTION agent_branch.note_roles() IS 'forgets the access of roles that are gone, follows those that were renamed, and finds those that a dump named before they were there';

/*
 * Who may what where, and the one place that says it: a row of access counts while its role is there
 * and has USAGE of the schema, which DROP OWNED and REVOKE take. The extension's owner, and whoever has
 * that role's rights, needs no grant.
 */
CREATE VIEW agent_branch.role_access AS
	SELECT r.oid AS role, a.project_id, a.level, a.limits
	FROM agent_branch.access AS a JOIN pg_roles AS r ON pg_has_role(r.oid, a.role, 'USAGE')
	WHERE has_schema_privilege(a.role, 'agent_branch', 'USAGE') AND a.role <> 0
	UNION ALL
	SELECT r.oid, NULL, 'admin', '{}'
	FROM pg_extension AS e JOIN pg_roles AS r ON pg_has_role(r.oid, e.extowner, 'USAGE')
	WHERE e.extname = 'agent_branch';
COMMENT ON VIEW agent_branch.role_access IS 'levels of each role, those of the roles whose rights it has included; project_id is null for every project';

CREATE VIEW agent_branch.caller_access AS
	SELECT a.project_id, a.level FROM agent_branch.role_access AS a
	WHERE a.role = (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user);
COMMENT ON VIEW agent_branch.caller_access IS 'levels of the role that asks';

CREATE VIEW agent_branch.caller AS
	SELECT coalesce(bool_or(a.project_id IS NULL) FILTER (WHERE a.level IN ('monitor', 'admin')), false) AS sees_all,
		coalesce(array_agg(a.project_id) FILTER (WHERE a.level IN ('monitor', 'admin') AND a.project_id IS NOT NULL), '{}')
			AS sees,
		coalesce(bool_or(a.project_id IS NULL), false) AS uses_all,
		coalesce(array_agg(a.project_id) FILTER (WHERE a.project_id IS NOT NULL), '{}') AS uses,
		ARRAY(SELECT r.oid FROM pg_roles AS r WHERE pg_has_role(r.oid, 'USAGE')) AS roles
	FROM agent_branch.caller_access AS a;
COMMENT ON VIEW agent_branch.caller IS 'one row: projects in which the caller sees all sessions, projects in which its own, and the roles whose rights it has';

CREATE VIEW agent_branch.visible_project WITH (security_barrier) AS
	SELECT p.*, c.sees_all OR p.id = ANY (c.sees) AS whole
	FROM agent_branch.project AS p, agent_branch.caller AS c
	WHERE c.uses_all OR p.id = ANY (c.uses);
COMMENT ON VIEW agent_branch.visible_project IS 'projects that the caller has a level for; whole: the sessions of all roles are the caller''s to see';

/* Without a barrier, so that it can be joined by the session's id: the views that read it have theirs. */
CREATE VIEW agent_branch.visible_session AS
	SELECT s.* FROM agent_branch.session AS s, agent_branch.caller AS c
	WHERE c.sees_all OR s.project_id = ANY (c.sees)
		OR s.owner = ANY (c.roles) AND (c.uses_all OR s.project_id = ANY (c.uses));
COMMENT ON VIEW agent_branch.visible_session IS 'sessions of the caller''s roles, and those of all roles where the caller is monitor or admin';

/*
 * The same for who lists them: each part is found by an index of its own and in the order of its ids,
 * so that the newest of a million come at once.
 */
CREATE VIEW agent_branch.listed_session AS
	WITH c AS MATERIALIZED (SELECT * FROM agent_branch.caller)
	(SELECT s.* FROM agent_branch.session AS s WHERE (SELECT c.sees_all FROM c) ORDER BY s.id DESC)
	UNION ALL
	SELECT s.* FROM c CROSS JOIN unnest(c.sees) AS p (id) JOIN agent_branch.session AS s ON s.project_id = p.id
	WHERE NOT c.sees_all
	UNION ALL
	SELECT s.* FROM c CROSS JOIN unnest(c.roles) AS r (id) JOIN agent_branch.session AS s ON s.owner = r.id
	WHERE NOT c.sees_all AND NOT s.project_id = ANY (c.sees) AND (c.uses_all OR s.project_id = ANY (c.uses))
	ORDER BY id DESC;
COMMENT ON VIEW agent_branch.listed_session IS 'visible_session, the newest first';

DROP FUNCTION @extschema@.agent_branch_grant(regrole, text);
DROP FUNCTION @extschema@.agent_branch_revoke(regrole);
DROP FUNCTION agent_branch.revoke_access(regrole);

CREATE FUNCTION agent_branch.privileges(role oid) RETURNS SETOF text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	held CONSTANT text[] := ARRAY(SELECT DISTINCT a.level FROM agent_branch.access AS a WHERE a.role = privileges.role);
	all_levels CONSTANT text[] := '{user,monitor,admin}';
BEGIN
	IF held = '{}' THEN
		RETURN;
	END IF;
	RETURN NEXT 'USAGE ON SCHEMA agent_branch';
	RETURN QUERY
		SELECT format('EXECUTE ON ROUTINE %s', d.objid::regprocedure)
		FROM (VALUES
			('agent_branch_create', '{user,admin}'::text[]), ('agent_wait', '{user,admin}'),
			('agent_connection_uri', '{user,admin}'), ('agent_migrate', '{user,admin}'),
			('agent_merge', '{user,admin}'), ('agent_merge_preview', '{user,admin}'),
			('agent_merge_undo', '{user,admin}'), ('agent_rebase', '{user,admin}'),
			('agent_discard', '{user,admin}'), ('agent_extend', '{user,admin}'), ('agent_run', '{user,admin}'),
			('agent_rotate_credentials', '{user,admin}'),
			('read_script', '{user,admin}'),
			('agent_timeline', all_levels), ('agent_branch_tree', all_levels), ('find_session', all_levels),
			('worker_status', all_levels), ('monthly_cost', all_levels),
			('agent_metrics', '{monitor,admin}'), ('api_call_statistics', '{monitor,admin}'), ('agent_events_verify', '{monitor,admin}'),
			('agent_project_register', '{admin}'), ('agent_project_create', '{admin}'),
			('agent_project_remove', '{admin}'), ('agent_project_pause', '{admin}'),
			('agent_project_resume', '{admin}'), ('agent_reap', '{admin}'), ('agent_purge', '{admin}'), ('agent_stats_reset', '{admin}'),
			('agent_branch_take_over', '{admin}')) AS allowed (name, levels)
			JOIN pg_proc AS f ON f.proname = allowed.name
			JOIN pg_depend AS d ON d.objid = f.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
				AND d.refclassid = 'pg_extension'::regclass
				AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'agent_branch')
		WHERE allowed.levels && held;
	RETURN QUERY
		SELECT format('SELECT ON %s', d.objid::regclass)
		FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid
		WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'agent_branch') AND c.relkind = 'v'
			AND CASE WHEN c.relname IN ('agent_branches', 'agent_api_calls', 'agent_fixer_memory', 'metric') THEN held && '{monitor,admin}'
				ELSE c.relnamespace <> 'agent_branch'::regnamespace END;
END
$$;
COMMENT ON FUNCTION agent_branch.privileges(oid) IS 'what the levels of a role let it do, each as GRANT wants it';

CREATE FUNCTION agent_branch.set_privileges(role oid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name CONSTANT text := (SELECT quote_ident(r.rolname) FROM pg_roles AS r WHERE r.oid = set_privileges.role);
	privilege text;
BEGIN
	IF name IS NULL THEN
		RETURN;
	END IF;
	FOR privilege IN
		SELECT CASE WHEN d.classid = 'pg_proc'::regclass
			THEN format('EXECUTE ON ROUTINE %s', d.objid::regprocedure)
			ELSE format('SELECT ON %s', d.objid::regclass) END
		FROM pg_depend AS d LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'agent_branch')
			AND (d.classid = 'pg_proc'::regclass OR c.relkind = 'v')
		UNION ALL SELECT 'USAGE ON SCHEMA agent_branch'
	LOOP
		EXECUTE format('REVOKE %s FROM %s', privilege, name);
	END LOOP;
	FOR privilege IN SELECT agent_branch.privileges(set_privileges.role) LOOP
		EXECUTE format('GRANT %s TO %s', privilege, name);
	END LOOP;
END
$$;
COMMENT ON FUNCTION agent_branch.set_privileges(oid) IS 'gives a role the privileges that its levels come with, and takes all others of the extension';

CREATE FUNCTION agent_branch.project_for_access(project text) RETURNS bigint
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found bigint;
BEGIN
	IF project IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT p.id INTO found FROM agent_branch.project AS p
		WHERE project_for_access.project IN (p.project, p.name) AND p.removed_at IS NULL;
	IF found IS NULL THEN
		RAISE EXCEPTION 'project "%" is not registered', left(project, 80)
			USING ERRCODE = 'undefined_object',
				HINT = 'agent_projects shows the registered ones; agent_project_register() adds one.';
	END IF;
	RETURN found;
END
$$;
COMMENT ON FUNCTION agent_branch.project_for_access(text) IS 'the project that a grant is for; null: every project';

CREATE FUNCTION agent_branch.require_writable(function text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF pg_is_in_recovery() THEN
		RAISE EXCEPTION 'cannot execute %() during recovery', function
			USING ERRCODE = 'read_only_sql_transaction', HINT = 'Connect to the primary server.';
	ELSIF current_setting('transaction_read_only')::boolean THEN
		RAISE EXCEPTION 'cannot execute %() in a read-only transaction', function
			USING ERRCODE = 'read_only_sql_transaction', HINT = 'Begin the transaction with READ WRITE.';
	END IF;
END
$$;
COMMENT ON FUNCTION agent_branch.require_writable(text) IS 'raises the error that functions in C raise where nothing can be written';

CREATE FUNCTION @extschema@.agent_branch_grant(role regrole, level text, project text DEFAULT NULL)
	RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	one CONSTANT bigint := agent_branch.project_for_access(project);
BEGIN
	PERFORM agent_branch.require_writable('agent_branch_grant');
	IF level IS NULL OR level NOT IN ('user', 'monitor', 'admin') THEN
		RAISE EXCEPTION 'unknown access level "%"', coalesce(left(level, 80), '<null>')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Levels are "user", "monitor" and "admin".';
	END IF;
	IF role IS NULL THEN
		RAISE EXCEPTION 'argument "role" must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Name a role.';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = role::oid) THEN
		RAISE EXCEPTION 'role % does not exist', role::oid
			USING ERRCODE = 'undefined_object', HINT = 'Name a role of this server.';
	END IF;
	PERFORM agent_branch.note_roles();
	INSERT INTO agent_branch.access AS a (role, level, project_id, granted_by)
		VALUES (role, level, one, session_user)
		ON CONFLICT (role_name, (coalesce(a.project_id, 0)))
		DO UPDATE SET level = excluded.level, granted_by = excluded.granted_by, granted_at = excluded.granted_at;
	PERFORM agent_branch.set_privileges(role);
END
$$;
COMMENT ON FUNCTION @extschema@.agent_branch_grant(regrole, text, text) IS
	'gives a role access to one project, or to every project: user (sessions of its own), monitor (sees all, changes nothing), admin (registers projects, reaps, acts on all sessions; never reads others'' connection URIs); replaces the level that it had there';

CREATE FUNCTION @extschema@.agent_branch_limit(role regrole, limits jsonb, project text DEFAULT NULL)
	RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	one CONSTANT bigint := agent_branch.project_for_access(project);
	bad text;
BEGIN
	PERFORM agent_branch.require_writable('agent_branch_limit');
	IF limits IS NULL OR jsonb_typeof(limits) <> 'object' THEN
		RAISE EXCEPTION 'limits must be a JSON object' USING ERRCODE = 'datatype_mismatch',
			HINT = 'Give an object, such as {"live_sessions": 10}; {} lifts all limits.';
	END IF;
	SELECT l.key INTO bad FROM jsonb_each(limits) AS l
		WHERE l.key NOT IN ('live_sessions', 'queued_sessions', 'branches_a_day', 'migration_bytes', 'fixer_tokens_a_day') LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'unknown limit "%"', left(bad, 80) USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Limits are "live_sessions", "queued_sessions", "branches_a_day", "migration_bytes" and "fixer_tokens_a_day".';
	END IF;
	SELECT l.key INTO bad FROM jsonb_each(limits) AS l
		WHERE CASE WHEN jsonb_typeof(l.value) = 'number' THEN l.value::numeric NOT BETWEEN 0 AND 1e12
			OR l.value::numeric <> trunc(l.value::numeric) ELSE true END LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'limit "%" must be an integer from 0 to 1000000000000', bad
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave out what is not to be limited.';
	END IF;
	PERFORM agent_branch.note_roles();
	UPDATE agent_branch.access AS a SET limits = agent_branch_limit.limits
		WHERE a.role = agent_branch_limit.role::oid AND a.project_id IS NOT DISTINCT FROM one;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'role % has no level there', coalesce(role::text, '<null>') USING ERRCODE = 'undefined_object',
			HINT = 'Give it one with agent_branch_grant() first; agent_grants shows what there is.';
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.agent_branch_limit(regrole, jsonb, text) IS
	'how much a role may have in each project that this grant of its is for: live_sessions, queued_sessions, branches_a_day, migration_bytes (of unfinished sessions), fixer_tokens_a_day (of questions and answers)';

CREATE FUNCTION @extschema@.agent_branch_revoke(role regrole, project text DEFAULT NULL)
	RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	one CONSTANT bigint := agent_branch.project_for_access(project);
BEGIN
	PERFORM agent_branch.require_writable('agent_branch_revoke');
	IF role IS NULL THEN
		RAISE EXCEPTION 'argument "role" must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Name a role, or the number of one that is gone.';
	END IF;
	PERFORM agent_branch.note_roles();
	DELETE FROM agent_branch.access AS a WHERE a.role = agent_branch_revoke.role::oid
		AND (one IS NULL OR a.project_id = one);
	PERFORM agent_branch.set_privileges(role);
END
$$;
COMMENT ON FUNCTION @extschema@.agent_branch_revoke(regrole, text) IS
	'takes back what agent_branch_grant() gave to this role: for one project, or altogether';

-- =============================================================================================
-- Merges: what was asked for
-- =============================================================================================

ALTER TABLE agent_branch.merge ADD COLUMN on_unrecorded text NOT NULL DEFAULT 'fail'
	CHECK (on_unrecorded IN ('fail', 'drop'));
COMMENT ON COLUMN agent_branch.merge.on_unrecorded IS 'what happens to what is on the branch outside of its migrations, when the strategy cannot carry it';
ALTER TABLE agent_branch.merge ADD COLUMN chosen text CHECK (chosen IN ('nothing', 'replay', 'restore', 'candidate', 'pieces')),
	ADD COLUMN chosen_reason text, ADD COLUMN transaction_id xid8, ADD COLUMN certificate jsonb;
COMMENT ON COLUMN agent_branch.merge.chosen IS 'the strategy that is carried out, written before anything is done; nothing: the branch shows no change';
COMMENT ON COLUMN agent_branch.merge.transaction_id IS 'of the replay on the parent, noted before its COMMIT is sent: what became of it is asked of the parent';
COMMENT ON COLUMN agent_branch.merge.certificate IS 'what was compared, and what was done: the proof that nothing was lost';

ALTER TABLE agent_branch.conflict ADD COLUMN branch_hash text,
	ADD COLUMN base_definition text, ADD COLUMN branch_definition text, ADD COLUMN parent_definition text,
	ADD COLUMN depends_on text,
	DROP CONSTRAINT conflict_change_check,
	ADD CONSTRAINT conflict_change_check CHECK (change IN ('added', 'changed', 'dropped', 'restored', 'depends'));
COMMENT ON COLUMN agent_branch.conflict.base_definition IS 'the object when the branch was made, as far as it can be told';
COMMENT ON COLUMN agent_branch.conflict.depends_on IS 'of change "depends": what the other side changed, and this object uses';
COMMENT ON COLUMN agent_branch.conflict.branch_hash IS 'of the object on the branch; null where there is none, or where only the parent was looked at';

-- ---- Gates --------------------------------------------------------------------------------------

ALTER TABLE agent_branch.merge ADD COLUMN gates jsonb;
ALTER TABLE agent_branch.merge ADD COLUMN checked jsonb, ADD COLUMN pieces jsonb, ADD COLUMN after_fingerprint text;
COMMENT ON COLUMN agent_branch.merge.checked IS 'of a restore: whether the backup shows the parent as it was proven to be, or what was written in between and went to the backup; null: it was not looked at';
COMMENT ON COLUMN agent_branch.merge.pieces IS 'of a merge piece by piece: each transaction and each statement alone, and what became of it';
COMMENT ON COLUMN agent_branch.merge.after_fingerprint IS 'of a replay: the parent''s schema in its transaction, right before the COMMIT';
COMMENT ON COLUMN agent_branch.merge.gates IS 'the project''s gates that were asked before anything was merged, and what they answered';
ALTER TABLE agent_branch.conflict ADD COLUMN counterexamples jsonb,
	DROP CONSTRAINT conflict_change_check,
	ADD CONSTRAINT conflict_change_check CHECK (change IN ('added', 'changed', 'dropped', 'restored', 'depends', 'refused', 'failed'));
COMMENT ON COLUMN agent_branch.conflict.counterexamples IS 'of a gate that does not hold: the first rows that it found';
COMMENT ON COLUMN agent_branch.conflict.change IS 'what became of the object; refused: a gate does not hold; failed: a gate could not be asked';

CREATE UNLOGGED TABLE agent_branch.preview (
	ticket bigint PRIMARY KEY,
	session_id bigint NOT NULL,
	made_at timestamptz NOT NULL DEFAULT now(),
	result jsonb NOT NULL
);
COMMENT ON TABLE agent_branch.preview IS 'answers to agent_merge_preview(), for the backends that wait for them; gone after an hour';

CREATE TABLE agent_branch.fork (
	session_id bigint PRIMARY KEY REFERENCES agent_branch.session ON DELETE CASCADE,
	parent jsonb,
	branch jsonb
);
COMMENT ON TABLE agent_branch.fork IS 'where the parent stood right before a session''s branch was made, and the branch right after: next transaction id, sequences';
SELECT pg_catalog.pg_extension_config_dump('agent_branch.fork', '');

CREATE TABLE agent_branch.rebase (
	session_id bigint PRIMARY KEY REFERENCES agent_branch.session ON DELETE CASCADE,
	branch_id text NOT NULL,
	base_fingerprint text,
	branch_fingerprint text NOT NULL,
	began_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE agent_branch.rebase IS 'sessions whose migrations are run anew on a branch of the parent as it is now: the branch before, and its schema when it was made and when it was set aside';
SELECT pg_catalog.pg_extension_config_dump('agent_branch.rebase', '');
/*
 * What an undo of a merge goes back to, and how what was written since is found.  The journal of the undo
 * itself is a row of its own, since the session that was merged is over.
 */
CREATE TABLE agent_branch.undo_point (
	merge_id bigint PRIMARY KEY REFERENCES agent_branch.merge ON DELETE CASCADE,
	session_id bigint NOT NULL REFERENCES agent_branch.session ON DELETE CASCADE,
	backup_name text,
	backup_branch_id text,
	standpoint jsonb,
	statistics jsonb,
	record jsonb,
	parent_reset_at text,
	undo_until timestamptz,
	why_not text
);
COMMENT ON TABLE agent_branch.undo_point IS 'of a merge of a project with an undo_window: the backup, and where the parent stood';
COMMENT ON COLUMN agent_branch.undo_point.standpoint IS 'what was written to the parent after this was written after the merge, but for what record tells';
COMMENT ON COLUMN agent_branch.undo_point.statistics IS 'a standpoint, too: the statistics that deletions are held against';
COMMENT ON COLUMN agent_branch.undo_point.record IS 'what the transaction of a replay did';
COMMENT ON COLUMN agent_branch.undo_point.parent_reset_at IS 'the parent''s last_reset_at as the merge left it';
COMMENT ON COLUMN agent_branch.undo_point.why_not IS 'why the merge cannot be undone; null: it can, until undo_until';
CREATE INDEX undo_point_session ON agent_branch.undo_point (session_id);
SELECT pg_catalog.pg_extension_config_dump('agent_branch.undo_point', '');

CREATE TABLE agent_branch.undo (
	id bigint PRIMARY KEY,
	merge_id bigint NOT NULL REFERENCES agent_branch.merge ON DELETE CASCADE,
	session_id bigint NOT NULL REFERENCES agent_branch.session ON DELETE CASCADE,
	forced boolean NOT NULL,
	requested_by name,
	requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	status text NOT NULL CHECK (status IN ('queued', 'running', 'undone', 'refused', 'failed')),
	parent_reset_at text,
	preserved_name text,
	preserved_branch_id text,
	accepted boolean NOT NULL DEFAULT false,
	lost text[],
	reason text,
	finished_at timestamptz
);
COMMENT ON TABLE agent_branch.undo IS 'one row an undo that was asked for: what it did, and what it dropped or would have dropped';
COMMENT ON COLUMN agent_branch.undo.id IS 'the id of the request that asked for it';
COMMENT ON COLUMN agent_branch.undo.parent_reset_at IS 'the parent''s last_reset_at right before the restore: the pre-image that an unknown outcome is held against';
COMMENT ON COLUMN agent_branch.undo.preserved_name IS 'preserve_under_name of the restore, unique to this undo: that it exists proves the restore; the parent as it was before the undo';
COMMENT ON COLUMN agent_branch.undo.lost IS 'what was written since the merge, which the undo dropped, or was refused for';
CREATE INDEX undo_merge ON agent_branch.undo (merge_id, id);
CREATE INDEX undo_session ON agent_branch.undo (session_id);
CREATE INDEX undo_open ON agent_branch.undo (id) WHERE status IN ('queued', 'running');
SELECT pg_catalog.pg_extension_config_dump('agent_branch.undo', '');

ALTER TABLE agent_branch.session DROP CONSTRAINT session_goal_check,
	ADD CONSTRAINT session_goal_check CHECK (goal IN ('merge', 'rebase', 'discard', 'expire'));
ALTER TABLE agent_branch.merge ADD COLUMN candidates integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN agent_branch.merge.candidates IS 'branches of the parent that were made anew for it, by strategy candidate';
ALTER TABLE agent_branch.kept_branch DROP CONSTRAINT kept_branch_kind_check,
	ADD CONSTRAINT kept_branch_kind_check CHECK (kind IN ('pinned', 'backup', 'orphan', 'rebased'));
ALTER TABLE agent_branch.sweep_branch DROP CONSTRAINT sweep_branch_class_check,
	ADD CONSTRAINT sweep_branch_class_check CHECK (class IN ('live', 'expired', 'pinned', 'backup', 'orphan', 'rebased',
		'ghost', 'foreign', 'parent'));
ALTER TABLE agent_branch.request DROP CONSTRAINT request_kind_check,
	ADD CONSTRAINT request_kind_check CHECK (kind IN ('register', 'create', 'migrate', 'merge', 'discard', 'extend', 'reap',
		'take over', 'preview', 'undo', 'rebase', 'provision', 'rotate'));

DROP FUNCTION @extschema@.agent_merge(text, text, text, text);
CREATE FUNCTION @extschema@.agent_merge(session text, strategy text DEFAULT NULL, on_drift text DEFAULT NULL,
	project text DEFAULT NULL, on_unrecorded text DEFAULT NULL)
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_merge(text, text, text, text, text) IS
	'asks for the session''s branch to become the parent''s new state. strategy: auto, replay, restore, candidate; on_drift, when the parent''s schema moved: fail, rebase; on_unrecorded, for what was done outside of migrations: fail, drop';

CREATE FUNCTION @extschema@.agent_merge_preview(session text, project text DEFAULT NULL)
	RETURNS jsonb LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_merge_preview(text, text) IS
	'what agent_merge() would do with this session now, and why; changes nothing';

CREATE FUNCTION @extschema@.agent_merge_undo(session text, force boolean DEFAULT false, project text DEFAULT NULL)
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_merge_undo(text, boolean, text) IS
	'asks for the parent to be what it was before this session was merged; force: also when something was written since, which is lost';

CREATE FUNCTION @extschema@.agent_rebase(session text, project text DEFAULT NULL)
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_rebase(text, text) IS
	'asks for the session''s migrations to be run anew on a branch of the parent as it is now';

-- =============================================================================================
-- Projects and history
-- =============================================================================================

CREATE FUNCTION @extschema@.agent_project_create(name text, options jsonb DEFAULT '{}')
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_project_create(text, jsonb) IS
	'asks for a new Neon project with a production branch and the branch that sessions fork from, and registers it. Its name stands for its id in all functions. options: production, parent, database, role, region, organization, pg_version, and those of agent_project_register(), of which min_cu and max_cu are its computes'' limits too';

CREATE FUNCTION @extschema@.agent_project_remove(project text)
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_project_remove(text) IS
	'forgets a registered project; refused while it has unfinished sessions. Nothing is deleted at Neon but what was to be deleted anyway';

CREATE FUNCTION @extschema@.agent_project_pause(project text, reason text DEFAULT NULL)
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_project_pause(text, text) IS
	'no session of the project may begin, migrate or merge until agent_project_resume(); callers are told the reason';

CREATE FUNCTION @extschema@.agent_project_resume(project text)
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_project_resume(text) IS 'ends agent_project_pause()';

CREATE FUNCTION @extschema@.agent_purge(older_than interval)
	RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_purge(interval) IS
	'removes sessions that finished longer ago than this, with all that is known of them; returns their number, at most 100000 a call';

CREATE FUNCTION agent_branch.purge(older_than interval, most integer) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	purged bigint;
	gone_before bigint;
BEGIN
	-- What the worker may still have to do something for stays: a branch that is kept, a step whose
	-- outcome is not known, a request.
	DELETE FROM agent_branch.session WHERE id IN (SELECT s.id FROM agent_branch.session AS s
		WHERE s.finished_at < now() - older_than
			AND NOT EXISTS (SELECT FROM agent_branch.kept_branch AS k WHERE k.session_id = s.id AND k.deleted_at IS NULL)
			AND NOT EXISTS (SELECT FROM agent_branch.step AS t WHERE t.session_id = s.id AND t.status = 'intended')
			AND NOT EXISTS (SELECT FROM agent_branch.request AS r WHERE r.session_id = s.id)
			AND NOT EXISTS (SELECT FROM agent_branch.undo AS u WHERE u.session_id = s.id AND u.status IN ('queued', 'running'))
		ORDER BY s.finished_at LIMIT most);
	GET DIAGNOSTICS purged = ROW_COUNT;
	IF purged = 0 THEN
		RETURN 0;
	END IF;
	-- Of the chain of events only the oldest ones go, up to the first that must stay.
	SELECT min(e.place) INTO gone_before FROM agent_branch.event AS e
		WHERE e.place IS NOT NULL AND (e.session_id IS NOT NULL OR e.at >= now() - older_than);
	DELETE FROM agent_branch.event AS e WHERE e.place < gone_before;
	DELETE FROM agent_branch.schema_snapshot AS f WHERE f.taken_at < now() - older_than
		AND NOT EXISTS (SELECT FROM agent_branch.session AS s WHERE s.base_fingerprint = f.fingerprint)
		AND NOT EXISTS (SELECT FROM agent_branch.merge AS m WHERE m.base_fingerprint = f.fingerprint)
		AND NOT EXISTS (SELECT FROM agent_branch.merge AS m WHERE m.parent_fingerprint = f.fingerprint);
	RETURN purged;
END
$$;
COMMENT ON FUNCTION agent_branch.purge(interval, integer) IS 'removes sessions that finished longer ago, the oldest first, at most so many, with all that is known of them';

CREATE FUNCTION @extschema@.agent_branch_tree(project text DEFAULT NULL, format text DEFAULT 'text')
	RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_branch_tree(text, text) IS
	'parents and the branches that hang under them, as far as the caller may see them; format: text, mermaid, svg';

CREATE FUNCTION agent_branch.find_session(session text, project text)
	RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'agent_branch_find_session';
COMMENT ON FUNCTION agent_branch.find_session(text, text) IS 'the id of the session that a caller means and may see, as agent_wait() finds it';

/*
 * Histories go with their session, so that purging is one DELETE; each foreign key has its index, or
 * that DELETE would read the whole table for each session.
 */
DO $$
DECLARE
	key record;
BEGIN
	FOR key IN SELECT c.conrelid::regclass AS owner, c.conname, pg_get_constraintdef(c.oid) AS definition
		FROM pg_constraint AS c
		WHERE c.contype = 'f' AND c.confdeltype = 'a' AND c.connamespace = 'agent_branch'::regnamespace
			AND c.confrelid IN ('agent_branch.session'::regclass, 'agent_branch.migration'::regclass,
				'agent_branch.merge'::regclass)
	LOOP
		EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s ON DELETE CASCADE', key.owner, key.conname,
			key.definition);
	END LOOP;
END
$$;
CREATE INDEX session_project ON agent_branch.session (project_id, id);
CREATE INDEX session_finished ON agent_branch.session (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX session_live ON agent_branch.session (project_id, owner) WHERE finished_at IS NULL;
CREATE INDEX session_queued ON agent_branch.session (project_id, id) WHERE state = 'queued' AND finished_at IS NULL;
CREATE INDEX session_fingerprint ON agent_branch.session (base_fingerprint);
CREATE INDEX session_failed ON agent_branch.session (id) WHERE state IN ('failed', 'conflict');
CREATE INDEX session_unsettled ON agent_branch.session (id) WHERE NOT settled;
CREATE INDEX session_created ON agent_branch.session (created_at);
CREATE INDEX session_owner ON agent_branch.session (owner, id);
CREATE INDEX migration_failed ON agent_branch.migration (id) WHERE status = 'failed';
CREATE INDEX merge_open ON agent_branch.merge (id) WHERE status IN ('queued', 'running');
CREATE INDEX kept_branch_session ON agent_branch.kept_branch (session_id);
CREATE INDEX fixer_call_asked ON agent_branch.fixer_call (asked_at);
CREATE INDEX conflict_merge ON agent_branch.conflict (merge_id);
CREATE INDEX step_project ON agent_branch.step (project_id);
CREATE INDEX request_project ON agent_branch.request (project_id);
CREATE INDEX sweep_branch_session ON agent_branch.sweep_branch (session_id);
CREATE INDEX event_at ON agent_branch.event (at);

-- Rows that are written several times stay on their page; tables that grow for months are vacuumed
-- by the number of their dead rows, which sit where the worker looks, and not by their share.
ALTER TABLE agent_branch.session SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
ALTER TABLE agent_branch.migration SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
ALTER TABLE agent_branch.migration_attempt SET (fillfactor = 90);
ALTER TABLE agent_branch.step SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
ALTER TABLE agent_branch.request SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
ALTER TABLE agent_branch.credential SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- =============================================================================================
-- Upkeep: each project sweeps itself, and says what is in its way
-- =============================================================================================

CREATE TABLE agent_branch.project_upkeep (
	project_id bigint PRIMARY KEY REFERENCES agent_branch.project ON DELETE CASCADE,
	swept_at timestamptz,
	error text,
	error_since timestamptz
);
COMMENT ON TABLE agent_branch.project_upkeep IS 'when a sweep last saw a project whole, and what keeps the next one from it, if anything does';
SELECT pg_catalog.pg_extension_config_dump('agent_branch.project_upkeep', '');

-- =============================================================================================
-- Views.  They read the tables with their owner's rights and show each role its own.
-- =============================================================================================

CREATE VIEW @extschema@.agent_grants WITH (security_barrier) AS
	SELECT a.role::regrole AS role, a.level, p.project, a.limits, a.granted_by, a.granted_at
	FROM agent_branch.access AS a JOIN pg_roles AS r ON r.oid = a.role
		LEFT JOIN agent_branch.project AS p ON p.id = a.project_id
	WHERE pg_has_role(a.role, 'USAGE') OR EXISTS (SELECT FROM agent_branch.caller_access AS c
		WHERE c.level IN ('monitor', 'admin') AND (c.project_id IS NULL OR c.project_id = a.project_id));
COMMENT ON VIEW @extschema@.agent_grants IS 'who has which level where (project is null: every project): one''s own, and for monitor and admin those of others';

CREATE VIEW @extschema@.agent_projects WITH (security_barrier) AS
	SELECT p.project, p.parent, p.database, p.role, p.options, p.registered_by::regrole AS registered_by, p.registered_at,
		(SELECT count(*) FROM agent_branch.session AS s WHERE s.project_id = p.id AND s.finished_at IS NULL
			AND s.state <> 'queued') AS sessions,
		(SELECT count(*) FROM agent_branch.session AS s WHERE s.project_id = p.id AND s.finished_at IS NULL
			AND s.state = 'queued') AS queued, p.paused_at, p.pause_reason,
		u.swept_at, CASE WHEN p.whole THEN u.error END AS upkeep_error,
		CASE WHEN p.whole THEN u.error_since END AS upkeep_error_since, p.name,
		CASE WHEN p.paused_at IS NOT NULL THEN 'paused' ELSE 'ready' END AS state
	FROM agent_branch.visible_project AS p LEFT JOIN agent_branch.project_upkeep AS u ON u.project_id = p.id
	WHERE p.removed_at IS NULL
	UNION ALL
	SELECT n.project, n.parent, n.database, n.role, n.options, r.oid::regrole, n.requested_at, 0, 0, NULL, NULL, NULL, n.error,
		n.error_since, n.name, 'creating'
	FROM agent_branch.provision AS n LEFT JOIN pg_roles AS r ON r.rolname = n.requested_by_name
	WHERE EXISTS (SELECT FROM agent_branch.caller_access AS c WHERE c.level IN ('monitor', 'admin') AND c.project_id IS NULL);
COMMENT ON VIEW @extschema@.agent_projects IS 'registered projects that the caller has a level for, with the number of sessions that hold or make a branch and of those that wait, when a sweep last saw the project whole, and what keeps the next one from it; state is creating while agent_project_create() is being carried out, and upkeep_error says what is in its way';

/*
 * A place in the queue is found by two binary searches in one sorted array, made once for a query that
 * shows a queued session: counting those before it would take the square of the queue's length.
 */
CREATE VIEW @extschema@.agent_sessions WITH (security_barrier) AS
	SELECT s.name AS session, p.project, s.state, s.settled, s.error, s.error_hint AS hint, s.owner::regrole AS owner,
		s.branch_name, s.branch_id, s.endpoint_id,
		CASE WHEN s.state = 'queued' AND s.finished_at IS NULL THEN (
			width_bucket((s.project_id << 40) + s.id, queue.keys) - width_bucket(s.project_id << 40, queue.keys))::bigint
		END AS queue_position,
		s.created_at, s.ready_at, s.state_changed_at, s.expires_at, s.branch_expires_at, s.finished_at, s.pinned,
		s.api_calls, s.base_fingerprint, s.id, w.waits_for, w.told_at - interval '1 second' AS waits_since,
		CASE WHEN s.finished_at IS NOT NULL AND s.settled THEN NULL
			WHEN p.paused_at IS NOT NULL AND s.state = 'queued' THEN 'agent_project_resume()'
			WHEN s.state IN ('failed', 'conflict') AND s.settled THEN 'agent_migrate(), agent_rebase() or agent_discard()'
			WHEN s.state = 'ready' AND s.settled THEN 'agent_migrate(), agent_merge() or agent_discard()'
			WHEN s.state = 'queued' THEN 'a place: a session of the project that ends'
			ELSE 'the worker'
		END AS goes_on_with,
		CASE WHEN s.role_branch_id = s.branch_id THEN 'agent_branch_session_' || replace(s.uuid::text, '-', '') END AS agent_role,
		s.shared_role
	FROM agent_branch.listed_session AS s
		CROSS JOIN LATERAL (SELECT (SELECT p.project FROM agent_branch.project AS p WHERE p.id = s.project_id) AS project,
			(SELECT p.paused_at FROM agent_branch.project AS p WHERE p.id = s.project_id) AS paused_at) AS p
		CROSS JOIN LATERAL (SELECT (SELECT w.waits_for FROM agent_branch.session_wait AS w WHERE w.session_id = s.id
				AND (s.finished_at IS NULL OR NOT s.settled)) AS waits_for,
			(SELECT w.told_at FROM agent_branch.session_wait AS w WHERE w.session_id = s.id
				AND (s.finished_at IS NULL OR NOT s.settled)) AS told_at) AS w,
		LATERAL (SELECT ARRAY(SELECT (q.project_id << 40) + q.id FROM agent_branch.session AS q
			WHERE q.state = 'queued' AND q.finished_at IS NULL ORDER BY q.project_id, q.id) AS keys) AS queue
	ORDER BY s.id DESC;
COMMENT ON VIEW @extschema@.agent_sessions IS 'sessions, finished ones too: those of the caller''s roles, or all for monitor and admin; what each waits for, since when, and what it goes on with; agent_role is the login role that the agent has on the branch, and shared_role why it has the project''s instead';

CREATE VIEW @extschema@.agent_migrations WITH (security_barrier) AS
	SELECT s.name AS session, p.project, m.ordinal, t.name, m.status, t.sql, m.attempt AS attempts, m.fixer, m.queued_at, t.started_at,
		t.finished_at, t.finished_at - t.started_at AS duration, t.statements, t.statements_done, t.alone, t.rows, t.risks,
		t.statement, t.sqlstate, t.message, t.detail, t.hint, t.context, t.line, t."column", m.session_id
	FROM agent_branch.migration AS m
		JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id AND t.number = m.attempt
		JOIN agent_branch.visible_session AS s ON s.id = m.session_id JOIN agent_branch.project AS p ON p.id = s.project_id;
COMMENT ON VIEW @extschema@.agent_migrations IS 'migrations of sessions, each with its latest text: how far it came, what it puts at risk, and the error of those that failed as the branch''s server gave it';

CREATE VIEW @extschema@.agent_migration_attempts WITH (security_barrier) AS
	SELECT s.name AS session, p.project, m.ordinal, t.number AS attempt, t.made_by, t.name, t.status, t.reason, t.sql,
		t.queued_at, t.started_at, t.finished_at, t.finished_at - t.started_at AS duration, t.statements, t.statements_done,
		t.alone, t.rows, t.risks, t.statement, t.sqlstate, t.message, t.detail, t.hint, t.context, t.line, t."column",
		m.session_id
	FROM agent_branch.migration_attempt AS t JOIN agent_branch.migration AS m ON m.id = t.migration_id
		JOIN agent_branch.visible_session AS s ON s.id = m.session_id JOIN agent_branch.project AS p ON p.id = s.project_id;
COMMENT ON VIEW @extschema@.agent_migration_attempts IS 'every text of every migration: who made it, and what came of it';

CREATE VIEW @extschema@.agent_fixer_calls WITH (security_barrier) AS
	SELECT s.name AS session, p.project, m.ordinal, f.original AS attempt, f.source, f.model, f.outcome, f.reason,
		f.explanation, f.input_tokens, f.output_tokens, f.cost, f.asked_at, f.answered_at,
		f.answered_at - f.asked_at AS duration, f.session_id
	FROM agent_branch.fixer_call AS f JOIN agent_branch.migration AS m ON m.id = f.migration_id
		JOIN agent_branch.visible_session AS s ON s.id = f.session_id JOIN agent_branch.project AS p ON p.id = s.project_id;
COMMENT ON VIEW @extschema@.agent_fixer_calls IS 'each time that a fix was looked for: where, what came of it, and what it cost';
COMMENT ON COLUMN @extschema@.agent_fixer_calls.explanation IS 'the words of the model or of its server, of which nothing is checked';

CREATE VIEW @extschema@.agent_fixer_memory WITH (security_barrier) AS
	SELECT p.project, f.id, f.original, f.fix, f.worked, f.failed, f.first_at, f.last_at
	FROM agent_branch.fixer_memory AS f JOIN agent_branch.visible_project AS p ON p.id = f.project_id
	WHERE p.whole;
COMMENT ON VIEW @extschema@.agent_fixer_memory IS 'fixes that worked and how often they did since; for monitor and admin';

CREATE VIEW @extschema@.agent_merges WITH (security_barrier) AS
	SELECT s.name AS session, p.project, m.status, m.strategy, m.on_drift, m.reason, m.requested_at, m.started_at,
		m.finished_at, m.base_fingerprint, m.parent_fingerprint, coalesce(m.backup_name, o.backup_name) AS backup_name,
		coalesce(m.backup_branch_id, o.backup_branch_id) AS backup_branch_id, m.session_id,
		m.on_unrecorded, m.chosen, m.chosen_reason, m.transaction_id, m.certificate, m.candidates,
		CASE WHEN (m.status = 'merged' OR m.status = 'failed' AND m.pieces IS NOT NULL) AND o.why_not IS NULL
			THEN o.undo_until END AS undo_until,
		CASE WHEN m.status = 'merged' OR m.status = 'failed' AND m.pieces IS NOT NULL THEN
			CASE WHEN o.merge_id IS NULL THEN 'no backup was kept for an undo' ELSE o.why_not END
		END AS not_undoable,
		u.status AS undo_status, CASE WHEN u.status = 'undone' THEN u.finished_at END AS undone_at,
		CASE WHEN u.status = 'undone' THEN u.requested_by END AS undone_by, u.reason AS undo_reason, u.lost AS undo_lost,
		u.preserved_name,
		m.gates, m.checked, m.pieces, m.after_fingerprint
	FROM agent_branch.merge AS m JOIN agent_branch.visible_session AS s ON s.id = m.session_id
		JOIN agent_branch.project AS p ON p.id = s.project_id
		LEFT JOIN agent_branch.undo_point AS o ON o.merge_id = m.id
		LEFT JOIN LATERAL (SELECT u.* FROM agent_branch.undo AS u WHERE u.merge_id = m.id ORDER BY u.id DESC LIMIT 1) AS u ON true;
COMMENT ON VIEW @extschema@.agent_merges IS 'merges that were asked for: what was compared and what came of it; until when each can be undone, or why it cannot, and whether it was, by whom, and what was dropped';

CREATE VIEW @extschema@.agent_conflicts WITH (security_barrier) AS
	SELECT s.name AS session, p.project, c.object, c.change, c.base_hash, c.parent_hash, m.reason, c.found_at, c.session_id, c.branch_hash,
		c.base_definition, c.branch_definition, c.parent_definition, c.depends_on,
		c.counterexamples
	FROM agent_branch.conflict AS c JOIN agent_branch.merge AS m ON m.id = c.merge_id
		JOIN agent_branch.visible_session AS s ON s.id = c.session_id JOIN agent_branch.project AS p ON p.id = s.project_id;
COMMENT ON VIEW @extschema@.agent_conflicts IS 'why merges were refused: each object of the parent that changed since the session began, and each gate that does not hold';

ALTER TABLE agent_branch.step ADD COLUMN request_id text;
COMMENT ON COLUMN agent_branch.step.request_id IS 'of the step''s last call of the API: Neon''s own, as its support asks for, or the one that was sent with the call';

CREATE VIEW @extschema@.agent_steps WITH (security_barrier) AS
	SELECT t.id, s.name AS session, p.project, t.kind, t.target, t.status, t.outcome, t.intended_at, t.recorded_at,
		t.recorded_at - t.intended_at AS duration, t.session_id, t.request_id
	FROM agent_branch.step AS t JOIN agent_branch.visible_session AS s ON s.id = t.session_id
		JOIN agent_branch.project AS p ON p.id = s.project_id;
COMMENT ON VIEW @extschema@.agent_steps IS 'the journal of sessions: each effect outside of this database, when it was intended, and what came of it';

CREATE VIEW @extschema@.agent_branches WITH (security_barrier) AS
	SELECT b.sweep_id AS sweep, w.dry_run, w.finished_at AS seen_at, p.project, b.branch_id, b.name, b.parent_id, b.class,
		b.action, s.name AS session, b.created_at, b.expires_at, w.finished_at - b.created_at AS age, b.children,
		agent_branch.monthly_cost(b.logical_size, b.compute_seconds, w.finished_at - b.created_at) AS monthly_cost,
		u.error AS upkeep_error, u.error_since AS upkeep_error_since
	FROM agent_branch.visible_project AS p
		CROSS JOIN LATERAL (SELECT l.sweep_id FROM agent_branch.sweep_branch AS l JOIN agent_branch.sweep AS f ON f.id = l.sweep_id
			WHERE l.project_id = p.id AND f.finished_at IS NOT NULL ORDER BY l.sweep_id DESC LIMIT 1) AS last
		JOIN agent_branch.sweep AS w ON w.id = last.sweep_id
		JOIN agent_branch.sweep_branch AS b ON b.project_id = p.id AND b.sweep_id = last.sweep_id
		LEFT JOIN agent_branch.session AS s ON s.id = b.session_id
		LEFT JOIN agent_branch.project_upkeep AS u ON u.project_id = p.id
	WHERE p.whole;
COMMENT ON VIEW @extschema@.agent_branches IS 'what the last sweep of each project saw at Neon, what each branch is to us, what the sweep did or would do, an estimate of what the branch costs a month, and what keeps the project''s next sweep from being done, if anything does';

/* The worker's last error may be about any project: it is for those who see them all. */
CREATE VIEW @extschema@.agent_worker AS
	SELECT w.pid, w.state, w.started_at, w.sessions, w.waiting, w.calls_waiting, w.calls_under_way, w.calls_total,
		w.call_budget, CASE WHEN a.sees_all THEN w.last_error END AS last_error,
		CASE WHEN a.sees_all THEN w.last_error_at END AS last_error_at, (
			SELECT jsonb_agg(jsonb_build_object('session', s.session, 'project', s.project, 'state', s.state,
				'waits_for', s.waits_for, 'since', s.waits_since) ORDER BY s.waits_since, s.id)
			FROM @extschema@.agent_sessions AS s WHERE s.waits_for IS NOT NULL) AS queue, (
			SELECT jsonb_agg(jsonb_build_object('project', p.project, 'error', p.upkeep_error, 'since', p.upkeep_error_since)
				ORDER BY p.upkeep_error_since, p.project)
			FROM @extschema@.agent_projects AS p WHERE p.upkeep_error IS NOT NULL) AS projects_in_trouble
	FROM agent_branch.worker_status() AS w, (SELECT EXISTS (SELECT FROM agent_branch.caller_access AS c
		WHERE c.level IN ('monitor', 'admin') AND c.project_id IS NULL) AS sees_all) AS a;
COMMENT ON VIEW @extschema@.agent_worker IS 'this database''s worker: its process, load, budget of API calls, last error, and what each session that the caller may see has waited for, for a second or more, and which projects cannot be swept; no row when none runs';

CREATE FUNCTION agent_branch.api_call_statistics(OUT route text, OUT calls bigint, OUT kinds text[], OUT by_kind bigint[],
	OUT retries bigint, OUT waits bigint, OUT waited_ms double precision, OUT took_ms double precision,
	OUT longest_ms double precision, OUT percentiles double precision[], OUT bounds bigint[], OUT by_time bigint[],
	OUT since timestamptz)
	RETURNS SETOF record LANGUAGE C VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'agent_branch_api_call_statistics';
COMMENT ON FUNCTION agent_branch.api_call_statistics() IS 'calls of the API from this database by route, from shared memory: what they came to, how long they took (by_time: up to each of the bounds, in milliseconds, and beyond), and how long they waited for their turn';

CREATE FUNCTION @extschema@.agent_stats_reset()
	RETURNS void LANGUAGE C VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'agent_branch_stats_reset';
COMMENT ON FUNCTION @extschema@.agent_stats_reset() IS 'has agent_api_calls count from nothing again';

/* All projects share a route: it is for those who see them all. */
CREATE VIEW @extschema@.agent_api_calls WITH (security_barrier) AS
	SELECT c.route, c.calls, c.calls - c.by_kind[1] AS errors, (
			SELECT coalesce(jsonb_object_agg(k.kind, k.calls), '{}') FROM unnest(c.kinds, c.by_kind) AS k (kind, calls)
			WHERE k.kind <> 'done' AND k.calls > 0) AS errors_by_kind,
		c.retries, c.waits, c.waited_ms AS wait_time, c.took_ms AS total_time, c.took_ms / c.calls AS mean_time,
		c.percentiles[1] AS p50_time, c.percentiles[2] AS p90_time, c.percentiles[3] AS p99_time,
		c.longest_ms AS max_time, c.since AS stats_reset
	FROM agent_branch.api_call_statistics() AS c
	WHERE EXISTS (SELECT FROM agent_branch.caller_access AS a WHERE a.level IN ('monitor', 'admin') AND a.project_id IS NULL)
	ORDER BY c.route;
COMMENT ON VIEW @extschema@.agent_api_calls IS 'calls of the API since agent_stats_reset() or the server''s start, by route: what they came to, how often they were made again, how long they waited for their turn, and how long they took (milliseconds); for monitor and admin of all projects';

-- =============================================================================================
-- What happened, and how much of it
-- =============================================================================================

/*
 * An event tells its own story, also when the session that it is about was purged.  Who asked for
 * something is an event as well, written in the transaction that asked.
 */
ALTER TABLE agent_branch.event
	DROP CONSTRAINT event_session_id_fkey,
	ADD CONSTRAINT event_session_id_fkey FOREIGN KEY (session_id) REFERENCES agent_branch.session ON DELETE SET NULL,
	ALTER COLUMN session_id DROP NOT NULL,
	ALTER COLUMN state DROP NOT NULL,
	ADD COLUMN session text,
	ADD COLUMN project_id bigint,
	ADD COLUMN owner oid,
	ADD COLUMN asked text,
	ADD COLUMN asked_as name,
	ADD COLUMN asked_by name,
	ADD COLUMN client_addr inet,
	ADD COLUMN sent text,
	ADD COLUMN target text,
	ADD COLUMN request_id text,
	ADD COLUMN outcome text,
	ADD COLUMN place bigint,
	ADD COLUMN hash bytea;
COMMENT ON TABLE agent_branch.event IS 'every change of a session''s state, and everything that was asked for';
COMMENT ON COLUMN agent_branch.event.owner IS 'of the session, in this server only: a dump''s events are for monitor and admin until agent_branch_take_over()';
COMMENT ON COLUMN agent_branch.event.asked IS 'the kind of the request; null: a change of state';
COMMENT ON COLUMN agent_branch.event.asked_as IS 'the role whose rights counted';
COMMENT ON COLUMN agent_branch.event.asked_by IS 'the role that had logged in';
COMMENT ON COLUMN agent_branch.event.sent IS 'the kind of a step of the journal, whose outcome the event is; null: no effect outside of this database';
COMMENT ON COLUMN agent_branch.event.request_id IS 'of the step''s last call of the API, as in step';
COMMENT ON COLUMN agent_branch.event.place IS 'in the chain, in the order in which the worker found the events; null: not sealed yet';
COMMENT ON COLUMN agent_branch.event.hash IS 'of the event and the hash of the one before it';
UPDATE agent_branch.event AS e SET session = s.name, project_id = s.project_id, owner = s.owner
	FROM agent_branch.session AS s WHERE s.id = e.session_id;
CREATE INDEX event_owner ON agent_branch.event (owner, id);
CREATE INDEX event_project ON agent_branch.event (project_id, id);
CREATE INDEX event_name ON agent_branch.event (session, id);
CREATE UNIQUE INDEX event_place ON agent_branch.event (place);
CREATE INDEX event_unsealed ON agent_branch.event (id) WHERE place IS NULL;

/* Not of the row's type, which would keep columns from being added to the table. */
CREATE FUNCTION agent_branch.event_hash(event jsonb, previous bytea) RETURNS bytea
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- Not the session's id, which agent_purge() takes, nor the owner's, which a dump changes.
	SELECT sha256(previous || convert_to(jsonb_build_array(event -> 'place', event -> 'id', event -> 'at', event -> 'session',
		event -> 'project_id', event -> 'old_state', event -> 'state', event -> 'error', event -> 'asked',
		event -> 'asked_as', event -> 'asked_by', event -> 'client_addr', event -> 'sent', event -> 'target',
		event -> 'request_id', event -> 'outcome')::text, 'UTF8'));
END;
COMMENT ON FUNCTION agent_branch.event_hash(jsonb, bytea) IS 'what makes a changed, missing or added event show';

CREATE FUNCTION agent_branch.seal_events() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	event agent_branch.event;
	last agent_branch.event;
BEGIN
	FOR event IN SELECT e.* FROM agent_branch.event AS e WHERE e.place IS NULL ORDER BY e.id LOOP
		IF last.place IS NULL THEN
			SELECT e.* INTO last FROM agent_branch.event AS e WHERE e.place IS NOT NULL ORDER BY e.place DESC LIMIT 1;
		END IF;
		event.place := coalesce(last.place, 0) + 1;
		event.hash := agent_branch.event_hash(to_jsonb(event), coalesce(last.hash, ''));
		UPDATE agent_branch.event AS e SET place = event.place, hash = event.hash WHERE e.id = event.id;
		last := event;
	END LOOP;
END
$$;
COMMENT ON FUNCTION agent_branch.seal_events() IS 'adds to the chain what is not in it: the worker''s alone, since two at a time would get in each other''s way';

CREATE FUNCTION @extschema@.agent_events_verify(OUT whole boolean, OUT checked bigint, OUT unsealed bigint, OUT bad_event bigint,
	OUT reason text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	event agent_branch.event;
	previous agent_branch.event;
BEGIN
	checked := 0;
	unsealed := (SELECT count(*) FROM agent_branch.event AS e WHERE e.place IS NULL);
	whole := true;
	FOR event IN SELECT e.* FROM agent_branch.event AS e WHERE e.place IS NOT NULL ORDER BY e.place LOOP
		-- The first one that agent_purge() left is taken as it is, unless it is the very first.
		IF previous.place IS NOT NULL AND event.place <> previous.place + 1 THEN
			reason := 'an event before it is missing';
		ELSIF (previous.place IS NOT NULL OR event.place = 1)
			AND event.hash IS DISTINCT FROM agent_branch.event_hash(to_jsonb(event), coalesce(previous.hash, '')) THEN
			reason := 'it is not what it was when it was sealed';
		END IF;
		IF reason IS NOT NULL THEN
			whole := false;
			bad_event := event.id;
			RETURN;
		END IF;
		checked := checked + 1;
		previous := event;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.agent_events_verify() IS
	'whether the chain of events is whole: how many were checked, how many wait to be sealed, and the first that was changed or lost';

CREATE TABLE agent_branch.tally (
	metric text NOT NULL,
	project_id bigint NOT NULL REFERENCES agent_branch.project,
	label text NOT NULL,
	value double precision NOT NULL,
	PRIMARY KEY (metric, project_id, label)
) WITH (fillfactor = 50);
COMMENT ON TABLE agent_branch.tally IS 'what agent_metrics() counts, which outlives what is purged; written by the worker''s transactions only';

CREATE FUNCTION agent_branch.count_up(metric text, project_id bigint, label text, more double precision) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	INSERT INTO agent_branch.tally AS t (metric, project_id, label, value)
		VALUES (count_up.metric, count_up.project_id, count_up.label, count_up.more)
		ON CONFLICT ON CONSTRAINT tally_pkey DO UPDATE SET value = t.value + excluded.value;
END;
COMMENT ON FUNCTION agent_branch.count_up(text, bigint, text, double precision) IS 'adds to a number of the tally';

CREATE FUNCTION agent_branch.observe(metric text, project_id bigint, seconds double precision) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	bounds CONSTANT double precision[] := '{0.1,0.3,1,3,10,30,100,300,1000}';
BEGIN
	-- width_bucket() counts the bounds that are not above it.
	PERFORM agent_branch.count_up(metric, project_id, coalesce(bounds[width_bucket(seconds, bounds) + 1]::text, 'Infinity'), 1);
	PERFORM agent_branch.count_up(metric, project_id, 'sum', seconds);
END
$$;
COMMENT ON FUNCTION agent_branch.observe(text, bigint, double precision) IS 'counts a duration in the buckets of a histogram';

/*
 * Who may listen cannot be limited, and anybody can send: a notification is a hint to look, and tells
 * nothing to a role that does not see the session.  Whoever listens and sleeps in a transaction fills
 * the queue, and with a full one no COMMIT would succeed that notifies: before that comes near, nothing
 * is told any more.
 */
CREATE OR REPLACE FUNCTION agent_branch.record_state_change() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO agent_branch.event (session_id, session, project_id, owner, state, error, asked_as, asked_by, client_addr)
			VALUES (NEW.id, NEW.name, NEW.project_id, NEW.owner, NEW.state, NEW.error, NEW.owner_name, session_user, inet_client_addr());
	ELSE
		INSERT INTO agent_branch.event (session_id, session, project_id, owner, old_state, state, error)
			VALUES (NEW.id, NEW.name, NEW.project_id, NEW.owner, OLD.state, NEW.state, NEW.error);
		IF NEW.state IN ('ready', 'merged', 'failed', 'conflict', 'discarded', 'expired') THEN
			PERFORM agent_branch.count_up('sessions', NEW.project_id, NEW.state, 1);
		END IF;
		IF NEW.state = 'ready' AND OLD.state = 'creating' THEN
			PERFORM agent_branch.observe('create', NEW.project_id, extract(epoch FROM clock_timestamp() - NEW.created_at));
		ELSIF NEW.state = 'merged' THEN
			PERFORM agent_branch.observe('merge', NEW.project_id, extract(epoch FROM clock_timestamp() - OLD.state_changed_at));
		END IF;
	END IF;
	IF pg_notification_queue_usage() < 0.5 THEN
		PERFORM pg_notify('agent_branch', jsonb_build_object('session_id', NEW.id)::text);
	END IF;
	RETURN NULL;
END
$$;

CREATE FUNCTION agent_branch.record_request() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO agent_branch.event (session_id, session, project_id, owner, asked, asked_as, asked_by, client_addr)
		SELECT NEW.session_id, s.name, coalesce(NEW.project_id, s.project_id), s.owner, NEW.kind, r.rolname, session_user,
			inet_client_addr()
		FROM pg_roles AS r LEFT JOIN agent_branch.session AS s ON s.id = NEW.session_id
		WHERE r.oid = NEW.requested_by::oid;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION agent_branch.record_request() IS 'writes an event that says who asked for what, as which role, and from where';
-- Who asked for a session is in the event of its first state.
CREATE TRIGGER record_request AFTER INSERT ON agent_branch.request
	FOR EACH ROW WHEN (NEW.kind <> 'create') EXECUTE FUNCTION agent_branch.record_request();

/* A step is intended before it is sent, so its outcome is always an update: what a dump brings is none. */
CREATE FUNCTION agent_branch.record_step() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO agent_branch.event (session_id, session, project_id, owner, sent, target, request_id, outcome)
		SELECT NEW.session_id, s.name, NEW.project_id, s.owner, NEW.kind, NEW.target, NEW.request_id,
			concat_ws(': ', NEW.status, NEW.outcome)
		FROM (SELECT) AS one LEFT JOIN agent_branch.session AS s ON s.id = NEW.session_id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION agent_branch.record_step() IS 'writes an event that says what was sent to Neon or run on a branch, and what came of it';
CREATE TRIGGER record_step AFTER UPDATE ON agent_branch.step
	FOR EACH ROW WHEN (NEW.status <> 'intended' AND OLD.status = 'intended') EXECUTE FUNCTION agent_branch.record_step();

CREATE VIEW agent_branch.visible_event AS
	WITH c AS MATERIALIZED (SELECT * FROM agent_branch.caller)
	(SELECT e.* FROM agent_branch.event AS e WHERE (SELECT c.sees_all FROM c) ORDER BY e.id DESC)
	UNION ALL
	SELECT e.* FROM c CROSS JOIN unnest(c.sees) AS p (id) JOIN agent_branch.event AS e ON e.project_id = p.id
	WHERE NOT c.sees_all
	UNION ALL
	SELECT e.* FROM c CROSS JOIN unnest(c.roles) AS r (id) JOIN agent_branch.event AS e ON e.owner = r.id
	WHERE NOT c.sees_all AND NOT e.project_id = ANY (c.sees) AND (c.uses_all OR e.project_id = ANY (c.uses))
	ORDER BY id DESC;
COMMENT ON VIEW agent_branch.visible_event IS 'events of the sessions that the caller sees, the newest first; those about no session are for monitor and admin';

CREATE VIEW @extschema@.agent_events WITH (security_barrier) AS
	SELECT e.id, e.at, e.session, (SELECT p.project FROM agent_branch.project AS p WHERE p.id = e.project_id) AS project, e.old_state, e.state, e.error, e.session_id, e.asked_as, e.asked_by,
		e.client_addr, (SELECT s.options ->> 'traceparent' FROM agent_branch.session AS s WHERE s.id = e.session_id) AS traceparent
	FROM agent_branch.visible_event AS e WHERE e.asked IS NULL AND e.sent IS NULL AND e.session_id IS NOT NULL
	ORDER BY e.id DESC;
COMMENT ON VIEW @extschema@.agent_events IS 'every change of a session''s state, and who began the session, as which role, from where; NOTIFY agent_branch says that there is a new one';

CREATE VIEW @extschema@.agent_audit WITH (security_barrier) AS
	SELECT e.id, e.at, e.asked, e.asked_as, e.asked_by, e.client_addr, e.session,
		(SELECT p.project FROM agent_branch.project AS p WHERE p.id = e.project_id) AS project, e.old_state, e.state, e.error,
		e.session_id, e.place, e.hash, e.sent, e.target, e.request_id, e.outcome
	FROM agent_branch.visible_event AS e
	ORDER BY e.id DESC;
COMMENT ON VIEW @extschema@.agent_audit IS 'everything that was asked for, what was sent to Neon or run on a branch for it (with the request''s id and what came of it), and every change of state, also of sessions that were purged; place and hash are of the chain that agent_events_verify() checks';

CREATE VIEW agent_branch.metric AS
	WITH project AS MATERIALIZED (
		SELECT p.id, p.project FROM agent_branch.visible_project AS p WHERE p.whole AND p.removed_at IS NULL),
	live AS (
		SELECT s.project_id, s.state, count(*) AS sessions, min(s.created_at) AS first
		FROM agent_branch.session AS s WHERE s.finished_at IS NULL GROUP BY s.project_id, s.state),
	tally AS (
		SELECT t.metric, p.project, t.label, t.value FROM agent_branch.tally AS t JOIN project AS p ON p.id = t.project_id),
	bucket AS (
		SELECT t.metric, t.project, b.bound, sum(t.value) FILTER (WHERE t.label <> 'sum'
			AND t.label::double precision <= b.bound) AS value
		FROM tally AS t, unnest('{0.1,0.3,1,3,10,30,100,300,1000,Infinity}'::double precision[]) AS b (bound)
		WHERE t.metric IN ('create', 'merge') AND t.label <> 'sum' GROUP BY t.metric, t.project, b.bound),
	call AS MATERIALIZED (
		SELECT c.* FROM agent_branch.api_call_statistics() AS c
		WHERE EXISTS (SELECT FROM agent_branch.caller_access AS a
			WHERE a.level IN ('monitor', 'admin') AND a.project_id IS NULL))
	SELECT 'agent_branch_sessions'::text AS name, jsonb_build_object('project', p.project, 'state', l.state) AS labels,
		l.sessions::double precision AS value, 'gauge'::text AS type, 'Unfinished sessions by state.'::text AS help
	FROM live AS l JOIN project AS p ON p.id = l.project_id
	UNION ALL
	SELECT 'agent_branch_traced_session_age_seconds', jsonb_build_object('project', p.project, 'session', s.name,
		'state', s.state, 'traceparent', s.options ->> 'traceparent'), extract(epoch FROM clock_timestamp() - s.created_at),
		'gauge', 'Age of each unfinished session that was begun with a traceparent.'
	FROM agent_branch.session AS s JOIN project AS p ON p.id = s.project_id
	WHERE s.finished_at IS NULL AND s.options ? 'traceparent'
	UNION ALL
	SELECT 'agent_branch_queue_oldest_seconds', jsonb_build_object('project', p.project),
		extract(epoch FROM clock_timestamp() - l.first), 'gauge', 'Age of the session that waits longest for a branch.'
	FROM live AS l JOIN project AS p ON p.id = l.project_id WHERE l.state = 'queued'
	UNION ALL
	SELECT 'agent_branch_session_outcomes_total', jsonb_build_object('project', t.project, 'state', t.label), t.value,
		'counter', 'How often sessions came to a state that they can stay in.'
	FROM tally AS t WHERE t.metric = 'sessions'
	UNION ALL
	SELECT 'agent_branch_' || b.metric || '_seconds_bucket', jsonb_build_object('project', b.project, 'le',
		CASE WHEN b.bound = 'Infinity' THEN '+Inf' ELSE b.bound::text END), coalesce(b.value, 0), 'histogram',
		CASE b.metric WHEN 'create' THEN 'Time from the call to a branch that can be used.'
			ELSE 'Time from the begin of a merge to its end.' END
	FROM bucket AS b
	UNION ALL
	SELECT 'agent_branch_' || b.metric || '_seconds_count', jsonb_build_object('project', b.project), coalesce(b.value, 0),
		'histogram', 'Number of these.' FROM bucket AS b WHERE b.bound = 'Infinity'
	UNION ALL
	SELECT 'agent_branch_' || t.metric || '_seconds_sum', jsonb_build_object('project', t.project), t.value, 'histogram',
		'Seconds of these together.' FROM tally AS t WHERE t.metric IN ('create', 'merge') AND t.label = 'sum'
	UNION ALL
	SELECT 'agent_branch_kept_branches', jsonb_build_object('project', p.project, 'kind', k.kind), count(*), 'gauge',
		'Branches that are to be deleted as soon as Neon allows.'
	FROM agent_branch.kept_branch AS k JOIN project AS p ON p.id = k.project_id WHERE k.deleted_at IS NULL
	GROUP BY p.project, k.kind
	UNION ALL
	SELECT m.name, '{}', m.value, m.type, m.help
	FROM agent_branch.worker_status() AS w, LATERAL (VALUES
		('agent_branch_worker_sessions', w.sessions::double precision, 'gauge', 'Sessions that the worker has in hand.'),
		('agent_branch_worker_waiting', w.waiting, 'gauge', 'Sessions that wait.'),
		('agent_branch_api_calls_waiting', w.calls_waiting, 'gauge', 'Calls of the API that wait for the budget.'),
		('agent_branch_api_calls_under_way', w.calls_under_way, 'gauge', 'Calls of the API that are not answered yet.'),
		('agent_branch_api_calls_total', w.calls_total, 'counter', 'Calls of the API since the worker began.'),
		('agent_branch_api_call_budget', w.call_budget, 'gauge', 'Calls of the API that may be made at once.'),
		('agent_branch_worker_start_time_seconds', extract(epoch FROM w.started_at), 'gauge', 'When the worker began.'))
		AS m (name, value, type, help)
	WHERE EXISTS (SELECT FROM agent_branch.caller_access AS c WHERE c.level IN ('monitor', 'admin') AND c.project_id IS NULL)
	UNION ALL
	SELECT 'agent_branch_api_requests_total', jsonb_build_object('route', c.route, 'result', k.kind), k.calls, 'counter',
		'Calls of the API by what they came to.'
	FROM call AS c, unnest(c.kinds, c.by_kind) AS k (kind, calls) WHERE k.calls > 0
	UNION ALL
	SELECT 'agent_branch_api_request_seconds_bucket', jsonb_build_object('route', c.route, 'le', b.le), (
			SELECT coalesce(sum(t.calls), 0) FROM unnest(c.bounds || NULL::bigint, c.by_time) AS t (bound, calls)
			WHERE b.ms IS NULL OR t.bound <= b.ms), 'histogram', 'Time from sending a call of the API to its answer.'
	FROM call AS c, (VALUES (10, '0.01'), (50, '0.05'), (100, '0.1'), (200, '0.2'), (500, '0.5'), (1000, '1'), (2000, '2'),
		(5000, '5'), (10000, '10'), (30000, '30'), (60000, '60'), (NULL, '+Inf')) AS b (ms, le)
	UNION ALL
	SELECT 'agent_branch_api_request_seconds_count', jsonb_build_object('route', c.route), c.calls, 'histogram',
		'Number of these.' FROM call AS c
	UNION ALL
	SELECT 'agent_branch_api_request_seconds_sum', jsonb_build_object('route', c.route), c.took_ms / 1000, 'histogram',
		'Seconds of these together.' FROM call AS c
	UNION ALL
	SELECT m.name, jsonb_build_object('route', c.route), m.value, 'counter', m.help
	FROM call AS c, LATERAL (VALUES
		('agent_branch_api_retries_total', c.retries::double precision, 'Calls of the API that were made before.'),
		('agent_branch_api_waits_total', c.waits, 'Calls of the API that waited for their turn.'),
		('agent_branch_api_wait_seconds_total', c.waited_ms / 1000, 'Seconds that calls of the API waited for their turn.'))
		AS m (name, value, help)
	UNION ALL
	SELECT 'agent_branch_worker_up', '{}', (SELECT count(*) FROM agent_branch.worker_status()), 'gauge',
		'Whether this database has its worker.';
COMMENT ON VIEW agent_branch.metric IS 'what agent_metrics() returns';

CREATE FUNCTION @extschema@.agent_metrics()
	RETURNS TABLE (name text, labels jsonb, value double precision, type text, help text)
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.name, m.labels, m.value, m.type, m.help FROM agent_branch.metric AS m ORDER BY m.name, m.labels;
END;
COMMENT ON FUNCTION @extschema@.agent_metrics() IS
	'numbers for a monitoring system, by Prometheus'' names and types: of the projects that the caller may see as a whole';

/*
 * Between two rows a session waits: for its turn, for its agent, or for the worker.
 */
CREATE FUNCTION @extschema@.agent_timeline(session text, project text DEFAULT NULL)
	RETURNS TABLE (step text, start timestamptz, wait interval, duration interval, what text)
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH wanted AS MATERIALIZED (
		SELECT agent_branch.find_session(agent_timeline.session, agent_timeline.project) AS id),
	part AS (
		SELECT e.state AS step, e.at AS began, lead(e.at) OVER (ORDER BY e.id) AS ended, 0 AS rank,
			coalesce(e.error, 'state') AS what
		FROM wanted AS w JOIN @extschema@.agent_events AS e ON e.session_id = w.id
		UNION ALL
		SELECT 'migration ' || m.ordinal, m.started_at, m.finished_at, 1, m.status || coalesce(': ' || m.message, '')
		FROM wanted AS w JOIN @extschema@.agent_migrations AS m ON m.session_id = w.id WHERE m.started_at IS NOT NULL
		UNION ALL
		SELECT 'merge', m.started_at, m.finished_at, 1, m.strategy || ', ' || m.status || coalesce(': ' || m.reason, '')
		FROM wanted AS w JOIN @extschema@.agent_merges AS m ON m.session_id = w.id WHERE m.started_at IS NOT NULL
		UNION ALL
		SELECT t.kind, t.intended_at, t.recorded_at, 2, concat_ws(': ', t.target, coalesce(t.outcome, t.status))
		FROM wanted AS w JOIN @extschema@.agent_steps AS t ON t.session_id = w.id)
	SELECT p.step, p.began,
		greatest(p.began - max(p.ended) OVER (PARTITION BY p.rank ORDER BY p.began, p.ended
			ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), interval '0'),
		p.ended - p.began, p.what
	FROM part AS p ORDER BY p.began, p.rank;
END;
COMMENT ON FUNCTION @extschema@.agent_timeline(text, text) IS
	'what happened to a session, in order: its states, its migrations and merges, and each effect outside of this database; wait is the time since what came before it of its kind had ended';

-- ---------------------------------------------------------------------------------------------
-- A connection URI belongs to a branch's id
-- ---------------------------------------------------------------------------------------------

-- Those that are there are asked for again: nobody knows of which branch they are.
DELETE FROM agent_branch.credential;
ALTER TABLE agent_branch.credential ADD COLUMN branch_id text,
	ADD COLUMN access text CHECK (access IN ('worker', 'reader'));
COMMENT ON COLUMN agent_branch.credential.access IS 'null: for whoever has the session, or the parent; worker: as the project''s role, for the worker alone; reader: as the role that only reads the parent';
DROP INDEX agent_branch.credential_branch, agent_branch.credential_parent;
CREATE UNIQUE INDEX credential_branch ON agent_branch.credential (session_id, pooled, coalesce(access, '')) WHERE session_id IS NOT NULL;
CREATE UNIQUE INDEX credential_parent ON agent_branch.credential (project_id, pooled, coalesce(access, '')) WHERE session_id IS NULL;
COMMENT ON COLUMN agent_branch.credential.branch_id IS 'the branch that the URI leads to; one of another branch is never used';

CREATE FUNCTION @extschema@.agent_rotate_credentials(session text, project text DEFAULT NULL)
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_rotate_credentials(text, text) IS
	'asks for another password of the agent''s role on the session''s branch: URIs that were given out before open nothing any more, connections that are open stay so';

ALTER TABLE agent_branch.sweep_branch DROP CONSTRAINT sweep_branch_action_check,
	ADD CONSTRAINT sweep_branch_action_check CHECK (action IN ('none', 'delete', 'would delete', 'blocked by children',
		'blocked: protected', 'blocked: default', 'next sweep'));

ALTER TABLE agent_branch.step DROP CONSTRAINT step_kind_check,
	ADD CONSTRAINT step_kind_check CHECK (kind IN ('create branch', 'migrate', 'set expiry', 'restore', 'replay',
		'delete branch', 'rename branch', 'suspend compute', 'start compute', 'ask fixer', 'back up', 'undo',
		'run piece', 'make role', 'drop role'));

/*
 * A session's trace is that of the traceparent which it was begun with, or one of its own. Ids are
 * made from what they are of, so that each reader sees the same ones.
 */
CREATE VIEW @extschema@.agent_spans WITH (security_barrier) AS
	SELECT t.trace_id, CASE WHEN part.kind = 'session' THEN t.root ELSE left(md5(part.kind || part.id || s.uuid::text), 16) END
			AS span_id,
		CASE WHEN part.kind = 'session' THEN t.parent ELSE t.root END AS parent_span_id, part.name, part.kind,
		part.started_at, part.ended_at, part.error, part.attributes, s.name AS session,
		(SELECT p.project FROM agent_branch.project AS p WHERE p.id = s.project_id) AS project, s.id AS session_id
	FROM agent_branch.visible_session AS s
		CROSS JOIN LATERAL (SELECT coalesce(split_part(s.options ->> 'traceparent', '-', 2), md5('trace' || s.uuid::text)) AS trace_id,
			left(md5('session' || s.uuid::text), 16) AS root,
			nullif(split_part(s.options ->> 'traceparent', '-', 3), '') AS parent) AS t
		CROSS JOIN LATERAL (
			SELECT 'session' AS kind, '' AS id, 'session' AS name, s.created_at AS started_at, s.finished_at AS ended_at, s.error,
				jsonb_build_object('state', s.state, 'branch', s.branch_id, 'api_calls', s.api_calls) AS attributes
			UNION ALL
			SELECT 'state', e.id::text, e.state, e.at, coalesce(lead(e.at) OVER (ORDER BY e.id), s.finished_at), e.error, '{}'
			FROM agent_branch.event AS e WHERE e.session_id = s.id AND e.asked IS NULL AND e.sent IS NULL
			UNION ALL
			SELECT 'migration', m.id || '.' || a.number, 'migration ' || m.ordinal, a.started_at, a.finished_at, a.message,
				jsonb_build_object('attempt', a.number, 'made_by', a.made_by, 'status', a.status, 'rows', a.rows, 'sqlstate', a.sqlstate)
			FROM agent_branch.migration AS m JOIN agent_branch.migration_attempt AS a ON a.migration_id = m.id
			WHERE m.session_id = s.id AND a.started_at IS NOT NULL
			UNION ALL
			SELECT 'merge', g.id::text, 'merge', g.started_at, g.finished_at, g.reason,
				jsonb_build_object('status', g.status, 'strategy', g.strategy, 'chosen', g.chosen, 'chosen_reason', g.chosen_reason)
			FROM agent_branch.merge AS g WHERE g.session_id = s.id AND g.started_at IS NOT NULL
			UNION ALL
			SELECT 'step', j.id::text, j.kind, j.intended_at, j.recorded_at, CASE WHEN j.status <> 'done' THEN j.outcome END,
				jsonb_build_object('target', j.target, 'status', j.status, 'request_id', j.request_id)
			FROM agent_branch.step AS j WHERE j.session_id = s.id) AS part;
COMMENT ON VIEW @extschema@.agent_spans IS 'each session as a trace: itself, its states, migrations, merges and each effect outside of this database, as spans with W3C ids; ended_at is null while it lasts';

-- ---------------------------------------------------------------------------------------------
-- What stops the worker
-- ---------------------------------------------------------------------------------------------

COMMENT ON FUNCTION agent_branch.worker_status() IS 'this database''s worker, from shared memory; one without a process when it has to wait for another database''s worker to leave, no row when none runs';

/* Without one, a publication FOR ALL TABLES would forbid every UPDATE. */
ALTER TABLE agent_branch.installation ADD PRIMARY KEY (id);

/*
 * Migrations: a text is read once, when it is asked for, and carried out as it was read.
 */
ALTER TABLE agent_branch.migration ADD COLUMN record jsonb, ADD COLUMN segment_record jsonb;
COMMENT ON COLUMN agent_branch.migration.record IS 'what it did on the branch, transaction by transaction: id, rows by table, tables rewritten, locks; a merge by replay is held against it';
COMMENT ON COLUMN agent_branch.migration.segment_record IS 'the same of the transaction that is about to commit';
ALTER TABLE agent_branch.migration_attempt ADD COLUMN script json;
COMMENT ON COLUMN agent_branch.migration_attempt.script IS 'the text as agent_migrate() read it: statements with their places, what runs alone, risks; null: it is read when it is run';
COMMENT ON FUNCTION @extschema@.agent_migrate(text, text, text, text) IS
	'asks for this SQL to be run on the session''s branch after the migrations before it; the same name with the same text again is the same migration. In a session whose migration failed, the same name puts another text in its place. Returns its ordinal in the session';

ALTER TABLE agent_branch.migration_attempt ADD COLUMN notices jsonb;
COMMENT ON COLUMN agent_branch.migration_attempt.notices IS 'what the branch''s server said while the text ran, bounded: severity, sqlstate, message, the statement where it is known; "nothing": a statement that had no effect, and what is there instead';
CREATE OR REPLACE VIEW @extschema@.agent_migration_attempts WITH (security_barrier) AS
	SELECT s.name AS session, p.project, m.ordinal, t.number AS attempt, t.made_by, t.name, t.status, t.reason, t.sql,
		t.queued_at, t.started_at, t.finished_at, t.finished_at - t.started_at AS duration, t.statements, t.statements_done,
		t.alone, t.rows, t.risks, t.statement, t.sqlstate, t.message, t.detail, t.hint, t.context, t.line, t."column",
		m.session_id, t.notices
	FROM agent_branch.migration_attempt AS t JOIN agent_branch.migration AS m ON m.id = t.migration_id
		JOIN agent_branch.visible_session AS s ON s.id = m.session_id JOIN agent_branch.project AS p ON p.id = s.project_id;

-- ---- The check of a fix ------------------------------------------------------------------------

CREATE FUNCTION agent_branch.check_fix(question text)
	RETURNS jsonb LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'agent_branch_check_fix';
COMMENT ON FUNCTION agent_branch.check_fix(text) IS
	'whether the fix of a migration does what the original did, as the worker judges it: {original, fix, errors, statement, facts} → {allowed, reason, wanted, added}';
CREATE FUNCTION agent_branch.fix_facts_query(original text, fix text)
	RETURNS text LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'agent_branch_fix_facts_query';
COMMENT ON FUNCTION agent_branch.fix_facts_query(text, text) IS
	'the query that tells check_fix() what there is of what both texts name; run with search_path = pg_catalog';
REVOKE ALL ON FUNCTION agent_branch.check_fix(text), agent_branch.fix_facts_query(text, text) FROM PUBLIC;

-- =============================================================================================
-- A database that moves
-- =============================================================================================

/*
 * A dump is restored row by row beside a worker that has begun when the extension was created, and
 * has looked for sessions of other installations before there was any.
 */
CREATE FUNCTION agent_branch.claim_no_session() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NEW.installation_id <> (SELECT i.id FROM agent_branch.installation AS i) THEN
		NEW.error := 'the session belongs to another installation';
		NEW.error_hint := 'This database is a copy. If the original is gone for good, an administrator can call agent_branch_take_over().';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION agent_branch.claim_no_session() IS 'says of a session that a dump brings whose it is';
-- Before the trigger that stamps what is made here, by the order of their names.
CREATE TRIGGER claim_no_session BEFORE INSERT ON agent_branch.session
	FOR EACH ROW WHEN (NEW.installation_id IS NOT NULL AND NEW.finished_at IS NULL)
	EXECUTE FUNCTION agent_branch.claim_no_session();

-- =============================================================================================
-- What is there, against what should be
-- =============================================================================================

CREATE FUNCTION agent_branch.library_version() RETURNS text
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'agent_branch_library_version';
COMMENT ON FUNCTION agent_branch.library_version() IS 'the version of the library that the server has loaded';

CREATE FUNCTION agent_branch.key_file_problem(path text) RETURNS text
	LANGUAGE C VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'agent_branch_key_file_problem';
COMMENT ON FUNCTION agent_branch.key_file_problem(text) IS 'why the worker cannot use a key file; null if it can';

CREATE FUNCTION agent_branch.doctor(OUT subject text, OUT status text, OUT finding text, OUT advice text)
	RETURNS SETOF record
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH setting AS MATERIALIZED (
		SELECT current_setting('agent_branch.api_url') AS api_url,
			current_setting('agent_branch.api_key_file') AS key_file,
			current_setting('agent_branch.fixer_url') AS fixer_url,
			current_setting('agent_branch.fixer_model') AS fixer_model,
			current_setting('agent_branch.fixer_key_file') AS fixer_key_file,
			current_setting('max_worker_processes')::integer AS processes,
			current_setting('max_logical_replication_workers')::integer AS replication),
	version AS (
		SELECT e.extversion AS tables, agent_branch.library_version() AS library, a.default_version AS installed
		FROM pg_extension AS e LEFT JOIN pg_available_extensions AS a ON a.name = e.extname
		WHERE e.extname = 'agent_branch'),
	worker AS (SELECT w.* FROM (SELECT) AS one LEFT JOIN agent_branch.worker_status() AS w ON true),
	-- The launcher, a worker in each database that has one now and in this one, two helpers, and the
	-- server's own launcher of logical replication.
	need AS (
		SELECT 3 + greatest(count(*), 1) + (SELECT (s.replication > 0)::integer FROM setting AS s) AS processes
		FROM pg_stat_activity AS a WHERE a.backend_type = 'agent_branch worker'),
	other AS (
		SELECT count(*) AS sessions FROM agent_branch.session AS s, agent_branch.installation AS i
		WHERE s.finished_at IS NULL AND s.installation_id <> i.id),
	waiting AS (
		SELECT count(*) AS sessions FROM agent_branch.session AS s
		WHERE s.finished_at IS NULL AND s.error IS NOT NULL AND s.state NOT IN ('failed', 'conflict')),
	member AS (
		SELECT d.objid AS relation FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
		WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND e.extname = 'agent_branch'),
	damaged AS (
		SELECT string_agg(d.what, ', ' ORDER BY d.what) AS what FROM (
			SELECT i.indexrelid::regclass::text AS what FROM pg_index AS i JOIN member AS m ON m.relation = i.indrelid
			WHERE NOT i.indisvalid
			UNION ALL
			SELECT format('trigger %s on %s', t.tgname, t.tgrelid::regclass) FROM pg_trigger AS t
				JOIN member AS m ON m.relation = t.tgrelid WHERE t.tgenabled = 'D'
			UNION ALL
			SELECT c.oid::regclass::text || ' (is logged)' FROM pg_class AS c
			WHERE c.oid = 'agent_branch.credential'::regclass AND c.relpersistence <> 'u') AS d),
	pending AS (
		SELECT string_agg(p.name, ', ' ORDER BY p.name) AS names FROM pg_settings AS p
		WHERE p.pending_restart AND (p.name LIKE 'agent\_branch.%' OR p.name IN ('shared_preload_libraries', 'max_worker_processes')))
	SELECT 'version',
		CASE WHEN v.tables <> v.library AND split_part(v.tables, '.test', 1) <> v.library THEN 'error'
			WHEN v.installed IS DISTINCT FROM v.library THEN 'warning' ELSE 'ok' END,
		format('tables %s, library %s, installed %s', v.tables, v.library, coalesce(v.installed, 'none')),
		CASE WHEN v.tables <> v.library AND split_part(v.tables, '.test', 1) <> v.library
				THEN 'Run ALTER EXTENSION agent_branch UPDATE in this database.'
			WHEN v.installed IS DISTINCT FROM v.library
				THEN 'Restart the server, then run ALTER EXTENSION agent_branch UPDATE.' END
	FROM version AS v
	UNION ALL
	SELECT 'tables', CASE WHEN d.what IS NULL THEN 'ok' ELSE 'error' END,
		coalesce('not as they were made: ' || d.what, 'as they were made'),
		CASE WHEN d.what IS NOT NULL THEN 'Put them back: REINDEX, ALTER TABLE ... ENABLE TRIGGER, ALTER TABLE ... SET UNLOGGED.' END
	FROM damaged AS d
	UNION ALL
	SELECT 'worker',
		CASE WHEN pg_is_in_recovery() THEN 'ok' WHEN w.pid IS NULL THEN 'error'
			WHEN w.last_error_at > now() - interval '10 min' THEN 'warning' ELSE 'ok' END,
		CASE WHEN pg_is_in_recovery() THEN 'none on a standby'
			WHEN w.pid IS NULL THEN coalesce(w.last_error, 'no worker runs')
			WHEN w.last_error_at > now() - interval '10 min' THEN 'its last error: ' || w.last_error
			ELSE format('runs with process %s', w.pid) END,
		CASE WHEN pg_is_in_recovery() THEN NULL
			WHEN w.pid IS NULL AND w.last_error IS NOT NULL THEN 'Raise agent_branch.database_workers and restart the server.'
			WHEN w.pid IS NULL THEN 'The server log says why: look for "agent_branch".'
			WHEN w.last_error_at > now() - interval '10 min' THEN 'If it comes again, docs/operating.md tells what to do.' END
	FROM worker AS w
	UNION ALL
	SELECT 'worker processes', CASE WHEN s.processes < n.processes THEN 'error' ELSE 'ok' END,
		format('max_worker_processes is %s, and %s are needed beside parallel queries', s.processes, n.processes),
		CASE WHEN s.processes < n.processes
			THEN format('Set max_worker_processes to %s or more and restart the server.', n.processes + 8) END
	FROM setting AS s, need AS n
	UNION ALL
	SELECT 'settings', CASE WHEN p.names IS NULL THEN 'ok' ELSE 'warning' END,
		coalesce('changed and not in force: ' || p.names, 'in force'),
		CASE WHEN p.names IS NOT NULL THEN 'Restart the server.' END
	FROM pending AS p
	UNION ALL
	SELECT 'API', CASE WHEN s.api_url LIKE 'http://%' THEN 'warning' ELSE 'ok' END,
		CASE WHEN s.api_url LIKE 'http://%' THEN 'a server of this machine, not Neon: ' ELSE '' END || s.api_url,
		CASE WHEN s.api_url LIKE 'http://%' THEN 'For Neon, reset agent_branch.api_url.' END
	FROM setting AS s
	UNION ALL
	SELECT 'API key', CASE WHEN k.problem IS NULL THEN 'ok' ELSE 'error' END,
		coalesce(k.problem, 'can be read'),
		CASE WHEN k.problem IS NOT NULL THEN 'Put the key into a file of the server''s user, mode 0600, and name it in agent_branch.api_key_file.' END
	FROM (SELECT CASE WHEN s.key_file = '' THEN 'agent_branch.api_key_file is not set'
		ELSE agent_branch.key_file_problem(s.key_file) END AS problem FROM setting AS s) AS k
	UNION ALL
	SELECT 'fixer', CASE WHEN f.problem IS NULL THEN 'ok' ELSE 'error' END,
		coalesce(f.problem, CASE WHEN f.url = '' THEN 'no model is asked' ELSE 'a model is asked' END),
		CASE WHEN f.problem IS NOT NULL THEN 'Set agent_branch.fixer_model and agent_branch.fixer_key_file, or reset agent_branch.fixer_url.' END
	FROM (SELECT s.fixer_url AS url, CASE WHEN s.fixer_url = '' THEN NULL
		WHEN s.fixer_model = '' THEN 'agent_branch.fixer_model is not set'
		WHEN s.fixer_key_file <> '' THEN agent_branch.key_file_problem(s.fixer_key_file) END AS problem FROM setting AS s) AS f
	UNION ALL
	SELECT 'durability', CASE WHEN current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean
			THEN 'ok' ELSE 'error' END,
		format('fsync is %s, full_page_writes is %s', current_setting('fsync'), current_setting('full_page_writes')),
		CASE WHEN NOT (current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean)
			THEN 'Turn them on: the journal of what was done at Neon must survive the machine.' END
	UNION ALL
	SELECT 'projects', CASE WHEN count(*) = 0 OR count(p.paused_at) > 0 THEN 'warning' ELSE 'ok' END,
		format('%s registered, %s of them paused', count(*), count(p.paused_at)),
		CASE WHEN count(*) = 0 THEN 'Register one with agent_project_register().'
			WHEN count(p.paused_at) > 0 THEN 'agent_project_resume() lets their sessions go on.' END
	FROM agent_branch.project AS p WHERE p.removed_at IS NULL
	UNION ALL
	SELECT 'identity', CASE WHEN o.sessions = 0 THEN 'ok' ELSE 'warning' END,
		CASE WHEN o.sessions = 0 THEN 'every unfinished session is of this installation'
			ELSE format('%s unfinished sessions belong to another installation: this database is a copy', o.sessions) END,
		CASE WHEN o.sessions > 0 THEN 'If the original is gone for good, call agent_branch_take_over().' END
	FROM other AS o
	UNION ALL
	SELECT 'sessions', CASE WHEN w.sessions = 0 THEN 'ok' ELSE 'warning' END,
		format('%s of those under way say what keeps them', w.sessions),
		CASE WHEN w.sessions > 0 THEN 'agent_sessions.error and hint say what to do.' END
	FROM waiting AS w
$$;
COMMENT ON FUNCTION agent_branch.doctor() IS
	'what is there against what should be: status is ok, warning or error, and advice says what to do; for superusers';

-- =============================================================================================
-- Privileges: nothing for PUBLIC; those who have a level get what came with this version.
-- =============================================================================================

DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN SELECT d.objid::regprocedure FROM pg_depend AS d
		WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'agent_branch')
	LOOP
		EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', f);
	END LOOP;
	PERFORM agent_branch.set_privileges(a.role) FROM (SELECT DISTINCT role FROM agent_branch.access) AS a;
END
$$;
REVOKE ALL ON ALL TABLES IN SCHEMA agent_branch FROM PUBLIC;
SELECT pg_extension_config_dump('agent_branch.tally', '');
SELECT pg_extension_config_dump('agent_branch.access_id_seq', '');
