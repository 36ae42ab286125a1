/* agent_branch 0.1.0 to 0.2.0. A new installation runs 0.1.0 and then this, so that fresh equals upgraded. */
\echo Use "ALTER EXTENSION agent_branch UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

/*
 * Migrations: a text is read once, when it is asked for, and carried out as it was read.
 */
ALTER TABLE agent_branch.migration_attempt ADD COLUMN script json;
COMMENT ON COLUMN agent_branch.migration_attempt.script IS 'the text as agent_migrate() read it: statements with their places, what runs alone, risks; null: it is read when it is run';
COMMENT ON FUNCTION @extschema@.agent_migrate(text, text, text, text) IS
	'asks for this SQL to be run on the session''s branch after the migrations before it; the same name with the same text again is the same migration. In a session whose migration failed, the same name puts another text in its place. Returns its ordinal in the session';
