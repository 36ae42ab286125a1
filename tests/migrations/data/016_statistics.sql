CREATE STATISTICS person_stats (dependencies, ndistinct) ON org, first FROM person;
ALTER TABLE person ALTER COLUMN org SET STATISTICS 200, ALTER first SET STORAGE EXTERNAL;
ALTER TABLE person SET (fillfactor = 70, autovacuum_enabled = false);
ANALYZE person;
