MERGE INTO org AS o USING (VALUES (1, 'first'), (200, 'new')) AS v (id, name) ON o.id = v.id
WHEN MATCHED THEN UPDATE SET name = v.name
WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.name);
