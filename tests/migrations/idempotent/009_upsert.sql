INSERT INTO thing VALUES (1, 'one'), (2, 'two') ON CONFLICT (id) DO UPDATE SET name = excluded.name;
INSERT INTO thing VALUES (1, 'uno') ON CONFLICT DO NOTHING;
