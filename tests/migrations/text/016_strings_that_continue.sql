INSERT INTO said VALUES ('first'
'second;'
  'third');
