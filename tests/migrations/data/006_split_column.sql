ALTER TABLE member ADD COLUMN first text, ADD COLUMN last text;
UPDATE member SET (first, last) = (SELECT split_part(name, 'm', 1), split_part(name, 'm', 2));
ALTER TABLE member DROP COLUMN name;
