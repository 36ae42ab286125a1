DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'thing_named') THEN
    ALTER TABLE thing ADD CONSTRAINT thing_named CHECK (name <> '');
  END IF;
END
$$;
