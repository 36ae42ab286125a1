UPDATE events SET at = '2021-02-02' WHERE id = 2 AND false;
WITH moved AS (DELETE FROM events WHERE id = 3 RETURNING *) INSERT INTO archived_2020 SELECT * FROM moved;
