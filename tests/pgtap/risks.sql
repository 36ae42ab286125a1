-- What the text of a migration tells of its risks: spellings of the same destruction, and innocent ones.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS agent_branch;
SELECT plan(100);

CREATE FUNCTION pg_temp.kinds(sql text) RETURNS text LANGUAGE sql BEGIN ATOMIC
	SELECT coalesce(string_agg(DISTINCT r->>'kind', ' ' ORDER BY r->>'kind'), '')
	FROM jsonb_array_elements(agent_branch.read_script(sql)->'statements') AS s, jsonb_array_elements(s->'risks') AS r;
	END;

SELECT matches(pg_temp.kinds(sql), 'drop|truncate|unfiltered|unknown', sql) FROM (VALUES
	('DELETE FROM users'), ('DELETE FROM ONLY users'), ('DELETE FROM public.users AS u'), ('DELETE FROM users USING posts'),
	('DELETE FROM users WHERE true'), ('DELETE FROM users WHERE 1 = 1'), ('DELETE FROM users WHERE id = id'),
	('DELETE FROM users WHERE EXISTS (SELECT 1)'), ('DELETE FROM users WHERE id = 1 OR true'),
	('DELETE FROM users WHERE true AND 2 > 1'), ('DELETE FROM users WHERE NOT false'), ('DELETE FROM users WHERE now() > ''2000-01-01'''),
	('DELETE FROM users WHERE random() < 2'), ('DELETE FROM users WHERE NULL IS NULL'), ('DELETE FROM users WHERE ''a'' LIKE ''%'''),
	('UPDATE users SET mail = NULL'), ('UPDATE users SET mail = NULL FROM posts'), ('UPDATE users SET mail = NULL FROM (SELECT 1) AS q'),
	('UPDATE users SET (mail, name) = (NULL, NULL) WHERE 1 < 2'), ('EXPLAIN ANALYZE DELETE FROM users'),
	('EXPLAIN (ANALYZE, VERBOSE) UPDATE users SET a = 1'), ('PREPARE p AS DELETE FROM users; EXECUTE p'),
	('CREATE TABLE x AS WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d'),
	('WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d'), ('WITH d AS (DELETE FROM users RETURNING *) INSERT INTO x SELECT * FROM d'),
	('INSERT INTO x WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d'),
	('COPY (DELETE FROM users RETURNING *) TO ''/tmp/x'''), ('MERGE INTO users USING posts ON users.id = posts.id WHEN MATCHED THEN DELETE'),
	('MERGE INTO users USING posts ON true WHEN MATCHED THEN UPDATE SET a = 1'),
	('CREATE RULE r AS ON INSERT TO log DO INSTEAD DELETE FROM users'), ('TRUNCATE users'), ('TRUNCATE TABLE ONLY users, posts'),
	('TRUNCATE a CASCADE'), ('DROP TABLE users'), ('DROP TABLE IF EXISTS users CASCADE'), ('DROP SCHEMA app CASCADE'), ('DROP OWNED BY app'),
	('ALTER TABLE users DROP COLUMN mail'), ('ALTER TABLE users DROP mail'), ('ALTER TABLE users ALTER mail TYPE text USING NULL'),
	('ALTER TABLE users ALTER mail TYPE int USING (1 + 1)'), ('ALTER TABLE events DETACH PARTITION e1'), ('ALTER TABLE e1 NO INHERIT events'),
	('SELECT lo_unlink(1)'), ('SELECT lo_unlink(oid) FROM pg_largeobject_metadata'), ('DROP ROLE app'), ('DROP USER app'), ('DROP EXTENSION hstore'),
	('DO $$BEGIN DROP TABLE users; END$$'), ('DO $$BEGIN EXECUTE ''DROP TABLE '' || ''users''; END$$'),
	('DO $$BEGIN EXECUTE format(''TRUNCATE TABLE %I'', ''users''); END$$'), ('DO $$BEGIN DELETE FROM users; END$$'),
	('DO $$BEGIN IF true THEN UPDATE users SET a = 1; END IF; END$$'), ('DO $$BEGIN TRUNCATE users; END$$'),
	('DO $$BEGIN DELETE FROM users; COMMIT; END$$'), ('CALL wipe()'), ('DO $a$BEGIN EXECUTE $b$DELETE FROM users$b$; END$a$'),
	('CREATE TEMP TABLE users (); DROP TABLE users; DROP TABLE users'), ('CREATE TABLE IF NOT EXISTS users (); DROP TABLE users'),
	('CREATE VIEW v AS SELECT * FROM users; DELETE FROM v'),
	('CREATE TABLE p (a int) PARTITION BY LIST (a); ALTER TABLE p ATTACH PARTITION users DEFAULT; DROP TABLE p')) AS bad (sql);

