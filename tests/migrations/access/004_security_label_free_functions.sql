CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS 'SELECT count(*) FROM public.secrets';
REVOKE EXECUTE ON FUNCTION peek() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION peek() TO migrations_reader WITH GRANT OPTION;
