COMMENT ON SCHEMA app IS 'the; app''s';
COMMENT ON COLUMN secrets.word IS E'line one\nline two';
COMMENT ON POLICY own ON secrets IS NULL;
