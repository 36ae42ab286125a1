CREATE TABLE in_public (id int);
