ALTER TYPE mood ADD VALUE 'body';
CREATE FUNCTION with_body() RETURNS mood LANGUAGE sql AS $$ SELECT 'body'::mood $$;
