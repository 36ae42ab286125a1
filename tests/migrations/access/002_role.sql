DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'migrations_reader') THEN
    CREATE ROLE migrations_reader NOLOGIN;
  END IF;
END $$;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO migrations_reader;
ALTER TABLE open OWNER TO migrations_reader;
