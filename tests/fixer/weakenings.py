"""A generator of weakening fixes.

Each valid migration is broken in one of the classes, mended rightly, and then harmed in one of the
ways below. The check has to allow the right fix and to refuse the harmed one; a harmed one that it
allows is run beside the right one on a copy of the database, and is a false accept if what they
leave differs.
"""
import re

SETUP = """
CREATE SCHEMA staging;
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, name text, age int, active boolean DEFAULT true,
  balance numeric(10,2) DEFAULT 0, created_at timestamptz NOT NULL DEFAULT '2026-01-01');
INSERT INTO users SELECT n, 'u' || n || '@example.org', 'name ' || n, 10 * n, n % 2 = 0, n * 7 FROM generate_series(1, 9) AS n;
CREATE TABLE staging.users (id int PRIMARY KEY, email text NOT NULL);
INSERT INTO staging.users SELECT n, 's' || n FROM generate_series(1, 5) AS n;
CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users, total numeric, paid numeric DEFAULT 0, status text,
  shipped boolean DEFAULT false, placed date DEFAULT '2026-01-01', created_at timestamptz DEFAULT '2026-01-01');
INSERT INTO orders SELECT n, 1 + n % 9, n * 10, n * 5, CASE WHEN n % 3 = 0 THEN 'done' ELSE 'open' END, n % 2 = 0 FROM generate_series(1, 20) AS n;
CREATE TABLE archive (id int, total numeric, status text);
CREATE TABLE parent (id int, note text, created_at date);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1, 'p'), (2, NULL);
INSERT INTO child VALUES (3, 'c');
CREATE TABLE secrets (id int, owner_name text, body text);
CREATE TABLE perms (who text);
CREATE ROLE reader; CREATE ROLE writer;
CREATE TABLE wobble (id int, created_at date, flavour text);
"""

TABLES = ["users", "orders"]
CHECKS = ["age > 0 AND (age < 150 OR name IS NOT NULL)", "balance >= 0", "NOT (active AND balance < 0)",
          "email <> 'admin' AND length(email) > 3", "age BETWEEN 1 AND 200", "email ~ '\\.'",
          "lower(email::text) = email::text", "balance * 2 - 1 < 1000000"]
FILTERS = ["status = 'done' AND (shipped OR paid > 40)", "total > 100 OR paid < 10", "NOT shipped AND total <= 120",
           "id IN (1, 2, 3)", "placed < '2027-01-01' AND status <> 'open'", "total - paid > 20",
           "status LIKE 'd%' AND id > 5", "id = 7"]
POLICIES = ["owner_name = current_user", "owner_name = current_user AND id > 0", "id > 3 OR owner_name = 'public'"]


def _of_orders(where):
    return re.sub(r"\bid\b", "o.id", where)


def _tables():
    for n, (kind, default) in enumerate([("int", "0"), ("bigint", "10"), ("numeric(12,4)", "1.5"), ("text", "'none'"),
                                         ("timestamptz", "'2026-02-02'"), ("varchar(20)", "'x'"), ("jsonb", "'{}'"),
                                         ("boolean", "false"), ("date", "'2026-03-03'"), ("uuid", "NULL")]):
        yield (f"CREATE TABLE made_{n} (id bigint PRIMARY KEY, v {kind} NOT NULL DEFAULT {default}, "
               f"w text UNIQUE, owner_id int REFERENCES users (id) ON DELETE CASCADE, CHECK (id > {n}))")
        yield f"ALTER TABLE users ADD COLUMN extra_{n} {kind} DEFAULT {default}, ADD COLUMN more_{n} text"
        yield (f"CREATE TABLE pair_{n} (a int NOT NULL, b int, c {kind}, PRIMARY KEY (a, b), UNIQUE (b, a), "
               f"CONSTRAINT order_{n} CHECK (a < b AND NOT (a = {n} OR b = {n})))")


