/* agent_branch 0.1.0 to 0.2.0. A new installation runs 0.1.0 and then this, so that fresh equals upgraded. */
\echo Use "ALTER EXTENSION agent_branch UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;
