ALTER TABLE member ADD COLUMN slug text;
UPDATE member SET slug = replace(lower(name), ' ', '-');
ALTER TABLE member ALTER COLUMN slug SET NOT NULL;
