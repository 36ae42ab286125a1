-- migrate:up
CREATE TABLE dbmate_things (id int);
INSERT INTO dbmate_things VALUES (1);
