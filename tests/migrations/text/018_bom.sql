INSERT INTO said VALUES ('behind a byte order mark');
