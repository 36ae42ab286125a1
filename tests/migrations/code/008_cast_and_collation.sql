CREATE COLLATION plain (PROVIDER = libc, LOCALE = 'C');
CREATE TABLE sorted (name text COLLATE plain);
CREATE TYPE celsius AS (degrees float8);
CREATE FUNCTION to_float(celsius) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT $1.degrees';
CREATE CAST (celsius AS float8) WITH FUNCTION to_float(celsius);
