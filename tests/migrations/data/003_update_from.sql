ALTER TABLE member ADD COLUMN org_name text;
UPDATE member AS m SET org_name = o.name FROM org AS o WHERE o.id = m.org;
