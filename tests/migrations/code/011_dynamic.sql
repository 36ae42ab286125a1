DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['one', 'two;', 'Three'] LOOP
    EXECUTE format('CREATE TABLE %I (id int, note text DEFAULT %L)', 'dyn ' || name, name);
  END LOOP;
END $$;
