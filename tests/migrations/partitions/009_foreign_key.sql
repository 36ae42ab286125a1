CREATE TABLE marks (event bigint, at date, FOREIGN KEY (event, at) REFERENCES events (id, at));
INSERT INTO marks VALUES (2, '2030-01-01');
