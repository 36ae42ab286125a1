CREATE SEQUENCE numbers START 100 INCREMENT 10 CYCLE MAXVALUE 1000;
SELECT nextval('numbers'), nextval('numbers');
SELECT setval('numbers', 500, false);
ALTER SEQUENCE numbers OWNED BY scratch.x CACHE 5;
