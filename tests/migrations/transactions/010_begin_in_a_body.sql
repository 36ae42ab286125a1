CREATE FUNCTION tricky() RETURNS text LANGUAGE plpgsql AS $body$
DECLARE
  said text := 'COMMIT;';
BEGIN
  -- BEGIN; COMMIT; ROLLBACK;
  RETURN said || 'BEGIN';
END;
$body$;
CREATE TABLE t10 AS SELECT tricky() AS said;
