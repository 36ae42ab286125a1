CREATE TYPE float_range AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TABLE ranges (r float_range, EXCLUDE USING gist (r WITH &&));
