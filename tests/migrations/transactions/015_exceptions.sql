DO $$
BEGIN
  BEGIN
    CREATE TABLE t15 (id int);
    RAISE EXCEPTION 'undo';
  EXCEPTION WHEN raise_exception THEN
    CREATE TABLE t15_instead (id int);
  END;
END
$$;
