DO $$
BEGIN
  FOR n IN 1..4 LOOP
    EXECUTE format('CREATE TABLE deep_x%s PARTITION OF deep FOR VALUES FROM (%s) TO (%s)', n, n * 10, n * 10 + 10);
  END LOOP;
END
$$;
