/* agent_branch 0.1.0 to 0.2.0. A new installation runs 0.1.0 and then this, so that fresh equals upgraded. */
\echo Use "ALTER EXTENSION agent_branch UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

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
