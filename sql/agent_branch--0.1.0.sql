/* agent_branch 0.1.0: tables in the schema agent_branch, functions and views where the user wants them. */
\echo Use "CREATE EXTENSION agent_branch" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

/*
 * The schema is created plainly: if it exists already, somebody else owns it, and this must fail.
 */
CREATE SCHEMA agent_branch;
COMMENT ON SCHEMA agent_branch IS 'tables behind the agent_ functions and views; written by these and by the worker only';

-- ---------------------------------------------------------------------------------------------
-- Tables.  Who writes what: a client's backend inserts project, session, migration and request;
-- everything else, and every later change of these, is the worker's.  A backend never holds a row
-- lock that the worker could wait for (a foreign key's KEY SHARE does not conflict with its updates).
-- ---------------------------------------------------------------------------------------------

CREATE TABLE agent_branch.installation (
	id uuid NOT NULL DEFAULT gen_random_uuid(),
	system_identifier bigint NOT NULL DEFAULT (pg_control_system()).system_identifier,
	database_oid oid NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE agent_branch.installation IS 'one row: who we are in the annotations of our branches; not dumped, and renewed when the database is found to be a copy, so that a copy is somebody else';
INSERT INTO agent_branch.installation (database_oid) SELECT oid FROM pg_database WHERE datname = current_database();

CREATE TABLE agent_branch.former_installation (
	id uuid PRIMARY KEY,
	taken_over_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE agent_branch.former_installation IS 'installations whose sessions and branches agent_branch_take_over() made ours';

/*
 * Whose a session or a kept branch is: of the installation that made it.  A dump brings its own.
 */
CREATE FUNCTION agent_branch.stamp_installation() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	NEW.installation_id := coalesce(NEW.installation_id, (SELECT i.id FROM agent_branch.installation AS i));
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION agent_branch.stamp_installation() IS 'notes which installation made the row';

CREATE TABLE agent_branch.access (
	role regrole PRIMARY KEY,
	level text NOT NULL CHECK (level IN ('user', 'monitor', 'admin'))
);
COMMENT ON TABLE agent_branch.access IS 'what agent_branch_grant() gave to whom; monitor and admin see the sessions of all roles, admin may act on them';

CREATE TABLE agent_branch.project (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	project text NOT NULL UNIQUE,
	parent text NOT NULL,
	database text NOT NULL,
	role text NOT NULL,
	options jsonb NOT NULL DEFAULT '{}',
	registered_by regrole NOT NULL,
	registered_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE agent_branch.project IS 'Neon projects in whose parent branch agents'' sessions begin and end';
COMMENT ON COLUMN agent_branch.project.project IS 'the project''s id at Neon';
COMMENT ON COLUMN agent_branch.project.parent IS 'name of the branch that sessions fork from and merge into';

CREATE TABLE agent_branch.session (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	uuid uuid NOT NULL DEFAULT gen_random_uuid(),
	project_id bigint NOT NULL REFERENCES agent_branch.project,
	name text NOT NULL,
	owner regrole NOT NULL,
	branch_name text NOT NULL,
	options jsonb NOT NULL DEFAULT '{}',
	state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'creating', 'ready', 'migrating', 'merging',
		'conflict', 'merged', 'discarding', 'discarded', 'expired', 'failed')),
	settled boolean NOT NULL DEFAULT false,
	goal text CHECK (goal IN ('merge', 'discard', 'expire')),
	error text,
	error_hint text,
	created_at timestamptz NOT NULL DEFAULT now(),
	state_changed_at timestamptz NOT NULL DEFAULT now(),
	ready_at timestamptz,
	expires_at timestamptz NOT NULL,
	finished_at timestamptz,
	parent_branch_id text,
	parent_reset_at text,
	branch_id text,
	endpoint_id text,
	branch_expires_at timestamptz,
	bare_compute boolean NOT NULL DEFAULT false,
	operations text[] NOT NULL DEFAULT '{}',
	base_fingerprint text,
	pinned boolean NOT NULL DEFAULT false,
	api_calls integer NOT NULL DEFAULT 0,
	installation_id uuid NOT NULL
);
COMMENT ON TABLE agent_branch.session IS 'agents'' sessions, each with a branch of its own';
COMMENT ON COLUMN agent_branch.session.uuid IS 'written into the branch''s annotation: what makes the branch provably this session''s';
COMMENT ON COLUMN agent_branch.session.settled IS 'nothing that was asked for is outstanding, apart from rows in request';
COMMENT ON COLUMN agent_branch.session.goal IS 'what the session is to come to next: set when the request is taken, so that a crash does not forget it';
COMMENT ON COLUMN agent_branch.session.parent_reset_at IS 'the parent''s last_reset_at when the branch was made: a parent that was restored since is another parent';
COMMENT ON COLUMN agent_branch.session.branch_expires_at IS 'expires_at as Neon confirmed it; null: none';
COMMENT ON COLUMN agent_branch.session.bare_compute IS 'the plan refused the compute settings (412), so the branch is made without them';
COMMENT ON COLUMN agent_branch.session.operations IS 'operations of the last change at Neon that are not known to have ended';
COMMENT ON COLUMN agent_branch.session.installation_id IS 'the worker of another installation leaves the session alone';
CREATE TRIGGER stamp_installation BEFORE INSERT ON agent_branch.session
	FOR EACH ROW EXECUTE FUNCTION agent_branch.stamp_installation();
COMMENT ON COLUMN agent_branch.session.finished_at IS 'the branch is gone or pinned and the name is free again';
CREATE UNIQUE INDEX session_unfinished_name ON agent_branch.session (name, project_id) WHERE finished_at IS NULL;
CREATE INDEX session_name ON agent_branch.session (name, id);

CREATE TABLE agent_branch.migration (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	session_id bigint NOT NULL REFERENCES agent_branch.session,
	ordinal integer NOT NULL,
	name text,
	sql text NOT NULL,
	status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'applied', 'failed', 'cancelled')),
	transaction_id xid8,
	queued_at timestamptz NOT NULL DEFAULT now(),
	started_at timestamptz,
	finished_at timestamptz,
	sqlstate text,
	message text,
	detail text,
	hint text,
	context text,
	line integer,
	"column" integer,
	UNIQUE (session_id, ordinal)
);
COMMENT ON TABLE agent_branch.migration IS 'what a session ran on its branch, in order, each in a transaction of its own';
COMMENT ON COLUMN agent_branch.migration.transaction_id IS 'noted before COMMIT is sent: pg_xact_status() decides when the answer is lost';
CREATE INDEX migration_open ON agent_branch.migration (session_id) WHERE status IN ('queued', 'running');

