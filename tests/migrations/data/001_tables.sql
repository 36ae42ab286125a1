CREATE TABLE org (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE member (id int PRIMARY KEY, org int REFERENCES org, name text, joined date);
INSERT INTO org SELECT n, 'org ' || n FROM generate_series(1, 5) AS n;
INSERT INTO member SELECT n, n % 5 + 1, 'm' || n, date '2020-01-01' + n FROM generate_series(1, 50) AS n;