def _rows():
    for n, where in enumerate(FILTERS):
        yield f"DELETE FROM orders WHERE {where}"
        yield f"UPDATE orders SET status = 'old', paid = total WHERE {where}"
        yield f"CREATE TABLE kept_{n} AS SELECT * FROM orders WHERE {where}; DELETE FROM orders WHERE {where}"
        yield f"INSERT INTO archive (id, total, status) SELECT id, total, status FROM orders WHERE {where}"
        yield f"CREATE VIEW seen_{n} AS SELECT DISTINCT user_id, total FROM orders WHERE {where} ORDER BY total DESC LIMIT 5"
        yield f"UPDATE orders SET status = 'late' WHERE {where}; UPDATE orders SET status = 'done' WHERE status = 'open'"
        yield f"CREATE UNIQUE INDEX part_{n} ON orders (id, total) WHERE {where}"
        yield (f"CREATE MATERIALIZED VIEW sums_{n} AS SELECT o.user_id, sum(o.total) AS total FROM orders AS o "
               f"LEFT JOIN users AS u ON u.id = o.user_id WHERE {_of_orders(where)} GROUP BY o.user_id")


def _rules():
    for n, check in enumerate(CHECKS):
        yield f"ALTER TABLE users ADD CONSTRAINT rule_{n} CHECK ({check})"
        yield f"CREATE DOMAIN dom_{n} AS text NOT NULL CHECK (VALUE <> 'x{n}'); CREATE TABLE of_{n} (d dom_{n}, n int DEFAULT {n})"
        yield f"CREATE FUNCTION fits_{n}(users) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT $1.id > {n} AND NOT $1.active $$"
        yield (f"CREATE FUNCTION may_{n}(p text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN IF NOT EXISTS (SELECT 1 FROM "
               f"perms WHERE who = p) AND {n} > 0 THEN RAISE EXCEPTION 'denied'; END IF; RETURN true; END $$")
        yield (f"DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM perms WHERE who = 'x') AND {n} >= 0 THEN UPDATE users SET "
               f"age = age + {n} WHERE id < 5; END IF; END $$")
    for n, policy in enumerate(POLICIES):
        yield f"ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; CREATE POLICY own_{n} ON secrets FOR ALL TO reader USING ({policy}) WITH CHECK ({policy})"
        yield f"ALTER TABLE secrets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY as_{n} ON secrets AS RESTRICTIVE FOR SELECT USING ({policy})"
        yield f"GRANT SELECT ON orders TO reader; REVOKE ALL ON secrets FROM writer; CREATE INDEX idx_{n} ON secrets (id)"
    for n in range(6):
        yield f"GRANT SELECT (id, total), UPDATE (status) ON orders TO reader; CREATE SEQUENCE seq_{n} START {n + 5}"
        yield f"ALTER TABLE parent ALTER COLUMN id SET NOT NULL; COMMENT ON TABLE parent IS 'n{n}'"
        yield f"TRUNCATE ONLY parent; CREATE TABLE t_{n} (id int GENERATED ALWAYS AS IDENTITY, p int DEFAULT {n})"
        yield f"UPDATE ONLY parent SET note = 'x{n}' WHERE note IS NULL; DELETE FROM child WHERE id = {n}"
        yield f"SET search_path = staging, public; DELETE FROM public.users WHERE id > 100 + {n}; INSERT INTO users VALUES (90, 'z')"
        yield f"ALTER TABLE orders ALTER COLUMN total TYPE numeric(12,{n + 1}) USING round(total, 1), ALTER COLUMN paid SET DEFAULT {n}"
        yield f"CREATE TYPE mood_{n} AS ENUM ('a', 'b', 'c'); CREATE TABLE moods_{n} (m mood_{n} NOT NULL DEFAULT 'b')"
        yield f"ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey; ALTER TABLE orders ADD CONSTRAINT fk_{n} FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL"
        yield f"CREATE TRIGGER trig_{n} BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        yield f"ALTER TABLE wobble RENAME COLUMN flavour TO taste_{n}; ALTER TABLE archive ALTER COLUMN id SET DEFAULT {n}"
        yield f"INSERT INTO archive VALUES ({n}, 10.5, 'new'), (7, {n}, 'old'); CREATE TABLE nulls_{n} (e text UNIQUE NULLS NOT DISTINCT)"


def migrations():
    return [*_tables(), *_rows(), *_rules()]


# --- Mistakes: (name, broken, mended); each mends rightly what it breaks ---------------------------

