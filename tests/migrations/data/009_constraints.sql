ALTER TABLE person ADD CONSTRAINT slug_form CHECK (slug ~ '^[a-z0-9;-]+$'), ADD UNIQUE (slug);
ALTER TABLE org ADD EXCLUDE USING btree (name WITH =);
