CREATE TABLE docs (d jsonb);
INSERT INTO docs VALUES ('{"a": {"b": [1, 2]}}');
CREATE INDEX docs_path ON docs USING gin (d jsonb_path_ops);
CREATE VIEW docs_b AS SELECT d #>> '{a,b}' AS b, d @> '{"a": {}}' AS has, d ? 'a' AS key FROM docs;
