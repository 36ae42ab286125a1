CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO audit SELECT 'many', NULL, to_jsonb(count(*)) FROM added; RETURN NULL; END $$;
CREATE TRIGGER many AFTER INSERT ON audited REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION counted();
INSERT INTO audited SELECT n, 'n' FROM generate_series(2, 5) AS n;
