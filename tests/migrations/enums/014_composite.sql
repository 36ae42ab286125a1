CREATE TYPE place AS (x int, y int);
CREATE TABLE places (p place);
INSERT INTO places VALUES (ROW(1, 2)), ('(3,4)');
ALTER TYPE place ADD ATTRIBUTE z int CASCADE;
