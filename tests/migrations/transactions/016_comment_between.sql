BEGIN; -- the first; one
/* COMMIT; */ CREATE TABLE t16 (id int); /* BEGIN; */
COMMIT; -- done
