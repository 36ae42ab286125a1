ALTER TYPE mood ADD VALUE 'it''s';
INSERT INTO person VALUES ('d', 'it''s'), ('e', E'it\'s');
