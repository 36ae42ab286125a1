CREATE FUNCTION total(VARIADIC ns int[]) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT sum(n) FROM unnest(ns) AS n $$;
CREATE FUNCTION pairs(OUT a int, OUT b text) RETURNS SETOF record LANGUAGE sql AS $$ VALUES (1, 'one;'), (2, 'two') $$;
CREATE FUNCTION t() RETURNS TABLE (id int, name text) LANGUAGE sql ROWS 10 COST 5 AS $$ SELECT 1, 'x' $$;
