DO $$ BEGIN CREATE TYPE level AS ENUM ('low', 'high'); EXCEPTION WHEN duplicate_object THEN null; END $$;
DO $$ BEGIN CREATE TYPE level AS ENUM ('low', 'high'); EXCEPTION WHEN duplicate_object THEN null; END $$;