CREATE TABLE agent_branch.merge (
	id bigint PRIMARY KEY,
	session_id bigint NOT NULL REFERENCES agent_branch.session,
	strategy text NOT NULL,
	on_drift text NOT NULL,
	status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'merged', 'conflict', 'failed', 'cancelled')),
	requested_at timestamptz NOT NULL DEFAULT now(),
	started_at timestamptz,
	finished_at timestamptz,
	accepted boolean NOT NULL DEFAULT false,
	base_fingerprint text,
	parent_fingerprint text,
	parent_reset_at text,
	backup_name text,
	backup_branch_id text,
	reason text
);
COMMENT ON TABLE agent_branch.merge IS 'one row a merge that was asked for: what was compared, what was done';
COMMENT ON COLUMN agent_branch.merge.accepted IS 'Neon took the restore: from here on the merge is waited for, never begun anew';
COMMENT ON COLUMN agent_branch.merge.id IS 'the id of the request that asked for it';
COMMENT ON COLUMN agent_branch.merge.parent_reset_at IS 'the parent''s last_reset_at right before the restore: the pre-image that an unknown outcome is held against';
COMMENT ON COLUMN agent_branch.merge.backup_name IS 'preserve_under_name of the restore, unique to this merge: that it exists proves the restore';
CREATE INDEX merge_session ON agent_branch.merge (session_id);

