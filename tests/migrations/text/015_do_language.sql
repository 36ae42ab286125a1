DO LANGUAGE plpgsql 'BEGIN INSERT INTO said VALUES (''from do;''); END';
