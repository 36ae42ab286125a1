"""The extension's objects as the catalogs have them, and its rows, from one version to another."""
import io

# One line for each thing that a member of the extension is made of, without oids and places.
_MEMBERS = """
WITH member AS (
    SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
        AND e.extname = 'agent_branch'),
relation AS (SELECT c.* FROM pg_class AS c JOIN member AS m ON m.objid = c.oid
    AND m.classid = 'pg_class'::regclass)
SELECT pg_describe_object(classid, objid, 0) FROM member
UNION ALL SELECT 'comment ' || pg_describe_object(classoid, objoid, objsubid) || ' ' || description
    FROM pg_description WHERE (classoid, objoid) IN (SELECT classid, objid FROM member)
UNION ALL SELECT 'initial acl ' || pg_describe_object(classoid, objoid, objsubid) || ' ' ||
    initprivs::text FROM pg_init_privs WHERE (classoid, objoid) IN (SELECT classid, objid FROM member)
UNION ALL SELECT pg_get_functiondef(oid) || concat_ws(' ', probin, proacl, proconfig, procost)
    FROM pg_proc WHERE oid IN (SELECT objid FROM member WHERE classid = 'pg_proc'::regclass)
UNION ALL SELECT concat_ws(' ', 'relation', oid::regclass, relkind, relpersistence, relacl,
    reloptions, relreplident, relowner::regrole) FROM relation
UNION ALL SELECT concat_ws(' ', 'column', attrelid::regclass, attname, format_type(atttypid,
    atttypmod), attnotnull, attidentity, attgenerated, attstattarget, attacl,
    pg_get_expr(adbin, adrelid)) FROM pg_attribute LEFT JOIN pg_attrdef
    ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid IN (SELECT oid FROM relation) AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname,
    pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid IN (SELECT oid FROM relation)
UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid IN (SELECT oid FROM relation)
UNION ALL SELECT concat_ws(' ', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger
    WHERE tgrelid IN (SELECT oid FROM relation) AND NOT tgisinternal
UNION ALL SELECT concat_ws(' ', 'view', oid::regclass, pg_get_viewdef(oid)) FROM relation
    WHERE relkind = 'v'
UNION ALL SELECT concat_ws(' ', 'dumped', config::regclass, condition) FROM pg_extension,
    unnest(extconfig, extcondition) AS dumped (config, condition) WHERE extname = 'agent_branch'
ORDER BY 1
"""

# Of each table, and those of them that must not be null.
_COLUMNS = """
SELECT c.relname, array_agg(quote_ident(a.attname) ORDER BY a.attnum),
    array_agg(quote_ident(a.attname)) FILTER (WHERE a.attnotnull)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'agent_branch'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
    AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY c.relname ORDER BY c.relname
"""


def members_of(cursor):
    cursor.execute(_MEMBERS)
    return [row[0] for row in cursor.fetchall()]


def members(system):
    with system.connect() as connection, connection.cursor() as cursor:
        found = members_of(cursor)
    connection.close()
    return found


def copy_rows(source, target):
    """The rows of an installation into the tables of another one, of an older version, which takes
    its identity over: as if the older version had written them in this database."""
    with source.connect(autocommit=False) as old, target.connect(autocommit=False) as new:
        reading, writing = old.cursor(), new.cursor()
        reading.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reading.execute(_COLUMNS)
        there = {table: columns for table, columns, _ in reading.fetchall()}
        writing.execute("SET session_replication_role = replica")
        writing.execute(_COLUMNS)
        for table, columns, never_null in writing.fetchall():
            known = [name for name in columns if name in there.get(table, ())]
            if not known:
                continue
            shared, rows = ", ".join(known), io.BytesIO()
            # Newer kinds of rows leave empty what an older one always has: there were none of them.
            whole = " AND ".join(f"{name} IS NOT NULL" for name in never_null if name in known)
            reading.copy_expert(f"COPY (SELECT {shared} FROM agent_branch.{table} "
                                f"WHERE {whole or 'true'}) TO STDOUT", rows)
            rows.seek(0)
            writing.execute(f"DELETE FROM agent_branch.{table}")
            writing.copy_expert(f"COPY agent_branch.{table} ({shared}) FROM STDIN", rows)
            name = f"agent_branch.{table}"
            writing.execute("SELECT pg_get_serial_sequence(%s, 'id')" if "id" in columns
                            else "SELECT NULL WHERE %s IS NOT NULL", (name,))
            (sequence,) = writing.fetchone()
            if sequence:
                writing.execute(f"SELECT setval(%s, max(id)) FROM {name} HAVING count(*) > 0",
                                (sequence,))
        writing.execute("UPDATE agent_branch.installation SET database_oid = (SELECT oid FROM "
                        "pg_database WHERE datname = current_database())")
        new.commit()
        old.rollback()
    old.close()
    new.close()