CREATE TABLE agent_branch.conflict (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	merge_id bigint NOT NULL REFERENCES agent_branch.merge,
	session_id bigint NOT NULL REFERENCES agent_branch.session,
	object text NOT NULL,
	change text NOT NULL CHECK (change IN ('added', 'changed', 'dropped', 'restored')),
	base_hash text,
	parent_hash text,
	found_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE agent_branch.conflict IS 'objects of the parent that are not what they were when the session began';
CREATE INDEX conflict_session ON agent_branch.conflict (session_id);

CREATE TABLE agent_branch.schema_snapshot (
	fingerprint text PRIMARY KEY,
	objects jsonb NOT NULL,
	taken_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE agent_branch.schema_snapshot IS 'what a fingerprint was made of, once for all sessions that began there: object to hash';

CREATE TABLE agent_branch.request (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('register', 'create', 'migrate', 'merge', 'discard', 'extend', 'reap', 'take over')),
	project_id bigint REFERENCES agent_branch.project,
	session_id bigint REFERENCES agent_branch.session,
	subject_id bigint,
	arguments jsonb NOT NULL DEFAULT '{}',
	requested_by regrole NOT NULL,
	requested_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE agent_branch.request IS 'intents that committed and that the worker has not taken yet; taking one deletes it together with its first effect';
COMMENT ON COLUMN agent_branch.request.subject_id IS 'the migration or the sweep that the request is about';
CREATE INDEX request_session ON agent_branch.request (session_id);

CREATE TABLE agent_branch.step (
	id bigint PRIMARY KEY,
	project_id bigint NOT NULL REFERENCES agent_branch.project,
	session_id bigint REFERENCES agent_branch.session,
	kind text NOT NULL CHECK (kind IN ('create branch', 'migrate', 'set expiry', 'restore', 'delete branch',
		'rename branch', 'suspend compute')),
	target text,
	status text NOT NULL DEFAULT 'intended' CHECK (status IN ('intended', 'done', 'refused')),
	outcome text,
	intended_at timestamptz NOT NULL DEFAULT now(),
	recorded_at timestamptz
);
COMMENT ON TABLE agent_branch.step IS 'the journal: an effect outside this database, committed as intended before it is sent and recorded after; one that is still intended at start is reconciled, never repeated blindly';
COMMENT ON COLUMN agent_branch.step.target IS 'the branch''s name or id, or the migration, that the effect is about';
CREATE INDEX step_open ON agent_branch.step (id) WHERE status = 'intended';
CREATE INDEX step_session ON agent_branch.step (session_id);

CREATE TABLE agent_branch.kept_branch (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	project_id bigint NOT NULL REFERENCES agent_branch.project,
	session_id bigint REFERENCES agent_branch.session,
	branch_id text NOT NULL UNIQUE,
	name text NOT NULL,
	kind text NOT NULL CHECK (kind IN ('pinned', 'backup', 'orphan')),
	keep_until timestamptz,
	endpoint_id text,
	kept_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	installation_id uuid NOT NULL
);
COMMENT ON TABLE agent_branch.kept_branch IS 'branches that are to be deleted as soon as Neon allows: of finished sessions, backups that merges made, and orphans that a sweep found';
CREATE TRIGGER stamp_installation BEFORE INSERT ON agent_branch.kept_branch
	FOR EACH ROW EXECUTE FUNCTION agent_branch.stamp_installation();
COMMENT ON COLUMN agent_branch.kept_branch.endpoint_id IS 'a compute that may be active; null: none, or it was suspended';
CREATE INDEX kept_branch_open ON agent_branch.kept_branch (project_id) WHERE deleted_at IS NULL;

CREATE TABLE agent_branch.sweep (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	dry_run boolean NOT NULL,
	requested_at timestamptz NOT NULL DEFAULT now(),
	started_at timestamptz,
	finished_at timestamptz,
	error text
);
COMMENT ON TABLE agent_branch.sweep IS 'runs of the reaper';

CREATE TABLE agent_branch.sweep_branch (
	sweep_id bigint NOT NULL REFERENCES agent_branch.sweep ON DELETE CASCADE,
	project_id bigint NOT NULL REFERENCES agent_branch.project,
	branch_id text NOT NULL,
	name text NOT NULL,
	parent_id text,
	class text NOT NULL CHECK (class IN ('live', 'expired', 'pinned', 'backup', 'orphan', 'ghost', 'foreign', 'parent')),
	action text NOT NULL CHECK (action IN ('none', 'delete', 'would delete', 'blocked by children', 'next sweep')),
	session_id bigint,
	created_at timestamptz,
	expires_at timestamptz,
	children integer NOT NULL DEFAULT 0,
	logical_size bigint,
	compute_seconds bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (sweep_id, project_id, branch_id)
);
CREATE INDEX sweep_branch_project ON agent_branch.sweep_branch (project_id, sweep_id);
COMMENT ON TABLE agent_branch.sweep_branch IS 'what a sweep saw at Neon and what each branch is to us';
COMMENT ON COLUMN agent_branch.sweep_branch.action IS 'what was done, or would be: a branch with children waits for theirs, and what is beyond agent_branch.reap_limit for the next sweep';
COMMENT ON COLUMN agent_branch.sweep_branch.logical_size IS 'bytes, as Neon tells; null: not computed yet';
COMMENT ON COLUMN agent_branch.sweep_branch.compute_seconds IS 'seconds of one compute unit that the branch has used so far';

/*
 * Connection URIs hold passwords.  UNLOGGED keeps them out of WAL, standbys, base backups and (with
 * --no-unlogged-table-data, or because nobody is granted anything here) dumps; what a crash takes
 * away is fetched again.
 */
CREATE UNLOGGED TABLE agent_branch.credential (
	session_id bigint,
	project_id bigint NOT NULL,
	pooled boolean NOT NULL,
	uri text NOT NULL
);
COMMENT ON TABLE agent_branch.credential IS 'connection URIs of branches (session_id set) and parents (null); read by agent_connection_uri() and the worker only';
CREATE UNIQUE INDEX credential_branch ON agent_branch.credential (session_id, pooled) WHERE session_id IS NOT NULL;
CREATE UNIQUE INDEX credential_parent ON agent_branch.credential (project_id, pooled) WHERE session_id IS NULL;

CREATE TABLE agent_branch.session_wait (
	session_id bigint PRIMARY KEY,
	waits_for text NOT NULL,
	told_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE agent_branch.session_wait IS 'what sessions have waited for, for a second or more; the worker empties it when it starts';

CREATE TABLE agent_branch.event (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	session_id bigint NOT NULL REFERENCES agent_branch.session,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	old_state text,
	state text NOT NULL,
	error text
);
COMMENT ON TABLE agent_branch.event IS 'every change of a session''s state';
CREATE INDEX event_session ON agent_branch.event (session_id, id);

/*
 * A state change is an event and a notification, whoever makes it: that is why it is a trigger.
 */
CREATE FUNCTION agent_branch.record_state_change() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old_state text;
BEGIN
	IF TG_OP = 'UPDATE' THEN
		old_state := OLD.state;
	END IF;
	INSERT INTO agent_branch.event (session_id, old_state, state, error)
		VALUES (NEW.id, old_state, NEW.state, NEW.error);
	PERFORM pg_catalog.pg_notify('agent_branch', (
		SELECT pg_catalog.jsonb_build_object('session', NEW.name, 'project', p.project, 'state', NEW.state,
			'old_state', old_state)::text
		FROM agent_branch.project AS p WHERE p.id OPERATOR(pg_catalog.=) NEW.project_id));
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION agent_branch.record_state_change() IS 'writes an event and sends NOTIFY agent_branch for every change of a session''s state';

/* Only new sessions: rows that a restored dump brings, queued ones too, have their events with them. */
CREATE TRIGGER record_insert AFTER INSERT ON agent_branch.session
	FOR EACH ROW WHEN (NEW.state = 'queued' AND NEW.created_at = now()) EXECUTE FUNCTION agent_branch.record_state_change();
CREATE TRIGGER record_update AFTER UPDATE ON agent_branch.session
	FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION agent_branch.record_state_change();

-- ---------------------------------------------------------------------------------------------
-- Functions
-- ---------------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.agent_project_register(project text, parent text DEFAULT 'development',
	database text DEFAULT 'neondb', role text DEFAULT 'neondb_owner', options jsonb DEFAULT '{}')
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_project_register(text, text, text, text, jsonb) IS
	'registers a Neon project: its id, the parent branch that sessions fork from and merge into, the database and role they connect with, and options (max_parallel, ttl, min_cu, max_cu, merge_strategy, on_drift, undo_window, max_pinned, statement_timeout, lock_timeout, api_key_file); registering it again changes these';

CREATE FUNCTION @extschema@.agent_branch_create(session text, project text DEFAULT NULL, ttl interval DEFAULT NULL,
	options jsonb DEFAULT '{}')
	RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_branch_create(text, text, interval, jsonb) IS
	'asks for a branch of the project''s parent for this session, once the transaction commits; returns the branch''s name. ttl: until when at most, 30 days being Neon''s limit; options: min_cu, max_cu';

CREATE FUNCTION @extschema@.agent_wait(session text, timeout interval DEFAULT '2 min', project text DEFAULT NULL)
	RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_wait(text, interval, text) IS
	'waits until nothing that was asked for this session is outstanding; returns its state, raises AB001 at the timeout';

CREATE FUNCTION @extschema@.agent_connection_uri(session text, target text DEFAULT 'branch', pooled boolean DEFAULT false,
	project text DEFAULT NULL)
	RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_connection_uri(text, text, boolean, text) IS
	'connection URI, password included, of the session''s branch or of its parent (target: branch, parent); pooled for queries, direct for migrations';

CREATE FUNCTION @extschema@.agent_migrate(session text, sql text, name text DEFAULT NULL, project text DEFAULT NULL)
	RETURNS integer LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_migrate(text, text, text, text) IS
	'asks for this SQL to be run on the session''s branch after the migrations before it, in a transaction of its own; returns its ordinal in the session';

CREATE FUNCTION @extschema@.agent_merge(session text, strategy text DEFAULT NULL, on_drift text DEFAULT NULL,
	project text DEFAULT NULL)
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_merge(text, text, text, text) IS
	'asks for the session''s branch to become the parent''s new state; refused with state conflict when the parent''s schema is not what it was when the session began';

CREATE FUNCTION @extschema@.agent_discard(session text, project text DEFAULT NULL)
	RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_discard(text, text) IS
	'asks for the session''s branch to be deleted; what runs on it is cancelled, the parent is not touched';

CREATE FUNCTION @extschema@.agent_extend(session text, ttl interval, project text DEFAULT NULL)
	RETURNS timestamptz LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_extend(text, interval, text) IS
	'asks for the session to expire this long after now, here and at Neon; returns the new expiry';

CREATE FUNCTION @extschema@.agent_reap(dry_run boolean DEFAULT false)
	RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_reap(boolean) IS
	'asks for a run of the reaper now; returns the sweep''s id. agent_branches shows what it saw and would or did delete';

CREATE FUNCTION @extschema@.agent_branch_take_over()
	RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.agent_branch_take_over() IS
	'for a copy of a control database whose original is gone for good: makes its unfinished sessions and their branches ours; returns their number';

CREATE PROCEDURE @extschema@.agent_run(session text, migrations text[], INOUT result jsonb, project text DEFAULT NULL,
	timeout interval DEFAULT '10 min')
	LANGUAGE C AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE @extschema@.agent_run(text, text[], jsonb, text, interval) IS
	'a whole session in one statement: branch, migrations, merge, clean-up; commits as it goes. result: the final state, each migration''s outcome, the error';

CREATE FUNCTION @extschema@.agent_branch_grant(role regrole, level text)
	RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	user_functions CONSTANT regprocedure[] := ARRAY(
		SELECT d.objid::regprocedure FROM pg_depend AS d JOIN pg_proc AS f ON f.oid = d.objid
		WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch')
			AND f.proname IN ('agent_branch_create', 'agent_wait', 'agent_connection_uri', 'agent_migrate',
				'agent_merge', 'agent_discard', 'agent_extend', 'agent_run'));
	admin_functions CONSTANT regprocedure[] := ARRAY(
		SELECT d.objid::regprocedure FROM pg_depend AS d JOIN pg_proc AS f ON f.oid = d.objid
		WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch')
			AND f.proname IN ('agent_project_register', 'agent_reap', 'agent_branch_take_over'));
	views CONSTANT regclass[] := ARRAY(
		SELECT d.objid::regclass FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid
		WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch')
			AND c.relkind = 'v' AND (level <> 'user' OR c.relname <> 'agent_branches'));
	object text;
BEGIN
	IF level IS NULL OR level NOT IN ('user', 'monitor', 'admin') THEN
		RAISE EXCEPTION 'unknown access level "%"', coalesce(level, '<null>')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Levels are "user", "monitor" and "admin".';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE oid = role::oid) THEN
		RAISE EXCEPTION 'role % does not exist', role::oid USING ERRCODE = 'undefined_object';
	END IF;
	PERFORM agent_branch.revoke_access(role);
	INSERT INTO agent_branch.access (role, level) VALUES (agent_branch_grant.role, agent_branch_grant.level);
	FOREACH object IN ARRAY views LOOP
		EXECUTE format('GRANT SELECT ON %s TO %s', object, role);
	END LOOP;
	EXECUTE format('GRANT EXECUTE ON FUNCTION agent_branch.worker_status() TO %s', role);
	IF level IN ('user', 'admin') THEN
		FOREACH object IN ARRAY user_functions LOOP
			EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', object, role);
		END LOOP;
	END IF;
	IF level = 'admin' THEN
		FOREACH object IN ARRAY admin_functions LOOP
			EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', object, role);
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.agent_branch_grant(regrole, text) IS
	'gives a role access: user (sessions of its own), monitor (sees all, changes nothing), admin (registers projects, reaps, acts on all sessions; never reads others'' connection URIs); replaces what it had';

CREATE FUNCTION @extschema@.agent_branch_revoke(role regrole)
	RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM agent_branch.revoke_access(role);
END
$$;
COMMENT ON FUNCTION @extschema@.agent_branch_revoke(regrole) IS 'takes back what agent_branch_grant() gave to this role';

CREATE FUNCTION agent_branch.revoke_access(role regrole)
	RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	object text;
BEGIN
	DELETE FROM agent_branch.access AS a WHERE a.role = revoke_access.role;
	FOR object IN
		SELECT CASE WHEN d.classid = 'pg_proc'::regclass
			THEN format('EXECUTE ON ROUTINE %s', d.objid::regprocedure)
			ELSE format('SELECT ON %s', d.objid::regclass) END
		FROM pg_depend AS d LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'agent_branch')
			AND (d.classid = 'pg_proc'::regclass OR c.relkind = 'v')
	LOOP
		EXECUTE format('REVOKE %s FROM %s', object, role);
	END LOOP;
END
$$;
COMMENT ON FUNCTION agent_branch.revoke_access(regrole) IS 'takes every privilege on the extension''s functions and views from a role';

CREATE FUNCTION agent_branch.worker_status(OUT pid integer, OUT state text, OUT started_at timestamptz, OUT sessions integer,
	OUT waiting integer, OUT calls_waiting integer, OUT calls_under_way integer, OUT calls_total bigint, OUT call_budget integer,
	OUT last_error text, OUT last_error_at timestamptz)
	RETURNS SETOF record LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'agent_branch_worker_status';
COMMENT ON FUNCTION agent_branch.worker_status() IS 'this database''s worker, from shared memory; no row when none runs';

CREATE FUNCTION agent_branch.monthly_cost(logical_size bigint, compute_seconds bigint, age interval)
	RETURNS numeric LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT round((current_setting('agent_branch.branch_month_price', true)::numeric
		+ current_setting('agent_branch.storage_month_price', true)::numeric * coalesce(logical_size, 0) / 1e9
		+ current_setting('agent_branch.compute_hour_price', true)::numeric * 730
			* least(compute_seconds / greatest(extract(epoch FROM age), 3600), 1000)), 2);
END;
COMMENT ON FUNCTION agent_branch.monthly_cost(bigint, bigint, interval) IS
	'an estimate of what a branch costs a month (of 730 hours), by the settings branch_month_price, storage_month_price and compute_hour_price: as if it were beyond what the plan includes, shared no storage, and went on computing as it has so far';

-- ---------------------------------------------------------------------------------------------
-- Views.  They read the tables with their owner's rights and show each role its own sessions.
-- ---------------------------------------------------------------------------------------------

CREATE VIEW @extschema@.agent_projects AS
	SELECT p.project, p.parent, p.database, p.role, p.options, p.registered_by, p.registered_at,
		(SELECT count(*) FROM agent_branch.session AS s WHERE s.project_id = p.id AND s.finished_at IS NULL
			AND s.state <> 'queued') AS sessions,
		(SELECT count(*) FROM agent_branch.session AS s WHERE s.project_id = p.id AND s.finished_at IS NULL
			AND s.state = 'queued') AS queued
	FROM agent_branch.project AS p;
COMMENT ON VIEW @extschema@.agent_projects IS 'registered projects, with the number of sessions that hold or make a branch and of those that wait';

CREATE VIEW @extschema@.agent_sessions WITH (security_barrier) AS
	SELECT s.name AS session, p.project, s.state, s.settled, s.error, s.error_hint AS hint, s.owner, s.branch_name,
		s.branch_id, s.endpoint_id,
		CASE WHEN s.state = 'queued' THEN (SELECT count(*) FROM agent_branch.session AS q
			WHERE q.project_id = s.project_id AND q.finished_at IS NULL AND q.state = 'queued' AND q.id <= s.id)
		END AS queue_position,
		s.created_at, s.ready_at, s.state_changed_at, s.expires_at, s.branch_expires_at, s.finished_at, s.pinned,
		s.api_calls, s.base_fingerprint, s.id, w.waits_for
	FROM agent_branch.session AS s JOIN agent_branch.project AS p ON p.id = s.project_id
		LEFT JOIN agent_branch.session_wait AS w ON w.session_id = s.id AND s.finished_at IS NULL
	WHERE pg_has_role(s.owner, 'USAGE') OR EXISTS (SELECT FROM agent_branch.access AS a
		WHERE a.level IN ('monitor', 'admin') AND pg_has_role(a.role, 'USAGE'));
COMMENT ON VIEW @extschema@.agent_sessions IS 'sessions, finished ones too: those of the caller''s roles, or all for monitor and admin';

CREATE VIEW @extschema@.agent_migrations WITH (security_barrier) AS
	SELECT s.name AS session, p.project, m.ordinal, m.name, m.status, m.sql, m.queued_at, m.started_at, m.finished_at,
		m.finished_at - m.started_at AS duration, m.sqlstate, m.message, m.detail, m.hint, m.context, m.line, m."column",
		m.session_id
	FROM agent_branch.migration AS m JOIN agent_branch.session AS s ON s.id = m.session_id
		JOIN agent_branch.project AS p ON p.id = s.project_id
	WHERE pg_has_role(s.owner, 'USAGE') OR EXISTS (SELECT FROM agent_branch.access AS a
		WHERE a.level IN ('monitor', 'admin') AND pg_has_role(a.role, 'USAGE'));
COMMENT ON VIEW @extschema@.agent_migrations IS 'migrations of sessions, with the error of those that failed as the branch''s server gave it';

CREATE VIEW @extschema@.agent_merges WITH (security_barrier) AS
	SELECT s.name AS session, p.project, m.status, m.strategy, m.on_drift, m.reason, m.requested_at, m.started_at,
		m.finished_at, m.base_fingerprint, m.parent_fingerprint, m.backup_name, m.backup_branch_id, m.session_id
	FROM agent_branch.merge AS m JOIN agent_branch.session AS s ON s.id = m.session_id
		JOIN agent_branch.project AS p ON p.id = s.project_id
	WHERE pg_has_role(s.owner, 'USAGE') OR EXISTS (SELECT FROM agent_branch.access AS a
		WHERE a.level IN ('monitor', 'admin') AND pg_has_role(a.role, 'USAGE'));
COMMENT ON VIEW @extschema@.agent_merges IS 'merges that were asked for: what was compared and what came of it';

CREATE VIEW @extschema@.agent_conflicts WITH (security_barrier) AS
	SELECT s.name AS session, p.project, c.object, c.change, c.base_hash, c.parent_hash, m.reason, c.found_at, c.session_id
	FROM agent_branch.conflict AS c JOIN agent_branch.merge AS m ON m.id = c.merge_id
		JOIN agent_branch.session AS s ON s.id = c.session_id JOIN agent_branch.project AS p ON p.id = s.project_id
	WHERE pg_has_role(s.owner, 'USAGE') OR EXISTS (SELECT FROM agent_branch.access AS a
		WHERE a.level IN ('monitor', 'admin') AND pg_has_role(a.role, 'USAGE'));
COMMENT ON VIEW @extschema@.agent_conflicts IS 'why merges were refused: each object of the parent that changed since the session began';

CREATE VIEW @extschema@.agent_events WITH (security_barrier) AS
	SELECT e.id, e.at, s.name AS session, p.project, e.old_state, e.state, e.error, e.session_id
	FROM agent_branch.event AS e JOIN agent_branch.session AS s ON s.id = e.session_id
		JOIN agent_branch.project AS p ON p.id = s.project_id
	WHERE pg_has_role(s.owner, 'USAGE') OR EXISTS (SELECT FROM agent_branch.access AS a
		WHERE a.level IN ('monitor', 'admin') AND pg_has_role(a.role, 'USAGE'));
COMMENT ON VIEW @extschema@.agent_events IS 'every change of a session''s state; also sent as NOTIFY agent_branch';

CREATE VIEW @extschema@.agent_branches AS
	SELECT b.sweep_id AS sweep, w.dry_run, w.finished_at AS seen_at, p.project, b.branch_id, b.name, b.parent_id, b.class,
		b.action, s.name AS session, b.created_at, b.expires_at, w.finished_at - b.created_at AS age, b.children,
		agent_branch.monthly_cost(b.logical_size, b.compute_seconds, w.finished_at - b.created_at) AS monthly_cost
	FROM agent_branch.project AS p
		CROSS JOIN LATERAL (SELECT l.sweep_id FROM agent_branch.sweep_branch AS l JOIN agent_branch.sweep AS f ON f.id = l.sweep_id
			WHERE l.project_id = p.id AND f.finished_at IS NOT NULL ORDER BY l.sweep_id DESC LIMIT 1) AS last
		JOIN agent_branch.sweep AS w ON w.id = last.sweep_id
		JOIN agent_branch.sweep_branch AS b ON b.project_id = p.id AND b.sweep_id = last.sweep_id
		LEFT JOIN agent_branch.session AS s ON s.id = b.session_id;
COMMENT ON VIEW @extschema@.agent_branches IS 'what the last sweep of each project saw at Neon, what each branch is to us, what the sweep did or would do, and an estimate of what the branch costs a month';

CREATE VIEW @extschema@.agent_worker AS
	SELECT w.pid, w.state, w.started_at, w.sessions, w.waiting, w.calls_waiting, w.calls_under_way, w.calls_total,
		w.call_budget, w.last_error, w.last_error_at, (
			SELECT jsonb_agg(jsonb_build_object('session', s.session, 'project', s.project, 'state', s.state,
				'waits_for', s.waits_for, 'since', t.told_at - interval '1 second') ORDER BY t.told_at, s.id)
			FROM @extschema@.agent_sessions AS s JOIN agent_branch.session_wait AS t ON t.session_id = s.id
			WHERE s.waits_for IS NOT NULL) AS queue
	FROM agent_branch.worker_status() AS w;
COMMENT ON VIEW @extschema@.agent_worker IS 'this database''s worker: its process, load, budget of API calls, last error, and what each session that the caller may see has waited for, for a second or more; no row when none runs';

-- ---------------------------------------------------------------------------------------------
-- Privileges: nothing for PUBLIC; agent_branch_grant() gives.
-- ---------------------------------------------------------------------------------------------

REVOKE ALL ON FUNCTION @extschema@.agent_project_register(text, text, text, text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_branch_create(text, text, interval, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_wait(text, interval, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_connection_uri(text, text, boolean, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_migrate(text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_merge(text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_discard(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_extend(text, interval, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_reap(boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_branch_take_over() FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.agent_run(text, text[], jsonb, text, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_branch_grant(regrole, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.agent_branch_revoke(regrole) FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA agent_branch FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA agent_branch FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA agent_branch FROM PUBLIC;

-- What a dump carries: everything that says what was asked for and done, but no credentials and no
-- identity (see installation).
SELECT pg_extension_config_dump('agent_branch.access', '');
SELECT pg_extension_config_dump('agent_branch.project', '');
SELECT pg_extension_config_dump('agent_branch.project_id_seq', '');
SELECT pg_extension_config_dump('agent_branch.session', '');
SELECT pg_extension_config_dump('agent_branch.session_id_seq', '');
SELECT pg_extension_config_dump('agent_branch.migration', '');
SELECT pg_extension_config_dump('agent_branch.migration_id_seq', '');
SELECT pg_extension_config_dump('agent_branch.merge', '');
SELECT pg_extension_config_dump('agent_branch.request_id_seq', '');
SELECT pg_extension_config_dump('agent_branch.conflict', '');
SELECT pg_extension_config_dump('agent_branch.conflict_id_seq', '');
SELECT pg_extension_config_dump('agent_branch.schema_snapshot', '');
SELECT pg_extension_config_dump('agent_branch.step', '');
SELECT pg_extension_config_dump('agent_branch.kept_branch', '');
SELECT pg_extension_config_dump('agent_branch.kept_branch_id_seq', '');
SELECT pg_extension_config_dump('agent_branch.former_installation', '');
SELECT pg_extension_config_dump('agent_branch.event', '');
SELECT pg_extension_config_dump('agent_branch.event_id_seq', '');
