ALTER TYPE mood RENAME VALUE 'a1' TO 'first';
INSERT INTO person VALUES ('c', 'first');
