CREATE PROCEDURE quiet(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN n := n + 1; END $$;
CALL quiet(1);
