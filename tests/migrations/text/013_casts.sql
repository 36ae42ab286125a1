CREATE TABLE casts (a int DEFAULT '1'::int, b text[] DEFAULT ARRAY['x', 'y;z']::text[], c interval DEFAULT interval '1 day', d bit(3) DEFAULT B'101', e bytea DEFAULT '\x00ff');
INSERT INTO casts DEFAULT VALUES;
