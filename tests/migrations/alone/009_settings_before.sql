SET search_path = elsewhere, public;
CREATE SCHEMA elsewhere;
CREATE TABLE b (id int);
CREATE INDEX CONCURRENTLY b_id ON b (id);
INSERT INTO b VALUES (1);
