CREATE FUNCTION fib(n int) RETURNS int LANGUAGE plpgsql AS $_$
DECLARE a int := 0; b int := 1; c int;
BEGIN
  <<outer>>
  WHILE n > 0 LOOP
    c := a + b; a := b; b := c; n := n - 1;
    EXIT outer WHEN n < 0;
  END LOOP;
  RETURN a;
END
$_$;
CREATE TABLE fibs AS SELECT n, fib(n) FROM generate_series(0, 10) AS n;
