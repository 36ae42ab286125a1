/* agent_branch 0.1.0 to 0.2.0. A new installation runs 0.1.0 and then this, so that fresh equals upgraded. */
\echo Use "ALTER EXTENSION agent_branch UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

-- ---------------------------------------------------------------------------------------------
-- A connection URI belongs to a branch's id; each project sweeps itself, and says what is in its way.
-- ---------------------------------------------------------------------------------------------

-- Those that are there are asked for again: nobody knows of which branch they are.
DELETE FROM agent_branch.credential;
ALTER TABLE agent_branch.credential ADD COLUMN branch_id text;
COMMENT ON COLUMN agent_branch.credential.branch_id IS 'the branch that the URI leads to; one of another branch is never used';

CREATE TABLE agent_branch.project_upkeep (
	project_id bigint PRIMARY KEY REFERENCES agent_branch.project ON DELETE CASCADE,
	swept_at timestamptz,
	error text,
	error_since timestamptz
);
COMMENT ON TABLE agent_branch.project_upkeep IS 'when a sweep last saw a project whole, and what keeps the next one from it, if anything does';
SELECT pg_catalog.pg_extension_config_dump('agent_branch.project_upkeep', '');

ALTER TABLE agent_branch.sweep_branch DROP CONSTRAINT sweep_branch_action_check,
	ADD CONSTRAINT sweep_branch_action_check CHECK (action IN ('none', 'delete', 'would delete', 'blocked by children',
		'blocked: protected', 'blocked: default', 'next sweep'));
