CREATE TABLE slugs_new (slug text PRIMARY KEY);
INSERT INTO slugs_new SELECT DISTINCT slug FROM slugs ORDER BY slug;
ALTER TABLE slugs RENAME TO slugs_old;
ALTER TABLE slugs_new RENAME TO slugs;
DROP TABLE slugs_old;
