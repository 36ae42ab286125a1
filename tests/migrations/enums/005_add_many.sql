ALTER TYPE mood ADD VALUE 'a1';
ALTER TYPE mood ADD VALUE 'a2';
ALTER TYPE mood ADD VALUE 'a3';
CREATE VIEW sad_people AS SELECT name FROM person WHERE m = 'sad';
