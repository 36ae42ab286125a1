CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE OPERATOR @+@ (LEFTARG = int, RIGHTARG = int, FUNCTION = plus);
INSERT INTO said SELECT (1 @+@ 2)::text;
INSERT INTO said SELECT (3 - -1)::text || (2*/**/3)::text;
