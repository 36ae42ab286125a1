CREATE TABLE a (id int, word text);
INSERT INTO a SELECT n, 'w' || n FROM generate_series(1, 100) AS n;
CREATE INDEX CONCURRENTLY a_id ON a (id);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_id_unique ON a (id);