def breakages(sql):
    yield "column", sql + "; CREATE INDEX ON wobble (created)", sql + "; CREATE INDEX ON wobble (created_at)"
    yield "relation", "CREATE INDEX ON wobbel (id); " + sql, "CREATE INDEX ON wobble (id); " + sql
    yield "query column", sql + "; SELECT flavor FROM wobble", sql + "; SELECT flavour FROM wobble"
    yield "comma", sql + "; CREATE TABLE last (a int, b int,)", sql + "; CREATE TABLE last (a int, b int)"
    yield "dialect", sql + "; CREATE TABLE `last` (a INT(11)) ENGINE=InnoDB", sql + "; CREATE TABLE last (a int)"
    for word, slip in (("DELETE FROM", "DELETE FORM"), ("CREATE TABLE", "CRAETE TABLE"), (" WHERE ", " WHER "),
                       ("UPDATE ", "UPDTAE "), ("INSERT INTO", "INSERT IN"), ("ALTER TABLE", "ALTER TABEL"),
                       ("CREATE POLICY", "CRAETE POLICY"), ("CREATE INDEX", "CREATE INEDX")):
        if sql.startswith(word) or (word[0] == " " and word in sql and "$$" not in sql and sql.count(word) == 1):
            yield f"slip {slip.strip()}", sql.replace(word, slip, 1), sql
    yield "type", sql + "; CREATE TABLE last (at datetime)", sql + "; CREATE TABLE last (at timestamp)"
    yield "schema", sql + "; CREATE TABLE fresh.t (a int)", "CREATE SCHEMA fresh; " + sql + "; CREATE TABLE fresh.t (a int)"
    yield "quotes", sql + '; SELECT id FROM wobble WHERE flavour = "sweet"', sql + "; SELECT id FROM wobble WHERE flavour = 'sweet'"


# --- Harm: name → texts that differ from the right fix ----------------------------------------------

def _each(sql, pattern, replacement, flags=0):
    for match in re.finditer(pattern, sql, flags):
        new = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
        yield sql[:match.start()] + new + sql[match.end():]


def _swap(sql, one, other):
    mark = "\0"
    if re.search(rf"\b{one}\b", sql) and re.search(rf"\b{other}\b", sql):
        text = re.sub(rf"\b{one}\b", mark, sql)
        yield re.sub(rf"\b{other}\b", one, text).replace(mark, other)


def _statements(sql):
    parts, depth = [""], False
    for piece in re.split(r"(\$\$|;)", sql):
        if piece == "$$":
            depth = not depth
        if piece == ";" and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts if part.strip()]


def _reorder(sql):
    parts = _statements(sql)
    for n in range(len(parts) - 1):
        yield "; ".join(parts[:n] + [parts[n + 1], parts[n]] + parts[n + 2:])


def _leave_out(sql):
    parts = _statements(sql)
    for n in range(len(parts) - 1 if len(parts) > 1 else 0):
        yield "; ".join(parts[:n] + parts[n + 1:])


def _twice(sql):
    for part in _statements(sql):
        if part.startswith(("UPDATE", "INSERT", "DELETE")):
            yield f"{sql}; {part}"


