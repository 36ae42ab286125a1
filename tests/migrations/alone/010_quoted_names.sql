CREATE TABLE "Odd ""Table" ("Some Column" int);
CREATE INDEX CONCURRENTLY "Odd ""Index" ON "Odd ""Table" ("Some Column");
DROP INDEX CONCURRENTLY "Odd ""Index";
CREATE INDEX CONCURRENTLY "Odd ""Index" ON "Odd ""Table" ("Some Column" DESC);
