ALTER TABLE person ALTER COLUMN org TYPE bigint, ALTER COLUMN joined TYPE timestamp USING joined::timestamp + interval '1 hour';
ALTER TABLE person ALTER slug TYPE varchar(40);
