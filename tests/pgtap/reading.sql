-- agent_branch.read_script(): how a migration is read before anything of it runs.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(91);

CREATE FUNCTION pg_temp.read(sql text, what text) RETURNS SETOF text LANGUAGE sql
	RETURN jsonb_path_query(agent_branch.read_script(sql), what::jsonpath) #>> '{}';
CREATE FUNCTION pg_temp.refusal(sql text) RETURNS text LANGUAGE sql
	RETURN agent_branch.read_script(sql) #>> '{refusal,message}';
CREATE FUNCTION pg_temp.risks(sql text) RETURNS text LANGUAGE sql
	RETURN (SELECT string_agg(concat_ws(' ', r->>'kind', r->>'object'), ', ' ORDER BY ordinality)
		FROM jsonb_path_query(agent_branch.read_script(sql), '$.statements[*].risks[*]') WITH ORDINALITY AS q (r));
CREATE FUNCTION pg_temp.mentions(sql text) RETURNS text LANGUAGE sql
	RETURN (SELECT string_agg(m #>> '{}', ' ' ORDER BY m #>> '{}' COLLATE "C")
		FROM jsonb_path_query(agent_branch.read_script(sql), '$.statements[*].mentions[*]') AS q (m));

SELECT throws_ok($$SELECT agent_branch.read_script(NULL)$$, '22004', 'argument "sql" must not be null', 'null');
SELECT is(agent_branch.read_script('')->'statements', '[]', 'empty');
SELECT throws_ok($$SELECT agent_branch.read_script(repeat('x', 1048577))$$, '54000', 'migration is too long', 'too long');

-- Statements and their places.
SELECT results_eq($$SELECT s->>'statement', s->>'line', s->>'column', s->>'tag' FROM jsonb_path_query(agent_branch.read_script(
	E'-- ä\n  CREATE TABLE a (id int); /* b */\n\tSELECT 1;;\n ü()' || E'; INSERT INTO a VALUES (1)'), '$.statements[*]') AS q (s)$$,
	$$VALUES ('1', '2', '3', NULL::text)$$, 'text that does not parse is one statement');
SELECT results_eq($$SELECT s->>'statement', s->>'line', s->>'column', s->>'tag' FROM jsonb_path_query(agent_branch.read_script(
	E'-- ä\n  CREATE TABLE a (id int); /* b */\n\tSELECT 1;;\n  -- ü\n SELECT ''ü''; INSERT INTO a VALUES (1) ; '), '$.statements[*]') AS q (s)$$,
	$$VALUES ('1', '2', '3', 'CREATE TABLE'), ('2', '3', '2', 'SELECT'), ('3', '5', '2', 'SELECT'), ('4', '5', '14', 'INSERT')$$,
	'statements have a place and a tag');
SELECT is(agent_branch.read_script('-- nothing') - 'refusal'::text, '{"parsed": true, "statements": []}'::jsonb, 'a comment is no statement');
SELECT is(agent_branch.read_script('SELEC 1')#>>'{statements,0,risks,0,kind}', 'unknown', 'and not free of risks');
SELECT is(agent_branch.read_script('SELEC 1')->>'parsed', 'false', 'a syntax error is for the branch to report');
SELECT is(pg_temp.refusal('SELEC 1'), NULL, 'and is not refused');

-- Segments, and what runs alone.
SELECT results_eq($$SELECT pg_temp.read('SET search_path = a; CREATE TABLE b (); CREATE INDEX CONCURRENTLY c ON b (d); SELECT 1', '$.statements[*].segment')$$,
	$$VALUES ('1'), ('1'), ('2'), ('3')$$, 'a statement that runs alone is a segment');
SELECT results_eq($$SELECT pg_temp.read('ALTER TYPE t ADD VALUE ''new''; INSERT INTO a VALUES (''new'')', '$.statements[*].segment')$$,
	$$VALUES ('1'), ('2')$$, 'a value of an enum that is used later is committed first');
SELECT results_eq($$SELECT pg_temp.read('ALTER TYPE t ADD VALUE ''new''; INSERT INTO a VALUES (1)', '$.statements[*].segment')$$,
	$$VALUES ('1'), ('1')$$, 'one that is not used needs no commit');
SELECT results_eq($$SELECT pg_temp.read('ALTER TYPE t RENAME VALUE ''old'' TO ''new''; INSERT INTO a VALUES (''new'')', '$.statements[*].segment')$$,
	$$VALUES ('1'), ('1')$$, 'nor one that is renamed');
SELECT results_eq($$SELECT sql, pg_temp.read(sql, '$.statements[0].alone') FROM unnest(ARRAY['VACUUM a', 'VACUUM (ANALYZE) a', 'ANALYZE a',
	'DROP INDEX CONCURRENTLY i', 'DROP INDEX i', 'REINDEX TABLE CONCURRENTLY a', 'REINDEX TABLE a', 'REINDEX (CONCURRENTLY off) TABLE a',
	'REINDEX SCHEMA s', 'CLUSTER', 'CLUSTER a', 'ALTER TABLE a DETACH PARTITION b CONCURRENTLY', 'ALTER TABLE a DETACH PARTITION b',
	'CREATE INDEX i ON a (b)', 'REFRESH MATERIALIZED VIEW CONCURRENTLY m', 'CALL p()']) AS sql$$,
	$$VALUES ('VACUUM a', 'true'), ('VACUUM (ANALYZE) a', 'true'), ('ANALYZE a', 'false'), ('DROP INDEX CONCURRENTLY i', 'true'),
	('DROP INDEX i', 'false'), ('REINDEX TABLE CONCURRENTLY a', 'true'), ('REINDEX TABLE a', 'true'),
	('REINDEX (CONCURRENTLY off) TABLE a', 'true'), ('REINDEX SCHEMA s', 'true'), ('CLUSTER', 'true'), ('CLUSTER a', 'true'),
	('ALTER TABLE a DETACH PARTITION b CONCURRENTLY', 'true'), ('ALTER TABLE a DETACH PARTITION b', 'false'),
	('CREATE INDEX i ON a (b)', 'false'), ('REFRESH MATERIALIZED VIEW CONCURRENTLY m', 'false'), ('CALL p()', 'true')$$,
	'what cannot run inside a transaction runs alone');

-- Refusals.
SELECT is(pg_temp.refusal(sql), message, sql) FROM (VALUES
	('SELECT 1; COMMIT', 'transaction control is not allowed in a migration'),
	('SAVEPOINT a', 'transaction control is not allowed in a migration'),
	('PREPARE TRANSACTION ''a''', 'transaction control is not allowed in a migration'),
	('SELEC 1; COMMIT', 'transaction control is not allowed in a migration'),
	('COPY a FROM STDIN', 'COPY from or to the client is not possible in a migration'),
	(E'COPY a FROM STDIN;\n1\n\\.\n', 'COPY from or to the client is not possible in a migration'),
	('COPY a TO STDOUT', 'COPY from or to the client is not possible in a migration'),
	('COPY a FROM ''/tmp/a''', NULL),
	(E'SELECT 1;\n\\connect other', 'commands of psql are not possible in a migration'),
	('SET ROLE a', 'SET ROLE is not possible in a migration'),
	('SET LOCAL ROLE a', 'SET ROLE is not possible in a migration'),
	('RESET ROLE', 'SET ROLE is not possible in a migration'),
	('SET SESSION AUTHORIZATION a', 'SET SESSION AUTHORIZATION is not possible in a migration'),
	('RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION is not possible in a migration'),
	('RESET ALL', 'RESET ALL is not possible in a migration'),
	('DISCARD ALL', 'DISCARD ALL is not possible in a migration'),
	('DISCARD PLANS', NULL),
	('LISTEN a', 'LISTEN is not possible in a migration'),
	('NOTIFY a', NULL),
	('LOAD ''a''', 'LOAD is not possible in a migration'),
	('ALTER SYSTEM SET a = 1', 'ALTER SYSTEM is not possible in a migration'),
	('CREATE DATABASE a', 'CREATE DATABASE is not possible in a migration'),
	('DROP DATABASE a', 'DROP DATABASE is not possible in a migration'),
	('CREATE TABLESPACE a LOCATION ''/a''', 'CREATE TABLESPACE is not possible in a migration'),
	('CREATE SUBSCRIPTION a CONNECTION ''b'' PUBLICATION c', 'CREATE SUBSCRIPTION is not possible in a migration'),
	('CREATE INDEX CONCURRENTLY ON a (b)', 'CREATE INDEX CONCURRENTLY needs a name in a migration'),
	('SET statement_timeout = 0; SET LOCAL lock_timeout = 1', NULL)) AS refused (sql, message);
SELECT is((agent_branch.read_script(E'SELECT 1;\n\n COMMIT; ROLLBACK')->'refusal') - 'hint'::text,
	'{"statement": 2, "sqlstate": "2D000", "message": "transaction control is not allowed in a migration", "detail": "It is in line 3."}'::jsonb,
	'the first one is told, with its place');

-- What a statement mentions.
SELECT is(pg_temp.mentions(sql), names, sql) FROM (VALUES
	('CREATE TABLE s.a (id serial, b "My Type" REFERENCES c (d), e int DEFAULT f(), CHECK (g(id)))', '"My Type" c f g s.a serial'),
	('WITH x AS (SELECT * FROM a) INSERT INTO b SELECT h(1)::t FROM x JOIN c USING (i)', 'a b c h t x'),
	('CREATE VIEW v AS SELECT * FROM "order", s.t', '"order" s.t v'),
	('ALTER TABLE a ADD b t, ADD FOREIGN KEY (c) REFERENCES d', 'a d t'),
	('DROP FUNCTION f(int, s.t); DROP TABLE a, b', 'a b f(pg_catalog.int4, s.t)')) AS mentioned (sql, names);

-- Risks.
SELECT is(pg_temp.risks(sql), found, sql) FROM (VALUES
	('DROP TABLE a, s."B" CASCADE', 'drop table a, drop table s."B"'),
	('DROP FUNCTION f(int)', 'drop function f(pg_catalog.int4)'),
	('ALTER TABLE a DROP COLUMN b, DROP CONSTRAINT c', 'drop column a.b, drop constraint a.c'),
	('TRUNCATE a, b', 'truncate table a, truncate table b'),
	('ALTER TABLE a ALTER b TYPE text, SET UNLOGGED', 'rewrite column a.b, rewrite table a'),
	('ALTER TABLE a ADD b int, ADD c int DEFAULT 1, ADD d timestamptz DEFAULT now()', NULL),
	('ALTER TABLE a ADD b uuid DEFAULT gen_random_uuid(), ADD c serial', 'rewrite column a.b, rewrite column a.c'),
	('ALTER TABLE a ADD b int NOT NULL, ADD c int NOT NULL DEFAULT 0, ALTER d SET NOT NULL', 'not_null column a.b, not_null column a.d'),
	('CREATE INDEX i ON a (b); CREATE INDEX CONCURRENTLY j ON a (b)', 'lock table a'),
	('ALTER TABLE a ADD PRIMARY KEY (b); ALTER TABLE a ADD CONSTRAINT c PRIMARY KEY USING INDEX i', 'lock constraint a'),
	('ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0), ADD CONSTRAINT d CHECK (b > 1) NOT VALID', 'not_valid constraint a.c'),
	('ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c', 'not_valid constraint a'),
	('ALTER TABLE a RENAME TO b; ALTER TABLE a RENAME COLUMN c TO d; ALTER TABLE a SET SCHEMA s; ALTER TYPE t RENAME TO u',
		'rename table a, rename column a.c, rename table a, rename type t'),
	('DELETE FROM a; DELETE FROM a WHERE b; UPDATE a SET b = 1; UPDATE a SET b = 1 WHERE c', 'unfiltered table a, unfiltered table a'),
	('WITH gone AS (DELETE FROM a RETURNING *) SELECT * FROM gone', 'unfiltered table a'),
	('LOCK TABLE a; VACUUM FULL a; CLUSTER a; REINDEX INDEX i; REFRESH MATERIALIZED VIEW m',
		'lock table a, rewrite table a, rewrite table a, lock index i, lock materialized view m'),
	('CREATE TABLE a (id int NOT NULL); INSERT INTO a VALUES (1); SELECT 1; DO ''BEGIN END''', NULL)) AS risky (sql, found);

-- Texts that are hard on a parser.
SELECT is(agent_branch.read_script('SELECT ' || repeat('(', 40000) || '1' || repeat(')', 40000))->>'parsed', 'false', 'nested too deep');
SELECT lives_ok($$SELECT agent_branch.read_script('SELECT 1' || repeat('+1', 200000))$$, 'a long chain');
SELECT lives_ok($$SELECT agent_branch.read_script('ALTER TABLE a ADD b int DEFAULT 1' || repeat('::int', 200000))$$, 'many casts');
SELECT lives_ok($$SELECT agent_branch.read_script('SELECT ' || repeat('-(', 4000) || '1' || repeat(')', 4000))$$, 'deep negation');
SELECT is(jsonb_array_length(agent_branch.read_script(repeat('SELECT 1;', 10000))->'statements'), 10000, 'many statements');
SELECT is(agent_branch.read_script(repeat('SELECT 1;', 10001))->'refusal'->>'message', 'migration has too many statements', 'too many');
-- Each of these took minutes. The time is what is tested.
SET LOCAL statement_timeout = '60 s';
SELECT lives_ok($$SELECT agent_branch.read_script('CREATE TABLE t (a int ' || repeat('NULL ', 200000) || ')')$$, 'a column of many constraints');
SELECT lives_ok($$SELECT agent_branch.read_script('CREATE TABLE t (a int ' || repeat('CHECK(b) ', 110000) || ')')$$, 'a column of many checks');
SELECT is(agent_branch.read_script('/*' || repeat('/*', 500000))->'refusal'->>'sqlstate', '54000', 'comments in comments');
SELECT is(agent_branch.read_script('SELECT 1' || repeat('+', 1000000) || '1')->'refusal'->>'sqlstate', '54000', 'an endless operator');
SELECT lives_ok($$SELECT agent_branch.read_script((SELECT string_agg(format('ALTER TYPE t ADD VALUE ''%s'';', n), '') FROM generate_series(1, 9999) AS n))$$, 'many values');
RESET statement_timeout;

-- What people write.
SELECT is((SELECT string_agg(s->>'segment', ' ') FROM jsonb_array_elements(agent_branch.read_script(sql)->'statements') AS s), segments, sql)
FROM (VALUES
	('BEGIN; CREATE TABLE a (); COMMIT; VACUUM; BEGIN; DROP TABLE a; COMMIT', '1 1 1 2 2 3 3'),
	('ALTER TYPE m ADD VALUE ''id''; CREATE TABLE u (user_id int) /* id */; SELECT "id"', '1 1 1'),
	('ALTER TYPE m ADD VALUE ''id''; INSERT INTO t VALUES (''id'')', '1 2'),
	('ALTER TYPE m ADD VALUE ''id''; ALTER TABLE t ALTER c SET DEFAULT ''{a,id}''', '1 2'),
	('ALTER TYPE m ADD VALUE ''id''; DO $$BEGIN UPDATE t SET c = ''id''; END$$', '1 2'),
	('DO $$BEGIN ALTER TYPE m ADD VALUE ''id''; END$$; SELECT 1', '1 2'),
	('SELECT 1; DO $$BEGIN COMMIT; END$$; SELECT 2', '1 2 3'),
	('SELECT 1; DO $$BEGIN CREATE TEMP TABLE a () ON COMMIT DROP; END$$', '1 1'),
	('SELECT 1; CALL p()', '1 2'), ('SELECT 1; REINDEX TABLE t', '1 2'), ('SELECT 1; CLUSTER t USING i', '1 2'),
	('BEGIN; CLUSTER t; SELECT 1; END', '1 1 1 1')) AS written (sql, segments);
SELECT is(agent_branch.read_script(E'\\restrict abc\nSELECT 1;\n\\unrestrict abc\n')->'refusal', 'null', 'marks of pg_dump');
SELECT is(agent_branch.read_script('BEGIN; VACUUM; COMMIT')->'refusal'->>'sqlstate', '25001', 'what cannot stand in a transaction');
SELECT is(jsonb_array_length(agent_branch.read_script('INSERT INTO a VALUES ' || repeat('(1, ''x''),', 90000) || '(2, ''y'')')->'statements'), 1,
	'one long statement');

-- What each does: a table comes apart into what it is made of.
SELECT results_eq($$SELECT e->>'kind', e->>'object' FROM jsonb_array_elements(agent_branch.read_script(
	'CREATE TABLE t (a int NOT NULL DEFAULT 1, b text UNIQUE, CHECK (a > 0)); DELETE FROM sales.u WHERE x = 1; DROP VIEW v')->'statements') AS s,
	jsonb_array_elements(s->'effects') AS e$$, $$VALUES
	('create table', 't'), ('column', 't.a'), ('not null', 't.a'), ('default', 't.a'), ('column', 't.b'), ('unique', 't'),
	('check', 't'), ('rows delete', 'sales.u'), ('drop view', 'v')$$, 'effects');

SELECT * FROM finish();
ROLLBACK;
