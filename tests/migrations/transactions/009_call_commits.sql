CREATE PROCEDURE fill(most int) LANGUAGE plpgsql AS $$
BEGIN
  FOR n IN 1..most LOOP
    INSERT INTO t8 VALUES (100 + n);
    COMMIT;
  END LOOP;
END
$$;
CALL fill(3);
