INSERT INTO said
VALUES ('a
b');
-- comment
CREATE TABLE crlf (id int);
