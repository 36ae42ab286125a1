CREATE VIEW org_names AS SELECT name FROM org;
CREATE VIEW org_first AS SELECT name FROM org_names LIMIT 1;
DROP VIEW org_names CASCADE;
