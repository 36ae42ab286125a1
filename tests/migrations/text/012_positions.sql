INSERT INTO said SELECT position('b' IN 'abc')::text || substring('abc' FROM 2 FOR 1) || trim(BOTH 'x' FROM 'xax') || extract(year FROM date '2020-01-01')::text;
