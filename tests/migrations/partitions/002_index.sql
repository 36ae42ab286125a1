CREATE INDEX events_at ON events (at);
ALTER TABLE events ADD COLUMN kind text DEFAULT 'none';
