INSERT INTO said VALUES (E'a\'b;c'), (E'\\'), ('a\'), (';'), (U&'\0041;'), (N'n;'), ('two '
  'parts');
