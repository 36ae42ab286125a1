;;INSERT INTO said VALUES ('many');;;
;
