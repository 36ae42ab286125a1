DO $$ BEGIN
  ALTER TYPE mood ADD VALUE 'later';
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
CREATE TABLE later (m mood DEFAULT 'later');
