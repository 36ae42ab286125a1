CREATE TABLE scratch (id serial, x int);
INSERT INTO scratch (x) SELECT generate_series(1, 10);
TRUNCATE scratch RESTART IDENTITY;
INSERT INTO scratch (x) VALUES (1);
