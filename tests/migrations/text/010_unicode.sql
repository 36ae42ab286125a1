INSERT INTO said VALUES ('日本語; 😀'), ('a b'), ('zero​width');
COMMENT ON TABLE said IS 'naïve — ';
