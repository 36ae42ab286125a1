CREATE TEMP TABLE work AS SELECT * FROM thing;
UPDATE work SET name = upper(name);
INSERT INTO thing SELECT id + 10, name FROM work;
DROP TABLE work;
