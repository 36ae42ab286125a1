INSERT INTO said VALUES ('no semicolon')
