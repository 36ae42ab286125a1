/* agent_branch 0.1.0 to 0.2.0. A new installation runs 0.1.0 and then this, so that fresh equals upgraded. */
\echo Use "ALTER EXTENSION agent_branch UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

-- ---------------------------------------------------------------------------------------------
-- What stops the worker
-- ---------------------------------------------------------------------------------------------

COMMENT ON FUNCTION agent_branch.worker_status() IS 'this database''s worker, from shared memory; one without a process when it has to wait for another database''s worker to leave, no row when none runs';

/* Without one, a publication FOR ALL TABLES would forbid every UPDATE. */
ALTER TABLE agent_branch.installation ADD PRIMARY KEY (id);

/*
 * Any role can LISTEN and then sleep in a transaction, which fills the queue of notifications, and
 * NOTIFY fails then, at COMMIT: before that comes near, state changes are not told any more.
 */
CREATE OR REPLACE FUNCTION agent_branch.record_state_change() RETURNS trigger
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
	IF pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) 0.5 THEN
		PERFORM pg_catalog.pg_notify('agent_branch', (
			SELECT pg_catalog.jsonb_build_object('session', NEW.name, 'project', p.project, 'state', NEW.state,
				'old_state', old_state)::text
			FROM agent_branch.project AS p WHERE p.id OPERATOR(pg_catalog.=) NEW.project_id));
	END IF;
	RETURN NULL;
END
$$;
