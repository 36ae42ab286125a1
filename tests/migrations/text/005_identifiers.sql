CREATE TABLE "Weird;Name" ("a;b" int, "c""d" text, "select" int, "ünï" int);
INSERT INTO "Weird;Name" VALUES (1, 'x', 2, 3);
