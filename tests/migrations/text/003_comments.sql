/* one /* nested; */ still; */ INSERT INTO said VALUES ('after -- no comment'); -- end; of line
-- CREATE TABLE nothing (id int);
INSERT INTO said VALUES ('/* no comment */');
