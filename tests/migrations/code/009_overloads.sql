CREATE FUNCTION say(int) RETURNS text LANGUAGE sql AS $$ SELECT 'int' $$;
CREATE FUNCTION say(text) RETURNS text LANGUAGE sql AS $$ SELECT 'text' $$;
ALTER FUNCTION say(int) RENAME TO say_int;
DROP FUNCTION say(text);
