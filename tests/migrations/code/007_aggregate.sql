CREATE AGGREGATE longest(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
CREATE TABLE longest AS SELECT longest(name ORDER BY id) FROM audited WHERE id < 3;
