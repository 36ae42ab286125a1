CREATE TABLE public_two (id int);
SET check_function_bodies = off;
CREATE FUNCTION later() RETURNS int LANGUAGE sql AS 'SELECT id FROM not_there_yet';
