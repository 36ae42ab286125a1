CREATE INDEX CONCURRENTLY a_lower ON a (lower(word), (id % 10)) INCLUDE (word) WHERE word <> 'w;1';
