DROP FUNCTION IF EXISTS grow(int);
CREATE FUNCTION grow(n int) RETURNS int LANGUAGE sql AS 'SELECT n + 1';
DROP FUNCTION IF EXISTS grow(int);
CREATE FUNCTION grow(n int, by int DEFAULT 2) RETURNS bigint LANGUAGE sql AS 'SELECT (n + by)::bigint';