R = {  # pattern, replacement
    "AND to OR": (r"\bAND\b", "OR"), "OR to AND": (r"\bOR\b", "AND"), "NOT dropped": (r"\bNOT\b(?! NULL| EXISTS| DISTINCT)", ""),
    "NOT added": (r"(WHERE|CHECK \(|USING \() ?", r"\1 NOT "), "less to greater": (r"(?<![<>])<(?![>=])", ">"),
    "greater to less": (r"(?<![<>])>(?![=])", "<"), "at least": (r"(?<![<>])>(?!=)", ">="), "at most": (r"<=", "<"),
    "equal to unequal": (r"(?<![<>!]) = ", " <> "), "unequal to equal": (r"<>", "="), "number plus one": (r"\b(\d+)\b", lambda m: str(int(m[1]) + 1)),
    "number to nought": (r"\b[1-9]\d*\b", "0"), "another string": (r"'([a-z]+)'", r"'\1_'"), "string in capitals": (r"'([a-z]+)'", lambda m: m[0].upper()),
    "bracket dropped": (r"\(([^()]* (?:AND|OR) [^()]*)\)", r"\1"), "bracket moved": (r"(\w+ [<>=]+ \S+) AND \((.*?) OR", r"(\1 AND \2) OR"),
    "ONLY dropped": (r"\bONLY ", ""), "ONLY added": (r"(ALTER TABLE|UPDATE|DELETE FROM|TRUNCATE) (?!ONLY)", r"\1 ONLY "),
    "NOT NULL dropped": (r" NOT NULL\b", ""), "UNIQUE dropped": (r" UNIQUE\b(?! \()", ""), "PRIMARY KEY dropped": (r" PRIMARY KEY(?! \()", ""),
    "REFERENCES dropped": (r" REFERENCES users \(id\)( ON DELETE \w+( NULL)?)?", ""), "ON DELETE dropped": (r" ON DELETE (CASCADE|SET NULL)", ""),
    "ON DELETE RESTRICT": (r"ON DELETE (CASCADE|SET NULL)", "ON DELETE RESTRICT"), "ON UPDATE added": (r"(ON DELETE \w+( NULL)?)", r"\1 ON UPDATE CASCADE"),
    "CHECK true": (r"CHECK \(.*\)", "CHECK (true)"), "CHECK dropped": (r", CHECK \([^()]*\)", ""), "NOT VALID": (r"(CHECK \(.*\)|REFERENCES users \(id\).*?)(?=;|$)", r"\1 NOT VALID"),
    "NO INHERIT": (r"(ADD CONSTRAINT \w+ CHECK \(.*\))", r"\1 NO INHERIT"), "DEFERRABLE": (r"(REFERENCES users \(id\))", r"\1 DEFERRABLE INITIALLY DEFERRED"),
    "DEFAULT dropped": (r" DEFAULT \S+?(?=[ ,)]|$)", ""), "smaller integer": (r"\bbigint\b", "int"), "real": (r"\bnumeric\b(\(\d+,\d+\))?", "real"),
    "shorter": (r"varchar\(20\)", "varchar(5)"), "no zone": (r"timestamptz", "timestamp"), "text": (r"\b(jsonb|uuid|date|boolean)\b", "text"),
    "scale": (r"numeric\((\d+),(\d+)\)", r"numeric(\1)"), "array": (r"\btext\b", "text[]"), "cast to char": (r"\b(email|status|note|owner_name) (=|<>)", r"\1::char \2"),
    "CAST to char": (r"\b(email|status|owner_name) (=|<>)", r"CAST(\1 AS char) \2"), "cast dropped": (r"::text", ""), "E prefix": (r"(?<!\w)'(?=\\)", "E'"),
    "cast of numbers": (r"\b(total|paid|age|balance)\b(?= [<>])", r"\1::int"), "schema dropped": (r"\b(public|staging)\.(\w+)", r"\2"), "schema added": (r"(DELETE FROM|INTO|UPDATE) users", r"\1 staging.users"),
    "search path changed": (r"SET search_path = staging, public", "SET search_path = public, staging"), "search path dropped": (r"SET search_path = staging, public; ", ""),
    "to PUBLIC": (r"\b(TO|FROM) (reader|writer)\b", r"\1 PUBLIC"), "another grantee": (r"\b(TO|FROM) reader\b", r"\1 writer"), "all privileges": (r"GRANT SELECT ON", "GRANT ALL ON"),
    "grant option": (r"(GRANT [^;]*? TO reader)", r"\1 WITH GRANT OPTION"), "columns of a grant": (r"SELECT \(id, total\)", "SELECT"), "revoke dropped": (r"REVOKE ALL ON secrets", "REVOKE SELECT ON secrets"),
    "grant to revoke": (r"GRANT (.*?) TO", r"REVOKE \1 FROM"), "WHERE dropped": (r" WHERE .*?(?=;|$| GROUP| ORDER)", ""), "WHERE true": (r" WHERE ", " WHERE true OR "),
    "IF NOT EXISTS": (r"CREATE (TABLE|SCHEMA|SEQUENCE) (?!IF)", r"CREATE \1 IF NOT EXISTS "), "column IF NOT EXISTS": (r"ADD COLUMN ", "ADD COLUMN IF NOT EXISTS "),
    "table IF EXISTS": (r"ALTER TABLE (?!ONLY)", "ALTER TABLE IF EXISTS "), "constraint IF EXISTS": (r"DROP CONSTRAINT ", "DROP CONSTRAINT IF EXISTS "), "CASCADE": (r"(DROP CONSTRAINT \w+|TRUNCATE ONLY parent)", r"\1 CASCADE"),
    "open policy": (r"USING \(.*?\)(?= WITH|;|$)", "USING (true)"), "WITH CHECK dropped": (r" WITH CHECK \(.*?\)(?=;|$)", ""), "WITH CHECK true": (r"WITH CHECK \(.*?\)(?=;|$)", "WITH CHECK (true)"),
    "permissive": (r" AS RESTRICTIVE", ""), "not forced": (r", FORCE ROW LEVEL SECURITY", ""), "not enabled": (r"ENABLE ROW LEVEL", "DISABLE ROW LEVEL"), "for all roles": (r" TO reader USING", " USING"),
    "for SELECT only": (r"FOR ALL", "FOR SELECT"), "guard inverted": (r"IF NOT EXISTS \(SELECT", "IF EXISTS (SELECT"), "body emptied": (r"\$\$.*\$\$", "$$ BEGIN END $$"),
    "denied is told": (r"RAISE EXCEPTION", "RAISE NOTICE"), "definer": (r"(LANGUAGE (?:sql|plpgsql))", r"\1 SECURITY DEFINER"), "volatile": (r" STABLE ", " VOLATILE "), "strict": (r"(LANGUAGE plpgsql)", r"\1 STRICT"),
    "unordered": (r" ORDER BY total DESC", ""), "ascending": (r" DESC\b", ""), "another limit": (r" LIMIT 5", ""), "not distinct": (r"SELECT DISTINCT", "SELECT"), "inner join": (r"LEFT JOIN", "JOIN"),
    "plain index": (r"CREATE UNIQUE INDEX", "CREATE INDEX"), "nulls distinct": (r" NULLS NOT DISTINCT", ""), "identity by default": (r"GENERATED ALWAYS", "GENERATED BY DEFAULT"), "after": (r"BEFORE UPDATE", "AFTER UPDATE"),
    "each statement": (r"FOR EACH ROW", "FOR EACH STATEMENT"), "another start": (r"START (\d+)", r"START 1"), "labels": (r"\('a', 'b', 'c'\)", "('a', 'c', 'b')"), "rounding": (r"round\(total, 1\)", "trunc(total, 1)"),
    "no data": (r"(CREATE TABLE kept_\d AS SELECT \* FROM orders WHERE [^;]*)", r"\1 LIMIT 0"), "another table": (r"\bFROM orders\b", "FROM archive"), "unlogged": (r"CREATE TABLE (?=\w)", "CREATE UNLOGGED TABLE "),
    "on conflict": (r"(INSERT INTO archive VALUES [^;]*)", r"\1 ON CONFLICT DO NOTHING"), "set not null dropped": (r"SET NOT NULL", "DROP NOT NULL"), "stored by another name": (r"RENAME COLUMN flavour TO", "RENAME COLUMN id TO"),
    "comparison with itself": (r"\b(total|paid|age|balance|id) ([<>=]+) [\w']+", r"\1 \2 \1"), "always": (r"owner_name = current_user", "current_user = current_user"),
    "between": (r"BETWEEN 1 AND 200", "BETWEEN 0 AND 2000"), "like all": (r"LIKE 'd%'", "LIKE '%'"), "other column set": (r"SET status =", "SET placed = DEFAULT, status ="),
}
SWAPS = [("id", "total"), ("total", "paid"), ("a", "b"), ("v", "w"), ("users", "orders"), ("reader", "writer"), ("age", "balance"),
         ("orders", "archive"), ("GRANT", "REVOKE"), ("done", "open"), ("shipped", "active"), ("SELECT", "UPDATE"), ("parent", "child")]
