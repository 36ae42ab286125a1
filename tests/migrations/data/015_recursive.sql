CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree);
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
CREATE RECURSIVE VIEW paths (id, path) AS SELECT id, id::text FROM tree WHERE up IS NULL UNION ALL SELECT t.id, p.path || '/' || t.id FROM tree AS t JOIN paths AS p ON t.up = p.id;
