ALTER TABLE customers ADD COLUMN wants_letters boolean NOT NULL DEFAULT false;
