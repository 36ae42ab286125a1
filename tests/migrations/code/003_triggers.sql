CREATE TABLE audited (id int, name text);
CREATE TABLE audit (op text, old_row jsonb, new_row jsonb);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO audit VALUES (TG_OP, to_jsonb(OLD), to_jsonb(NEW));
  RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OF name OR DELETE ON audited FOR EACH ROW WHEN (pg_trigger_depth() < 1) EXECUTE FUNCTION audit();
INSERT INTO audited VALUES (1, 'a');
UPDATE audited SET name = 'b' WHERE id = 1;
