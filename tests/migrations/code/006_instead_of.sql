CREATE VIEW pairs AS SELECT id, name FROM audited;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audited VALUES (NEW.id, 'instead ' || NEW.name); RETURN NEW; END $$;
CREATE TRIGGER instead INSTEAD OF INSERT ON pairs FOR EACH ROW EXECUTE FUNCTION instead();
INSERT INTO pairs VALUES (50, 'fifty');
