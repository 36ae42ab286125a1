WITH old AS (DELETE FROM member WHERE id <= 3 RETURNING id, name), kept AS (SELECT count(*) FROM member)
INSERT INTO org SELECT 100 + id, name FROM old;
