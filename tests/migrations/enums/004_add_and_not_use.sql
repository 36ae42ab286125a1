ALTER TYPE mood ADD VALUE 'id' BEFORE 'sad';
CREATE TABLE users (user_id int, id int);
-- id is no use of it
INSERT INTO users (user_id, id) VALUES (1, 2);
