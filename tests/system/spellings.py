"""Ways to write the same destruction, and innocent migrations, for test_refused_risks.py."""

# What both meet. Rows are counted by checksum afterwards.
SETUP = """
CREATE SCHEMA app;
CREATE TABLE app.users (id int PRIMARY KEY, mail text, org int);
INSERT INTO app.users SELECT n, 'm' || n, n FROM generate_series(1, 50) AS n;
CREATE TABLE app.posts (id int PRIMARY KEY, user_id int, title text);
INSERT INTO app.posts SELECT n, n, 't' || n FROM generate_series(1, 30) AS n;
CREATE TABLE app.orgs (id int PRIMARY KEY);
INSERT INTO app.orgs VALUES (1), (2);
CREATE TABLE app.members (org int REFERENCES app.orgs ON DELETE CASCADE);
INSERT INTO app.members VALUES (1), (1);
CREATE TABLE app.events (day int, x int) PARTITION BY RANGE (day);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM (0) TO (10);
CREATE TABLE app.events_2 PARTITION OF app.events FOR VALUES FROM (10) TO (20);
INSERT INTO app.events VALUES (1, 1), (11, 1);
CREATE TABLE app.base (x int);
CREATE TABLE app.child () INHERITS (app.base);
INSERT INTO app.child VALUES (1);
CREATE TABLE app.settings (key text PRIMARY KEY, value text);
INSERT INTO app.settings VALUES ('plan', 'free');
CREATE TABLE app.empty (x int);
CREATE VIEW app.titles AS SELECT id, title FROM app.posts;
CREATE MATERIALIZED VIEW app.counts AS SELECT count(*) AS n FROM app.posts;
CREATE INDEX posts_title ON app.posts (title);
CREATE TYPE app.mood AS ENUM ('sad', 'glad');
CREATE TABLE app.moods (m app.mood);
INSERT INTO app.moods VALUES ('sad');
CREATE FUNCTION app.wipe() RETURNS void LANGUAGE sql AS 'DELETE FROM app.posts';
CREATE FUNCTION app.answer() RETURNS int LANGUAGE sql AS 'SELECT 42';
CREATE PROCEDURE app.purge() LANGUAGE sql AS 'DELETE FROM app.posts';
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""

TABLES = ("users", "posts", "orgs", "members", "events", "events_1", "base", "settings", "moods")

_DELETE_HEX = b"DELETE FROM app.posts".hex()

DESTRUCTIVE = [
    "DROP TABLE app.users",
    "DROP TABLE IF EXISTS app.posts CASCADE",
    "SET search_path = app; DROP TABLE orgs CASCADE",
    "SET LOCAL search_path TO app, public; DELETE FROM posts",
    "SELECT set_config('search_path', 'app', false); TRUNCATE posts",
    "ALTER TABLE app.users RENAME TO u; DROP TABLE app.u",
    "ALTER TABLE app.users SET SCHEMA public; DROP TABLE public.users",
    "ALTER SCHEMA app RENAME TO app2; DROP TABLE app2.users",
    "DROP SCHEMA app CASCADE",
    "DROP OWNED BY CURRENT_USER",
    "DROP VIEW app.titles",
    "DROP FUNCTION app.answer()",
    "DROP TYPE app.mood CASCADE",
    "DELETE FROM app.posts",
    "DELETE FROM ONLY app.posts",
    "DELETE FROM app.posts WHERE true",
    "DELETE FROM app.posts WHERE 1 = 1",
    "DELETE FROM app.posts WHERE id = id",
    "DELETE FROM app.posts WHERE id IS NOT NULL",
    "DELETE FROM app.posts WHERE EXISTS (SELECT 1)",
    "DELETE FROM app.posts WHERE id > 0",
    "DELETE FROM app.posts WHERE title LIKE '%' OR id < 0",
    "DELETE FROM app.posts WHERE id IN (SELECT id FROM app.posts)",
    "DELETE FROM app.posts WHERE NOT id = -1",
    "DELETE FROM app.posts USING app.users",
    "DELETE FROM app.posts AS p USING app.users AS u WHERE p.user_id = u.id",
    "DELETE FROM app.events",
    "DELETE FROM app.titles",
    "CREATE VIEW app.pv AS SELECT * FROM app.posts; DELETE FROM app.pv",
    "DELETE FROM app.orgs WHERE id = 1",
    "BEGIN; DELETE FROM app.posts; COMMIT;",
    "UPDATE app.users SET mail = NULL",
    "UPDATE app.users SET mail = NULL FROM app.posts",
    "UPDATE app.users SET mail = '' FROM (SELECT 1) AS q",
    "UPDATE app.users SET mail = NULL WHERE id = id",
    "UPDATE app.users SET mail = NULL WHERE mail IS NOT NULL",
    "UPDATE app.users SET mail = md5(mail) WHERE length(mail) >= 0",
    "WITH d AS (DELETE FROM app.posts RETURNING *) SELECT count(*) FROM d",
    "CREATE TABLE app.x AS WITH d AS (DELETE FROM app.posts RETURNING *) SELECT * FROM d",
    "WITH d AS (UPDATE app.users SET mail = NULL RETURNING id) INSERT INTO app.empty SELECT id FROM d",
    "EXPLAIN ANALYZE DELETE FROM app.posts",
    "EXPLAIN (ANALYZE, COSTS off) UPDATE app.users SET mail = NULL",
    "PREPARE p AS DELETE FROM app.posts; EXECUTE p",
    "MERGE INTO app.posts AS p USING app.users AS u ON p.user_id = u.id WHEN MATCHED THEN DELETE",
    "MERGE INTO app.users AS u USING (SELECT 1) AS q ON true "
    "WHEN MATCHED THEN UPDATE SET mail = NULL",
    "INSERT INTO app.users SELECT id, NULL, org FROM app.users "
    "ON CONFLICT (id) DO UPDATE SET mail = NULL",
    "COPY (DELETE FROM app.posts RETURNING id) TO '/dev/null'",
    "CREATE RULE r AS ON INSERT TO app.empty DO INSTEAD DELETE FROM app.posts; "
    "INSERT INTO app.empty VALUES (1)",
    "CREATE FUNCTION app.boom() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN DELETE FROM app.posts; RETURN NEW; END'; CREATE TRIGGER boom AFTER INSERT ON app.empty "
    "FOR EACH ROW EXECUTE FUNCTION app.boom(); INSERT INTO app.empty VALUES (1)",
    "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON app.empty DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION app.late(); INSERT INTO app.empty VALUES (1)",
    "CREATE FUNCTION app.f() RETURNS void LANGUAGE sql AS 'DELETE FROM app.posts'; SELECT app.f()",
    "CREATE FUNCTION app.f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM app.posts; END; "
    "SELECT app.f()",
    "SELECT app.wipe()",
    "SELECT * FROM app.users, app.wipe()",
    "CALL app.purge()",
    "DO $$ BEGIN DELETE FROM app.posts; END $$",
    "DO $$ BEGIN EXECUTE 'DELETE FROM app.posts'; END $$",
    "DO $$ BEGIN EXECUTE 'DEL' || 'ETE FROM app.posts'; END $$",
    "DO $$ BEGIN EXECUTE format('%s TABLE app.users', 'DR' || 'OP'); END $$",
    "DO $$ BEGIN EXECUTE 'ALTER TABLE app.users DR' || 'OP COLUMN mail'; END $$",
    "DO $$ BEGIN EXECUTE 'DR' || 'OP VIEW app.titles'; END $$",
    f"DO $$ BEGIN EXECUTE convert_from(decode('{_DELETE_HEX}', 'hex'), 'utf8'); END $$",
    "DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM app.posts LOOP "
    "DELETE FROM app.posts WHERE id = r.id; END LOOP; END $$",
    "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE schemaname = 'app' "
    "LOOP EXECUTE 'TRUNC' || 'ATE app.' || r.tablename || ' CASCADE'; END LOOP; END $$",
    "DO $$ DECLARE c CURSOR FOR SELECT * FROM app.posts FOR UPDATE; BEGIN FOR r IN c LOOP "
    "DELETE FROM app.posts WHERE CURRENT OF c; END LOOP; END $$",
    "DO $$ BEGIN BEGIN DELETE FROM app.posts; EXCEPTION WHEN others THEN NULL; END; END $$",
    "TRUNCATE app.posts",
    "TRUNCATE app.orgs CASCADE",
    "TRUNCATE ONLY app.posts RESTART IDENTITY",
    "CREATE TABLE app.n AS SELECT * FROM app.posts WHERE false; DROP TABLE app.posts CASCADE; "
    "ALTER TABLE app.n RENAME TO posts",
    "CREATE TEMP TABLE k AS SELECT * FROM app.posts; TRUNCATE app.posts; "
    "INSERT INTO app.posts SELECT * FROM k WHERE id = 1",
    "ALTER TABLE app.events DETACH PARTITION app.events_1",
    "ALTER TABLE app.child NO INHERIT app.base",
    "ALTER TABLE app.users DROP COLUMN mail",
    "ALTER TABLE app.users DROP IF EXISTS mail CASCADE",
    "ALTER TABLE app.users ALTER COLUMN mail TYPE text USING NULL",
    "ALTER TABLE app.users RENAME mail TO old; ALTER TABLE app.users ADD mail text, DROP old",
    "SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
    "DO $$ BEGIN PERFORM lo_unlink(oid) FROM pg_largeobject_metadata; END $$",
]

INNOCENT = [
    "CREATE TABLE app.notes (id bigserial PRIMARY KEY, body text NOT NULL)",
    "ALTER TABLE app.users ADD COLUMN nick text",
    "ALTER TABLE app.users ADD COLUMN born date DEFAULT now()",
    "CREATE INDEX ON app.users (org)",
    "CREATE INDEX CONCURRENTLY users_mail ON app.users (mail)",
    "DROP TRIGGER IF EXISTS touch ON app.users; CREATE TRIGGER touch BEFORE UPDATE ON app.users "
    "FOR EACH ROW EXECUTE FUNCTION app.touch()",
    "DROP TRIGGER touch ON app.users; CREATE TRIGGER touch BEFORE INSERT ON app.users "
    "FOR EACH ROW EXECUTE FUNCTION app.touch()",
    "DROP POLICY IF EXISTS p ON app.users; CREATE POLICY p ON app.users USING (true)",
    "ALTER TABLE app.users DROP CONSTRAINT IF EXISTS nothing",
    "ALTER TABLE app.users DROP COLUMN IF EXISTS nothing",
    "DROP FUNCTION IF EXISTS app.nothing()",
    "DROP TABLE IF EXISTS app.nothing CASCADE",
    "DROP EXTENSION IF EXISTS hstore",
    "CREATE TYPE app.brief AS ENUM ('a'); DROP TYPE app.brief",
    "CREATE TABLE app.brief (x int); INSERT INTO app.brief VALUES (1); DROP TABLE app.brief",
    "CREATE TEMP TABLE k AS SELECT * FROM app.posts; DELETE FROM k; DROP TABLE k",
    "INSERT INTO app.posts VALUES (31, 31, 'more')",
    "UPDATE app.users SET mail = 'new' WHERE id < 10",
    "UPDATE app.settings SET value = 'paid' WHERE key = 'plan'",
    "INSERT INTO app.settings VALUES ('plan', 'x') ON CONFLICT (key) DO UPDATE SET value = 'x'",
    "DELETE FROM app.posts WHERE id = 7",
    "DELETE FROM app.posts WHERE id IN (8, 9)",
    "TRUNCATE app.empty",
    "DELETE FROM app.empty",
    "DROP FUNCTION app.answer(); CREATE FUNCTION app.answer() RETURNS bigint LANGUAGE sql AS "
    "'SELECT 42::bigint'",
    "DROP VIEW app.titles; CREATE VIEW app.titles AS SELECT title FROM app.posts",
    "CREATE OR REPLACE VIEW app.titles AS SELECT title, 1 AS one FROM app.posts",
    "DROP INDEX app.posts_title; CREATE INDEX posts_title ON app.posts (title, id)",
    "ALTER TABLE app.users ADD COLUMN slug text; UPDATE app.users SET slug = lower(mail); "
    "ALTER TABLE app.users ALTER slug SET NOT NULL",
    "UPDATE app.users SET nick = mail WHERE nick IS NULL",
    "ALTER TABLE app.users ADD CONSTRAINT positive CHECK (id > 0), ALTER org SET DEFAULT 1; "
    "ALTER TABLE app.users ALTER org DROP DEFAULT",
    "ALTER TABLE app.users ADD COLUMN scratch int; ALTER TABLE app.users DROP COLUMN scratch",
    "CREATE TABLE app.copy AS SELECT * FROM app.posts",
    "REFRESH MATERIALIZED VIEW app.counts",
    "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_type WHERE typname = 'color') THEN "
    "CREATE TYPE app.color AS ENUM ('red'); END IF; END $$",
    "ALTER TYPE app.mood RENAME TO mood_old; CREATE TYPE app.mood AS ENUM ('glad', 'mad', 'sad'); "
    "ALTER TABLE app.moods ALTER m TYPE app.mood USING m::text::app.mood; DROP TYPE app.mood_old",
    "ALTER TYPE app.mood ADD VALUE 'odd'; UPDATE app.moods SET m = 'odd' WHERE m = 'mad'",
    "CREATE TABLE app.events_3 PARTITION OF app.events FOR VALUES FROM (20) TO (30); "
    "INSERT INTO app.events VALUES (21, 1)",
    "DELETE FROM app.events WHERE day = 21",
    "BEGIN; CREATE TABLE app.b (x int); INSERT INTO app.b VALUES (1); COMMIT; BEGIN; "
    "DROP TABLE app.b; COMMIT;",
    "COMMENT ON TABLE app.users IS 'people'; GRANT SELECT ON app.users TO PUBLIC",
    "EXPLAIN DELETE FROM app.posts",
    "MERGE INTO app.posts AS p USING (VALUES (40, 'x')) AS q (id, t) ON p.id = q.id "
    "WHEN NOT MATCHED THEN INSERT VALUES (q.id, 1, q.t)",
    "SELECT setval('app.notes_id_seq', 100)",
    "ALTER TABLE app.posts ADD COLUMN ref uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE app.notes RENAME COLUMN body TO text",
    "SELECT count(*) FROM app.users WHERE id = 1",
]
