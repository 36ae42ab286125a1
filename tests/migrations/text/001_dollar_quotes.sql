CREATE TABLE said (what text);
INSERT INTO said VALUES ($$it's; fine$$), ($a$ $$ nested; $$ $a$), ($é$accent;$é$);
