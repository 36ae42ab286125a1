// The fingerprint changes with everything that pg_dump -s shows, names what changed, and does not
// change with anything else.
#include <map>
#include <sstream>

#include "tests/branch/test_support.hpp"
#include "worker/branch/fingerprint.hpp"

namespace agent_branch::testing {
namespace {

struct Fingerprint {
  std::string hash;
  std::map<std::string, std::string> objects;
};

std::string ReadString(const std::string &json, size_t *at) {
  std::string value;
  for (++*at; *at < json.size() && json[*at] != '"'; ++*at) {
    if (json[*at] == '\\') ++*at;
    value.push_back(json[*at]);
  }
  ++*at;
  return value;
}

// An object of strings, without escapes but those of single characters.
std::map<std::string, std::string> ReadObjects(const std::string &json) {
  std::map<std::string, std::string> objects;
  for (size_t at = 0; (at = json.find('"', at)) != std::string::npos;) {
    const std::string key = ReadString(json, &at);
    at = json.find('"', at);
    objects[key] = ReadString(json, &at);
  }
  return objects;
}

Fingerprint Take(const std::string &uri) {
  LibpqBranchRunner runner(nullptr);
  runner.Start(FingerprintTask(1, uri));
  const BranchEvent event = NextEvent(&runner);
  EXPECT_EQ(event.outcome, BranchOutcome::kDone)
      << event.error.message() << " " << event.server_error.context;
  return {event.fingerprint, ReadObjects(event.objects)};
}

// Of two databases of one server, each has the other one as another.
bool IsOtherDatabase(const std::string &key) {
  return key.find("database test_") != std::string::npos;
}

// The objects that are in one only, or differ.
std::string Difference(const Fingerprint &a, const Fingerprint &b) {
  std::string text;
  for (const auto &[key, hash] : a.objects) {
    if (IsOtherDatabase(key)) continue;
    const auto other = b.objects.find(key);
    if (other == b.objects.end() || other->second != hash) text += "[" + key + "]";
  }
  for (const auto &[key, hash] : b.objects) {
    if (!a.objects.count(key) && !IsOtherDatabase(key)) text += "[" + key + "]";
  }
  return text;
}

// One of each kind of object.
constexpr const char *kSchema = R"(
CREATE SCHEMA s;
CREATE TYPE s.colour AS ENUM ('red', 'green');
CREATE TYPE s.pair AS (a int, b text);
CREATE DOMAIN s.small AS int CHECK (VALUE < 100);
CREATE TABLE s.parent (id int PRIMARY KEY, name text, extra int, colour s.colour, n s.small);
CREATE TABLE s.child (id serial, parent int CONSTRAINT fk REFERENCES s.parent, note text,
  CONSTRAINT positive CHECK (id > 0));
ALTER TABLE s.child DROP COLUMN note;
CREATE TABLE s.base (a int);
CREATE TABLE s.texts (name text);
CREATE TABLE s.derived (b int) INHERITS (s.base);
CREATE TABLE s.parts (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE s.part1 PARTITION OF s.parts FOR VALUES FROM (0) TO (10);
CREATE TABLE s.generated (a int GENERATED ALWAYS AS IDENTITY, b int GENERATED ALWAYS AS (1) STORED);
CREATE TABLE s.typed OF s.pair;
CREATE INDEX child_parent ON s.child (parent);
CREATE INDEX expression ON s.child ((id + 1));
CREATE VIEW s.view AS SELECT id, name FROM s.parent;
CREATE MATERIALIZED VIEW s.matview AS SELECT id FROM s.parent WITH NO DATA;
CREATE SEQUENCE s.counter;
CREATE FUNCTION s.f(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION s.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION s.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION s.less(s.pair, s.pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.a < $2.a';
CREATE FUNCTION s.order(s.pair, s.pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.a - $2.a';
CREATE FUNCTION s.to_int(s.pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.a';
CREATE PROCEDURE s.p() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE s.agg(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE TRIGGER tr BEFORE INSERT ON s.parent FOR EACH ROW EXECUTE FUNCTION s.t();
CREATE RULE r AS ON DELETE TO s.base DO INSTEAD NOTHING;
CREATE POLICY pol ON s.parent USING (id > 0);
CREATE STATISTICS s.st ON id, name FROM s.parent;
CREATE PUBLICATION pub FOR TABLE s.parent;
CREATE TEXT SEARCH CONFIGURATION s.tsc (COPY = simple);
CREATE TEXT SEARCH DICTIONARY s.tsd (TEMPLATE = simple);
CREATE COLLATION s.coll (LOCALE = 'C');
CREATE FOREIGN DATA WRAPPER w;
CREATE SERVER srv FOREIGN DATA WRAPPER w;
CREATE USER MAPPING FOR PUBLIC SERVER srv OPTIONS (a 'b');
CREATE FOREIGN TABLE s.ft (a int) SERVER srv;
CREATE EVENT TRIGGER ev ON ddl_command_end EXECUTE FUNCTION s.e();
ALTER EVENT TRIGGER ev DISABLE;
CREATE OPERATOR s.<<< (LEFTARG = s.pair, RIGHTARG = s.pair, FUNCTION = s.less);
CREATE OPERATOR FAMILY s.fam USING btree;
CREATE TYPE s.span AS RANGE (SUBTYPE = float8);
COMMENT ON TABLE s.parent IS 'the parent';
COMMENT ON COLUMN s.parent.name IS 'its name';
COMMENT ON CONSTRAINT fk ON s.child IS 'why';
GRANT SELECT ON s.parent TO fp_a;
GRANT UPDATE (name) ON s.parent TO fp_b;
GRANT EXECUTE ON FUNCTION s.f(int) TO fp_a;
ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO fp_a;
)";

struct Change {
  const char *sql;
  const char *object;  // must be among the ones that differ
};

constexpr Change kChanges[] = {
    {"CREATE SCHEMA other", "[schema other]"},
    {"ALTER SCHEMA other OWNER TO fp_a", "[schema other]"},
    {"GRANT USAGE ON SCHEMA s TO fp_a", "[grants on schema s to fp_a]"},
    {"REVOKE USAGE ON SCHEMA public FROM PUBLIC", "[grants on schema public to PUBLIC]"},
    {"CREATE TABLE s.fresh ()", "[table s.fresh]"},
    {"ALTER TABLE s.fresh SET UNLOGGED", "[table s.fresh]"},
    {"ALTER TABLE s.fresh RENAME TO \"Fresh one\"", "[table s.\"Fresh one\"]"},
    {"ALTER TABLE s.parent OWNER TO fp_a", "[table s.parent]"},
    {"ALTER TABLE s.parent SET (fillfactor = 50)", "[table s.parent]"},
    {"ALTER TABLE s.parent SET (toast.autovacuum_enabled = off)", "[table s.parent]"},
    {"ALTER TABLE s.parent REPLICA IDENTITY FULL", "[table s.parent]"},
    {"ALTER TABLE s.parent ENABLE ROW LEVEL SECURITY", "[table s.parent]"},
    {"ALTER TABLE s.parent FORCE ROW LEVEL SECURITY", "[table s.parent]"},
    {"GRANT INSERT ON s.parent TO fp_b", "[grants on table s.parent to fp_b]"},
    {"GRANT INSERT ON s.parent TO fp_b WITH GRANT OPTION", "[grants on table s.parent to fp_b]"},
    {"REVOKE INSERT ON s.parent FROM fp_b", "[grants on table s.parent to fp_b]"},
    {"GRANT SELECT (id) ON s.parent TO fp_b", "[grants on column id of table s.parent to fp_b]"},
    {"ALTER TABLE s.parent ADD added int", "[column added of table s.parent]"},
    {"ALTER TABLE s.parent ALTER added TYPE bigint", "[column added of table s.parent]"},
    {"ALTER TABLE s.parent ALTER added SET DEFAULT 5", "[column added of table s.parent]"},
    {"ALTER TABLE s.parent ALTER added SET NOT NULL", "[column added of table s.parent]"},
    {"ALTER TABLE s.parent RENAME added TO added_too", "[column added_too of table s.parent]"},
    {"ALTER TABLE s.parent DROP extra", "[column extra of table s.parent]"},
    {"ALTER TABLE s.texts ALTER name TYPE varchar(20)", "[column name of table s.texts]"},
    {"ALTER TABLE s.texts ALTER name TYPE varchar(30)", "[column name of table s.texts]"},
    {"ALTER TABLE s.texts ALTER name TYPE varchar(30) COLLATE \"C\"",
     "[column name of table s.texts]"},
    {"ALTER TABLE s.parent ALTER name SET STORAGE EXTERNAL", "[column name of table s.parent]"},
    {"ALTER TABLE s.parent ALTER name SET STATISTICS 7", "[column name of table s.parent]"},
    {"ALTER TABLE s.parent ALTER name SET (n_distinct = 5)", "[column name of table s.parent]"},
    {"ALTER TABLE s.generated ALTER a SET GENERATED BY DEFAULT", "[column a of table s.generated]"},
    {"ALTER TABLE s.generated ALTER b DROP EXPRESSION", "[column b of table s.generated]"},
    {"ALTER TABLE s.typed NOT OF", "[table s.typed]"},
    {"ALTER TABLE s.derived NO INHERIT s.base", "[table s.derived]"},
    {"ALTER TABLE s.parts DETACH PARTITION s.part1", "[table s.part1]"},
    {"ALTER TABLE s.parts ATTACH PARTITION s.part1 FOR VALUES FROM (0) TO (20)", "[table s.part1]"},
    {"ALTER TABLE s.child ADD CONSTRAINT more CHECK (id < 5) NOT VALID",
     "[constraint more on s.child]"},
    {"ALTER TABLE s.child VALIDATE CONSTRAINT more", "[constraint more on s.child]"},
    {"ALTER TABLE s.child ALTER CONSTRAINT fk DEFERRABLE", "[constraint fk on s.child]"},
    {"ALTER TABLE s.child DISABLE TRIGGER ALL", "[constraint fk on s.child]"},
    {"ALTER TABLE s.child ADD UNIQUE (parent)", "[constraint child_parent_key on s.child]"},
    {"ALTER TABLE s.child DROP CONSTRAINT positive", "[constraint positive on s.child]"},
    {"CREATE INDEX another ON s.child (id DESC)", "[index s.another]"},
    {"ALTER INDEX s.another SET (fillfactor = 60)", "[index s.another]"},
    {"ALTER INDEX s.expression ALTER 1 SET STATISTICS 9", "[index s.expression]"},
    {"ALTER TABLE s.child CLUSTER ON another", "[index s.another]"},
    {"DROP INDEX s.child_parent", "[index s.child_parent]"},
    {"ALTER TABLE s.parent REPLICA IDENTITY USING INDEX parent_pkey", "[index s.parent_pkey]"},
    {"ALTER TABLE s.parent DISABLE TRIGGER tr", "[trigger tr on s.parent]"},
    {"CREATE OR REPLACE TRIGGER tr AFTER INSERT ON s.parent FOR EACH ROW EXECUTE FUNCTION s.t()",
     "[trigger tr on s.parent]"},
    {"CREATE CONSTRAINT TRIGGER ct AFTER UPDATE ON s.parent FOR EACH ROW EXECUTE FUNCTION s.t()",
     "[trigger ct on s.parent]"},
    {"CREATE OR REPLACE RULE r AS ON DELETE TO s.base DO ALSO NOTHING", "[rule r on s.base]"},
    {"ALTER TABLE s.base DISABLE RULE r", "[rule r on s.base]"},
    {"ALTER POLICY pol ON s.parent USING (id > 1)", "[policy pol on s.parent]"},
    {"ALTER POLICY pol ON s.parent WITH CHECK (id > 2)", "[policy pol on s.parent]"},
    {"ALTER POLICY pol ON s.parent TO fp_a, fp_b", "[policy pol on s.parent]"},
    {"CREATE OR REPLACE VIEW s.view AS SELECT id, name FROM s.parent WHERE id > 5",
     "[view s.view]"},
    {"ALTER VIEW s.view SET (security_barrier)", "[view s.view]"},
    {"ALTER VIEW s.view ALTER name SET DEFAULT 'x'", "[column name of view s.view]"},
    {"CREATE SEQUENCE s.second", "[sequence s.second]"},
    {"ALTER SEQUENCE s.counter INCREMENT 5", "[sequence s.counter]"},
    {"ALTER SEQUENCE s.counter CYCLE", "[sequence s.counter]"},
    {"ALTER SEQUENCE s.counter CACHE 20", "[sequence s.counter]"},
    {"ALTER SEQUENCE s.counter OWNED BY s.base.a", "[sequence s.counter]"},
    {"GRANT USAGE ON SEQUENCE s.counter TO fp_a", "[grants on sequence s.counter to fp_a]"},
    {"CREATE OR REPLACE FUNCTION s.f(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1'",
     "[function s.f(integer)]"},
    {"ALTER FUNCTION s.f(int) COST 7", "[function s.f(integer)]"},
    {"ALTER FUNCTION s.f(int) PARALLEL SAFE", "[function s.f(integer)]"},
    {"ALTER FUNCTION s.f(int) SECURITY DEFINER", "[function s.f(integer)]"},
    {"ALTER FUNCTION s.f(int) SET search_path = s", "[function s.f(integer)]"},
    {"ALTER FUNCTION s.f(int) OWNER TO fp_a", "[function s.f(integer)]"},
    {"REVOKE EXECUTE ON FUNCTION s.f(int) FROM PUBLIC",
     "[grants on function s.f(integer) to PUBLIC]"},
    {"CREATE FUNCTION s.f(a text) RETURNS int LANGUAGE sql AS 'SELECT 1'", "[function s.f(text)]"},
    {"CREATE OR REPLACE PROCEDURE s.p() LANGUAGE sql AS 'SELECT 2'", "[procedure s.p()]"},
    {"CREATE OR REPLACE AGGREGATE s.agg(int) (SFUNC = int4pl, STYPE = int, INITCOND = '1')",
     "[aggregate s.agg(integer)]"},
    {"ALTER TYPE s.colour ADD VALUE 'blue'", "[type s.colour]"},
    {"ALTER TYPE s.colour ADD VALUE 'pink' BEFORE 'green'", "[type s.colour]"},
    {"ALTER TYPE s.colour RENAME VALUE 'red' TO 'rose'", "[type s.colour]"},
    {"CREATE TYPE s.triple AS (a int, b int, c int)", "[type s.triple]"},
    {"ALTER TYPE s.triple ADD ATTRIBUTE d int", "[column d of type s.triple]"},
    {"ALTER TYPE s.triple OWNER TO fp_a", "[type s.triple]"},
    {"ALTER DOMAIN s.small SET NOT NULL", "[domain s.small]"},
    {"ALTER DOMAIN s.small SET DEFAULT 3", "[domain s.small]"},
    {"ALTER DOMAIN s.small ADD CONSTRAINT even CHECK (VALUE % 2 = 0)",
     "[constraint even on domain s.small]"},
    {"REVOKE USAGE ON TYPE s.small FROM PUBLIC", "[grants on domain s.small to PUBLIC]"},
    {"CREATE TYPE s.span2 AS RANGE (SUBTYPE = int8)", "[type s.span2]"},
    {"CREATE TYPE s.shell", "[type s.shell]"},
    {"ALTER OPERATOR s.<<< (s.pair, s.pair) SET (RESTRICT = scalarltsel)",
     "[operator s.<<<(s.pair,s.pair)]"},
    {"ALTER OPERATOR FAMILY s.fam USING btree ADD OPERATOR 1 s.<<< (s.pair, s.pair)",
     "[operator family s.fam USING btree]"},
    {"CREATE OPERATOR CLASS s.oc FOR TYPE s.pair USING btree FAMILY s.fam AS FUNCTION 1 "
     "s.order(s.pair, s.pair)",
     "[operator class s.oc USING btree]"},
    {"CREATE CAST (s.pair AS int) WITH FUNCTION s.to_int(s.pair)", "[cast (s.pair AS integer)]"},
    {"CREATE CONVERSION s.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
     "[conversion s.conv]"},
    {"CREATE COLLATION s.coll2 (LOCALE = 'POSIX')", "[collation s.coll2]"},
    {"ALTER TEXT SEARCH CONFIGURATION s.tsc ALTER MAPPING FOR word WITH s.tsd",
     "[text search configuration s.tsc]"},
    {"ALTER TEXT SEARCH DICTIONARY s.tsd (Accept = false)", "[text search dictionary s.tsd]"},
    {"CREATE TEXT SEARCH TEMPLATE s.tst (LEXIZE = dsimple_lexize)", "[text search template s.tst]"},
    {"CREATE LANGUAGE lang HANDLER plpgsql_call_handler", "[language lang]"},
    {"REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC", "[privileges on language plpgsql]"},
    {"GRANT EXECUTE ON FUNCTION pg_ls_waldir() TO fp_a",
     "[privileges on function pg_catalog.pg_ls_waldir()]"},
    {"GRANT SELECT ON pg_authid TO fp_a", "[privileges on table pg_catalog.pg_authid]"},
    {"ALTER EVENT TRIGGER ev ENABLE ALWAYS", "[event trigger ev]"},
    {"ALTER FOREIGN DATA WRAPPER w OPTIONS (x 'y')", "[foreign data wrapper w]"},
    {"GRANT USAGE ON FOREIGN DATA WRAPPER w TO fp_a", "[grants on foreign data wrapper w to fp_a]"},
    {"ALTER SERVER srv OPTIONS (host 'h')", "[server srv]"},
    {"ALTER SERVER srv VERSION '2'", "[server srv]"},
    {"ALTER USER MAPPING FOR PUBLIC SERVER srv OPTIONS (SET a 'c')",
     "[user mapping for public on srv]"},
    {"ALTER FOREIGN TABLE s.ft OPTIONS (x 'y')", "[foreign table s.ft]"},
    {"ALTER FOREIGN TABLE s.ft ALTER a OPTIONS (x 'y')", "[column a of foreign table s.ft]"},
    {"CREATE EXTENSION hstore SCHEMA s VERSION '1.4'", "[extension hstore]"},
    {"ALTER EXTENSION hstore UPDATE", "[extension hstore]"},
    {"ALTER EXTENSION hstore SET SCHEMA public", "[extension hstore]"},
    {"GRANT EXECUTE ON FUNCTION hstore(text, text) TO fp_a",
     "[privileges on function public.hstore(pg_catalog.text,pg_catalog.text)]"},
    {"ALTER INDEX s.child_parent_key DEPENDS ON EXTENSION hstore",
     "[dependence of index s.child_parent_key on extension hstore]"},
    {"ALTER FUNCTION s.t() DEPENDS ON EXTENSION hstore",
     "[dependence of function s.t() on extension hstore]"},
    {"ALTER TRIGGER tr ON s.parent DEPENDS ON EXTENSION hstore",
     "[dependence of trigger tr on s.parent on extension hstore]"},
    {"SELECT lo_create(4711)", "[large objects]"},
    {"GRANT SELECT ON LARGE OBJECT 4711 TO fp_a", "[large objects]"},
    {"SELECT lo_unlink(4711)", "[large objects]"},
    {"CREATE PUBLICATION pub2", "[publication pub2]"},
    {"ALTER PUBLICATION pub ADD TABLE s.child", "[publication pub]"},
    {"ALTER PUBLICATION pub SET TABLE s.child (id) WHERE (id > 5)", "[publication pub]"},
    {"ALTER PUBLICATION pub SET TABLE s.child (id, parent) WHERE (id > 5)", "[publication pub]"},
    {"ALTER PUBLICATION pub SET TABLES IN SCHEMA s", "[publication pub]"},
    {"ALTER PUBLICATION pub SET (publish = 'insert')", "[publication pub]"},
    {"CREATE SUBSCRIPTION sub CONNECTION 'host=127.0.0.1' PUBLICATION x WITH (connect = false)",
     "[subscription sub]"},
    {"ALTER SUBSCRIPTION sub ADD PUBLICATION y WITH (refresh = false)", "[subscription sub]"},
    {"ALTER SUBSCRIPTION sub CONNECTION 'host=127.0.0.2'", "[subscription sub]"},
    {"ALTER SUBSCRIPTION sub SET (slot_name = NONE)", "[subscription sub]"},
    {"CREATE STATISTICS s.st2 (ndistinct) ON id, name FROM s.parent", "[statistics s.st2]"},
    {"ALTER STATISTICS s.st SET STATISTICS 12", "[statistics s.st]"},
    {"ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT INSERT ON TABLES TO fp_a",
     "[default privileges of postgres in s on r]"},
    {"ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
     "[default privileges of postgres on f]"},
    {"COMMENT ON TABLE s.parent IS 'else'", "[comment on table s.parent]"},
    {"COMMENT ON COLUMN s.parent.id IS 'key'", "[comment on table column s.parent.id]"},
    {"COMMENT ON FUNCTION s.f(int) IS 'f'", "[comment on function s.f(integer)]"},
    {"COMMENT ON SCHEMA public IS 'ours'", "[comment on schema public]"},
    {"COMMENT ON CONSTRAINT fk ON s.child IS NULL", "[comment on table constraint fk on s.child]"},
    {"COMMENT ON ROLE fp_a IS 'a role'", "[comment on role fp_a]"},
    {"CREATE ROLE fp_c LOGIN", "[role fp_c]"},
    {"ALTER ROLE fp_c CREATEDB CONNECTION LIMIT 5", "[role fp_c]"},
    {"ALTER ROLE fp_c PASSWORD 'once'", "[password of role fp_c]"},
    {"ALTER ROLE fp_c PASSWORD 'twice'", "[password of role fp_c]"},
    {"ALTER ROLE fp_c VALID UNTIL '2030-01-01'", "[role fp_c]"},
    {"ALTER ROLE fp_c SET work_mem = '5MB'", "[settings of role fp_c]"},
    {"GRANT fp_a TO fp_c", "[membership of fp_c in fp_a]"},
    {"GRANT fp_a TO fp_c WITH ADMIN OPTION", "[membership of fp_c in fp_a]"},
    {"GRANT pg_monitor TO fp_c", "[membership of fp_c in pg_monitor]"},
    {"GRANT SET ON PARAMETER log_min_messages TO fp_c",
     "[grants on parameter log_min_messages to fp_c]"},
};

// Statements on the database itself; %s stands for its name.
constexpr Change kDatabaseChanges[] = {
    {"ALTER DATABASE %s SET work_mem = '7MB'", "[settings of database]"},
    {"ALTER ROLE fp_a IN DATABASE %s SET work_mem = '7MB'", "[settings of role fp_a database]"},
    {"ALTER DATABASE %s CONNECTION LIMIT 7", "[database]"},
    {"REVOKE CONNECT ON DATABASE %s FROM PUBLIC", "[grants on database to PUBLIC]"},
    {"GRANT CREATE ON DATABASE %s TO fp_a", "[grants on database to fp_a]"},
    {"COMMENT ON DATABASE %s IS 'ours'", "[comment on database]"},
    {"ALTER DATABASE %s OWNER TO fp_a", "[database]"},
};

class FingerprintTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { Client(ServerUri("postgres")).Query(kRoles); }
  static void TearDownTestSuite() { Client(ServerUri("postgres")).Query(kNoRoles); }

  Fingerprint Now() { return Take(database_.uri()); }

  static constexpr const char *kRoles =
      "CREATE ROLE fp_a; CREATE ROLE fp_b; CREATE ROLE fp_owner LOGIN PASSWORD 'pw' CREATEROLE";
  static constexpr const char *kNoRoles = "DROP ROLE fp_a, fp_b, fp_owner";
  TestDatabase database_;
};

TEST_F(FingerprintTest, ChangesWithEveryStatementAndNamesItsObject) {
  Client client(database_.uri());
  client.Query(kSchema);
  Fingerprint before = Now();
  const auto check = [&](const std::string &sql, const char *object) {
    client.Query(sql);
    Fingerprint after = Now();
    EXPECT_NE(before.hash, after.hash) << sql;
    const std::string difference = Difference(before, after);
    EXPECT_NE(difference.find(object), std::string::npos) << sql << "\n" << difference;
    before = std::move(after);
  };
  for (const Change &change : kChanges)
    check(change.sql, change.object);
  for (const Change &change : kDatabaseChanges) {
    std::string sql = change.sql;
    sql.replace(sql.find("%s"), 2, database_.name());
    check(sql, change.object);
  }
  client.Query("DROP SUBSCRIPTION sub");
  client.Query("REVOKE SET ON PARAMETER log_min_messages FROM fp_c");
  client.Query("ALTER DATABASE " + database_.name() + " OWNER TO postgres");
  client.Query("DROP OWNED BY fp_a, fp_b, fp_c CASCADE; DROP ROLE fp_c");
}

TEST_F(FingerprintTest, DoesNotChangeWithData) {
  Client client(database_.uri());
  client.Query(kSchema);
  const Fingerprint before = Now();
  for (const char *sql :
       {"INSERT INTO s.parent (id) SELECT generate_series(1, 1000)", "DELETE FROM s.parent",
        "INSERT INTO s.child (parent) SELECT NULL FROM generate_series(1, 10)", "ANALYZE",
        "VACUUM FULL", "VACUUM FREEZE ANALYZE s.parent", "REINDEX SCHEMA s", "TRUNCATE s.child",
        "SELECT nextval('s.counter')", "SELECT setval('s.counter', 500)",
        "CLUSTER s.parent USING parent_pkey", "CREATE TABLE s.x (a int); DROP TABLE s.x",
        "CREATE TEMP TABLE parent (a int)",
        "ALTER TABLE s.base ADD z int; ALTER TABLE s.base DROP z",
        "GRANT INSERT, DELETE ON s.parent TO fp_b; REVOKE INSERT, DELETE ON s.parent FROM fp_b",
        "GRANT SELECT ON s.base TO postgres",
        "BEGIN; INSERT INTO s.child (parent) VALUES (NULL); PREPARE TRANSACTION 'x'"}) {
    client.Query(sql);
    // CLUSTER marks the index that it used.
    client.Query("ALTER TABLE s.parent SET WITHOUT CLUSTER");
    EXPECT_EQ(Difference(before, Now()), "") << sql;
  }
  EXPECT_EQ(before.hash, Now().hash);
  client.Query("ROLLBACK PREPARED 'x'");
}

TEST_F(FingerprintTest, OrderOfGrantsOptionsAndCreationDoesNotMatter) {
  TestDatabase other;
  Client(database_.uri())
      .Query(
          "CREATE TABLE a (x int, y int) WITH (fillfactor = 50, autovacuum_enabled = off);"
          "CREATE TABLE b (x int);"
          "GRANT SELECT ON a TO fp_a; GRANT INSERT ON a TO fp_b; GRANT UPDATE ON a TO fp_a;"
          "CREATE PUBLICATION p FOR TABLE a, b");
  Client(other.uri())
      .Query(
          "CREATE TABLE b (z int, x int); ALTER TABLE b DROP z;"
          "CREATE TABLE a (x int, z int, y int) WITH (autovacuum_enabled = off, fillfactor = 50);"
          "ALTER TABLE a DROP z; GRANT UPDATE ON a TO fp_a; GRANT INSERT ON a TO fp_b;"
          "GRANT SELECT ON a TO fp_a; CREATE PUBLICATION p FOR TABLE b; "
          "ALTER PUBLICATION p ADD TABLE a");
  EXPECT_EQ(Difference(Now(), Take(other.uri())), "");
}

TEST_F(FingerprintTest, SessionAndDatabaseSettingsDoNotMatter) {
  Client client(database_.uri());
  client.Query(kSchema);
  client.Query(
      "CREATE TABLE s.c (t timestamptz DEFAULT '2020-01-01 12:00 UTC', i interval DEFAULT "
      "'1 day 2 hours', f float8 DEFAULT 0.1::float8 + 0.2, b bytea DEFAULT '\\x00ff')");
  const std::string database = "ALTER DATABASE " + database_.name() + " SET ";
  for (const char *name : {"timezone", "intervalstyle", "datestyle", "search_path", "bytea_output",
                           "quote_all_identifiers", "extra_float_digits", "jit"})
    client.Query(database + name + " FROM CURRENT");
  const Fingerprint before = Now();
  for (const char *setting :
       {"timezone = 'Asia/Tokyo'", "intervalstyle = iso_8601", "datestyle = 'German'",
        "search_path = s, public", "bytea_output = escape", "quote_all_identifiers = on",
        "extra_float_digits = -5", "jit = on"})
    client.Query(database + setting);
  EXPECT_EQ(Difference(before, Now()), "[settings of database]");
}

TEST_F(FingerprintTest, CopyByPgDumpIsEqual) {
  Client(database_.uri()).Query(kSchema);
  TestDatabase copy;
  const char *bin = std::getenv("AGENT_BRANCH_TEST_BINDIR");
  const std::string command = std::string(bin) + "/pg_dump -s '" + database_.uri() + "' | " + bin +
                              "/psql -X -q -v ON_ERROR_STOP=1 '" + copy.uri() + "' > /dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(Difference(Now(), Take(copy.uri())), "");
}

// What is equal but for its history, and what Neon's computes do by themselves.
TEST_F(FingerprintTest, LeavesOutWhatNobodyChanged) {
  Client client(database_.uri());
  client.Query(kSchema);
  client.Query("CREATE ROLE neon_superuser; CREATE ROLE cloud_admin");
  const Fingerprint before = Now();
  for (const char *sql :
       {"REFRESH MATERIALIZED VIEW s.matview", "GRANT pg_monitor TO neon_superuser",
        "CREATE ROLE neon_service", "GRANT EXECUTE ON FUNCTION pg_ls_waldir() TO neon_superuser",
        "ALTER ROLE cloud_admin SET work_mem = '5MB'", "COMMENT ON ROLE cloud_admin IS 'x'",
        "ALTER DEFAULT PRIVILEGES FOR ROLE cloud_admin GRANT SELECT ON TABLES TO neon_superuser",
        "CREATE OPERATOR s.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, "
        "NEGATOR = OPERATOR(s.!==)); DROP OPERATOR s.=== (int, int)"}) {
    client.Query(sql);
    EXPECT_EQ(Difference(before, Now()), "") << sql;
  }
  client.Query(
      "CREATE TEMP TABLE temporary (a int); CREATE RULE r AS ON DELETE TO temporary DO "
      "ALSO NOTIFY x; COMMENT ON RULE r ON temporary IS 'x'");
  EXPECT_EQ(Difference(before, Now()), "");
  client.Query(
      "DROP OWNED BY cloud_admin; DROP OWNED BY neon_superuser; "
      "DROP ROLE neon_superuser, cloud_admin, neon_service");
}

TEST_F(FingerprintTest, PartitionsOfAnotherHistoryAreEqual) {
  TestDatabase other;
  const std::string tables =
      "CREATE TABLE p (a int PRIMARY KEY) PARTITION BY RANGE (a); "
      "CREATE TABLE r (a int REFERENCES p); ";
  const std::string first = "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9); ";
  const std::string second = "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (9) TO (20); ";
  // From PostgreSQL 18 on, NOT NULL has a name, which a partition that is made as one inherits.
  const std::string attached =
      "CREATE TABLE p1 (a int CONSTRAINT p_a_not_null NOT NULL, PRIMARY KEY (a)); "
      "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (9); ";
  Client(database_.uri()).Query(tables + first + second);
  Client(other.uri()).Query(tables + second + attached);
  EXPECT_EQ(Difference(Now(), Take(other.uri())), "");
}

// A restore replaces all databases of a branch, not only the one that is looked at.
TEST_F(FingerprintTest, SeesTheOtherDatabases) {
  const std::string uri = ServerUri("postgres");
  const Fingerprint before = Take(uri);
  EXPECT_EQ(before.objects.count("database " + database_.name()), 1u);
  Client(uri).Query("ALTER DATABASE " + database_.name() + " OWNER TO fp_a");
  const Fingerprint owned = Take(uri);
  EXPECT_NE(before.objects.at("database " + database_.name()),
            owned.objects.at("database " + database_.name()));
  Client(uri).Query("ALTER DATABASE " + database_.name() + " SET work_mem = '7MB'");
  EXPECT_EQ(Take(uri).objects.count("settings of database " + database_.name()), 1u);
  Client(uri).Query("ALTER DATABASE " + database_.name() + " OWNER TO postgres");
}

TEST_F(FingerprintTest, DefinitionsAreReadAndHoldNoSecret) {
  Client(database_.uri()).Query(kSchema);
  BranchTask task = FingerprintTask(1, database_.uri());
  task.kind = BranchTaskKind::kDefinitions;
  task.sql = R"(["column name of table s.parent", "policy pol on s.parent", "no such thing",
    "user mapping for public on srv", "it's \"], ["])";
  LibpqBranchRunner runner(nullptr);
  runner.Start(task);
  const BranchEvent event = NextEvent(&runner);
  ASSERT_EQ(event.outcome, BranchOutcome::kDone) << event.error.message();
  const std::map<std::string, std::string> found = ReadObjects(event.answer);
  EXPECT_EQ(found.at("column name of table s.parent"), "text collate \"default\" storage x");
  EXPECT_EQ(found.at("policy pol on s.parent"), "permissive for * to PUBLIC using ((id > 0))");
  EXPECT_EQ(found.at("user mapping for public on srv").rfind("a ", 0), 0u);
  EXPECT_EQ(event.answer.find("a=b"), std::string::npos);
  EXPECT_EQ(found.size(), 3u);
}

// Of many objects the answer comes in pages; together they are what one page would be.
TEST_F(FingerprintTest, ManyObjectsComeInPages) {
  Client(database_.uri())
      .Query(
          "DO $$ BEGIN FOR i IN 1..21000 LOOP EXECUTE format('CREATE TYPE q%s AS ENUM ()', i); "
          "IF i % 1000 = 0 THEN COMMIT; END IF; END LOOP; END $$");
  const Fingerprint now = Now();
  EXPECT_GT(now.objects.size(), 21'000u);
  EXPECT_EQ(now.objects.count("type public.q1"), 1u);
  EXPECT_EQ(now.objects.count("type public.q21000"), 1u);
}

TEST_F(FingerprintTest, OwnerWhoIsNoSuperuserMayTakeIt) {
  Client client(database_.uri());
  client.Query(kSchema);
  client.Query("ALTER DATABASE " + database_.name() + " OWNER TO fp_owner");
  client.Query(
      "CREATE SUBSCRIPTION sub2 CONNECTION 'host=127.0.0.1' PUBLICATION x WITH (connect = false)");
  const std::string owner = ServerUri(database_.name(), "fp_owner", "pw");
  const Fingerprint before = Take(owner);
  EXPECT_TRUE(before.objects.count("subscription sub2"));
  EXPECT_TRUE(before.objects.count("table s.parent"));
  client.Query("ALTER TABLE s.parent ADD x int");
  EXPECT_EQ(Difference(before, Take(owner)),
            "[order of columns of table s.parent][column x of table s.parent]");
  client.Query("ALTER SUBSCRIPTION sub2 SET (slot_name = NONE)");
  client.Query("DROP SUBSCRIPTION sub2");
  client.Query("ALTER DATABASE " + database_.name() + " OWNER TO postgres");
}

// What older servers have, newer ones have as well, but for the catalogs' columns for locales,
// which 17 calls by other names; the other way round it cannot be tried out.
TEST_F(FingerprintTest, TextsForOlderServersAreValid) {
  Client client(database_.uri());
  client.Query(kSchema);
  const bool renamed = std::stoi(client.Query("SHOW server_version_num")) >= 170000;
  for (int version : renamed ? std::vector<int>{130000, 140000, 170000}
                             : std::vector<int>{130000, 140000, 150000}) {
    for (const std::string &statement : FingerprintStatements(version))
      EXPECT_EQ(client.Try(statement), "") << version;
  }
}

TEST_F(FingerprintTest, NamesOfAnyKindAreWritten) {
  Client(database_.uri())
      .Query("CREATE SCHEMA \"A \"\"b\\'ä\"; CREATE TABLE \"A \"\"b\\'ä\".\"\n\" ()");
  const Fingerprint now = Now();
  EXPECT_TRUE(now.objects.count("schema \"A \"\"b\\'ä\""));
}

}  // namespace
}  // namespace agent_branch::testing
