CREATE TYPE color AS ENUM ('red');
ALTER TYPE color ADD VALUE 'blue';
CREATE TABLE paint (c color DEFAULT 'red');