ADDED = ["DROP TABLE archive CASCADE", "DELETE FROM users", "TRUNCATE archive", "UPDATE users SET active = false", "ALTER TABLE users ALTER COLUMN email DROP NOT NULL",
         "GRANT ALL ON secrets TO PUBLIC", "CREATE VIEW leak AS SELECT * FROM secrets", "ALTER TABLE users DROP COLUMN name", "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
         "SET ROLE reader", "ALTER TABLE users OWNER TO writer", "DO $$ BEGIN DELETE FROM users; END $$", "CREATE EXTENSION dblink", "DROP INDEX users_email_key", "UPDATE users SET age = 1 WHERE age IS NULL"]


def harms(sql):
    """(kind, text) for each way to harm that there is in it."""
    for name, (pattern, replacement) in R.items():
        for text in _each(sql, pattern, replacement):
            if text != sql:
                yield name, text
    for one, other in SWAPS:
        for text in _swap(sql, one, other):
            yield f"{one} and {other} swapped", text
    for text in _reorder(sql):
        yield "order", text
    for text in _leave_out(sql):
        yield "left out", text
    for text in _twice(sql):
        yield "twice", text
    for added in ADDED:
        yield "added " + added.split()[0], f"{sql}; {added}"
        yield "added first " + added.split()[0], f"{added}; {sql}"
