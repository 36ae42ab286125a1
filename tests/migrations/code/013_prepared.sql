PREPARE add (int, text) AS INSERT INTO audited VALUES ($1, $2);
EXECUTE add(70, 'seventy');
DEALLOCATE add;