-- Names that the text has moved are asked for, and count though they are not there.
SELECT agent_project_register('risks-test');
SELECT is(pg_temp.kinds(sql), kinds, sql) FROM (VALUES
	('CREATE TABLE t (); SET search_path = app; DROP TABLE t', 'drop'),
	('ALTER TABLE t RENAME TO t2; DROP TABLE t2', 'drop rename'),
	('CREATE TABLE t2 (); ALTER TABLE t2 RENAME TO t3; ALTER TABLE t RENAME TO t2; DROP TABLE t2', 'drop rename')) AS moved (sql, kinds);

SELECT is(pg_temp.kinds(sql), '', sql) FROM (VALUES
	('CREATE TABLE a (id int); DELETE FROM a; DROP TABLE a'), ('DELETE FROM users WHERE id = 1'), ('UPDATE users SET a = 1 WHERE b IS NULL'),
	('DELETE FROM users USING posts WHERE users.id = posts.id'), ('DELETE FROM users WHERE EXISTS (SELECT FROM posts WHERE posts.id = users.id)'),
	('ALTER TABLE t ADD c int; UPDATE t SET c = 1'), ('ALTER TABLE t ADD c int; ALTER TABLE t DROP COLUMN c'),
	('DROP TRIGGER IF EXISTS tr ON t; CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()'),
	('DROP POLICY IF EXISTS p ON t; CREATE POLICY p ON t USING (a = 1)'), ('DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 1'),
	('ALTER TABLE t DROP CONSTRAINT IF EXISTS c; ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i'),
	('DROP FUNCTION IF EXISTS f(); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
	('CREATE TYPE ty AS ENUM (''a''); DROP TYPE ty'), ('CREATE TABLE v (x int); CREATE INDEX vi ON v (x)'),
	('DO $$BEGIN CREATE TYPE m AS ENUM (''a''); EXCEPTION WHEN duplicate_object THEN NULL; END$$'),
	('DO $$BEGIN UPDATE users SET a = 1 WHERE b = 2; END$$'), ('DO $$BEGIN CREATE TEMP TABLE x () ON COMMIT DROP; END$$'),
	('DO $$BEGIN CREATE TEMP TABLE x (); DROP TABLE x; END$$'), ('DO $$BEGIN ALTER TABLE t ALTER c DROP NOT NULL; END$$'),
	('INSERT INTO roles VALUES (1, ''a'') ON CONFLICT (id) DO UPDATE SET name = excluded.name'),
	('ALTER TABLE t ADD c timestamptz DEFAULT now() + interval ''1 day'''), ('ALTER TABLE t ADD c text[] DEFAULT ARRAY[]::text[]'),
	('ALTER TABLE t ADD c timestamp DEFAULT (now() AT TIME ZONE ''utc'')'), ('ALTER TABLE t ADD c text DEFAULT lower(''ABC'')'),
	('CREATE TRIGGER tr AFTER TRUNCATE ON t EXECUTE FUNCTION f()'), ('GRANT DELETE, TRUNCATE ON t TO app'),
	('CREATE SCHEMA s; CREATE TABLE s.t (); DROP TABLE s.t'), ('EXPLAIN DELETE FROM users'), ('SELECT set_config(''search_path'', '''', false)'),
	('MERGE INTO users USING posts ON users.id = posts.id WHEN MATCHED THEN UPDATE SET a = posts.a'),
	('ALTER TABLE t ALTER c DROP DEFAULT'), ('COMMENT ON TABLE t IS ''drop table''')) AS innocent (sql);

SELECT is(pg_temp.kinds(E'CREATE TABLE a ();\n-- +goose Down\nDROP TABLE a;'), 'down', 'the way back is told');
SELECT is(pg_temp.kinds(E'ALTER TABLE t ADD \u200bnote text'), 'invisible', 'what is not to be seen is told');
SELECT is(pg_temp.kinds('ALTER TABLE t ADD c int UNIQUE CHECK (c > 0) DEFAULT random()'), 'lock not_valid rewrite', 'a column''s constraints');
SELECT is(pg_temp.kinds('ALTER TABLE t ATTACH PARTITION u DEFAULT'), 'not_valid', 'a partition''s rows are checked');

SELECT * FROM finish();
ROLLBACK;
