CREATE TABLE stock (
    article text PRIMARY KEY,
    pieces integer NOT NULL CHECK (pieces >= 0)
);
