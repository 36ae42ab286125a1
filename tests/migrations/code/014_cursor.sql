DECLARE c CURSOR FOR SELECT id FROM audited ORDER BY id;
FETCH 2 FROM c;
CLOSE c;
CREATE TABLE after_cursor (id int);
