#include "worker/core/fixer/intent.hpp"

#include <gtest/gtest.h>

#include "worker/core/fixer/sql_tokens.hpp"
#include "worker/core/fixer/token_diff.hpp"

namespace agent_branch {
namespace {

ServerError Error(const std::string &sqlstate, const std::string &message,
                  const std::string &detail = {}) {
  ServerError error;
  error.sqlstate = sqlstate;
  error.message = message;
  error.detail = detail;
  return error;
}

Effect E(std::string kind, std::string object, std::string_view sql = {}) {
  return {std::move(kind), std::move(object), NormalizedText(Tokenize(sql))};
}

std::string Reason(const std::vector<Effect> &original, const std::vector<Effect> &fix,
                   const ServerError &error = {}) {
  return CompareEffects(original, fix, LicenceOf({error})).reason;
}

const ServerError kNulls =
    Error("23502", "column \"status\" of relation \"orders\" contains null values");

TEST(Intent, TheSameEffectsInAnotherOrderAreTheSameIntent) {
  Effect table = E("create table", "a");
  Effect key = E("foreign key", "a", "b_id -> b (id)");
  EXPECT_EQ(Reason({table, key}, {key, table}), "");
}

TEST(Intent, WhatIsLeftOutIsNamed) {
  EXPECT_EQ(Reason({E("create table", "a"), E("not null", "a.b")}, {E("create table", "a")}),
            "it leaves out the not null of a.b");
}

TEST(Intent, WhatIsAddedIsNamed) {
  EXPECT_EQ(Reason({E("create table", "a")}, {E("create table", "a"), E("drop table", "b")}),
            "it adds the drop table of b, which was not asked for");
}

TEST(Intent, AMissingNameMayBeAnotherOne) {
  const ServerError error = Error("42P01", "relation \"ordrs\" does not exist");
  EXPECT_EQ(
      Reason({E("column", "ordrs.a", "integer")}, {E("column", "orders.a", "integer")}, error), "");
  EXPECT_EQ(
      Reason({E("column", "ordrs.a", "integer")}, {E("column", "sales.ordrs.a", "integer")}, error),
      "");
  EXPECT_NE(
      Reason({E("column", "ordrs.a", "integer")}, {E("column", "customers.a", "integer")}, error),
      "");
  EXPECT_NE(
      Reason({E("column", "other.a", "integer")}, {E("column", "orders.a", "integer")}, error), "");
}

TEST(Intent, WhatDestroysIsNeverTurnedOnAnotherObject) {
  const ServerError error = Error("42P01", "relation \"ordrs\" does not exist");
  for (const char *kind : {"drop table", "truncate", "rows delete"}) {
    EXPECT_NE(Reason({E(kind, "ordrs", "ordrs")}, {E(kind, "orders", "orders")}, error), "")
        << kind;
  }
}

TEST(Intent, RowsOfAnUpdateStayTheSame) {
  const ServerError error = Error("42703", "column \"idd\" does not exist");
  auto update = [](std::string_view sql) { return std::vector{E("rows update", "t", sql)}; };
  auto original = update("UPDATE t SET a = a + 10 WHERE idd = 5");
  EXPECT_EQ(Reason(original, update("UPDATE t SET a = a + 10 WHERE id = 5"), error), "");
  EXPECT_NE(Reason(original, update("UPDATE t SET a = a + 10"), error), "");
  EXPECT_NE(Reason(original, update("UPDATE t SET a = 0 WHERE id = 5"), error), "");
  EXPECT_NE(Reason(original, update("UPDATE t SET a = a + 10 WHERE id = 5 OR true"), error), "");
  EXPECT_NE(Reason(original, update("UPDATE t SET a = a + 10 WHERE password = 5"), error), "");
  EXPECT_NE(Reason(original, update("UPDATE t SET a = a + 10 WHERE id = 6"), error), "");
}

TEST(Intent, CastsAndQuotesComeAndGo) {
  const ServerError error = Error("42883", "operator does not exist: text = integer");
  EXPECT_EQ(Reason({E("rows delete", "t", "DELETE FROM t WHERE a = 1")},
                   {E("rows delete", "t", "DELETE FROM t WHERE a = '1'::text")}, error),
            "");
}

TEST(Intent, ANameThatWasMeantAsAConstantMayBecomeOne) {
  const ServerError error = Error("42703", "column \"bob\" does not exist");
  EXPECT_EQ(Reason({E("rows update", "t", "UPDATE t SET a = 1 WHERE name = \"bob\"")},
                   {E("rows update", "t", "UPDATE t SET a = 1 WHERE name = 'bob'")}, error),
            "");
  EXPECT_NE(Reason({E("rows update", "t", "UPDATE t SET a = 1 WHERE name = \"bob\"")},
                   {E("rows update", "t", "UPDATE t SET a = 1 WHERE name = 'ann'")}, error),
            "");
}

TEST(Intent, AConstantThatCouldNotBeReadMayBeWrittenAnew) {
  const ServerError error = Error("22007", "invalid input syntax for type date: \"31/12/2024\"");
  EXPECT_EQ(Reason({E("rows insert", "t", "INSERT INTO t VALUES (1, '31/12/2024')")},
                   {E("rows insert", "t", "INSERT INTO t VALUES (1, '2024-12-31')")}, error),
            "");
  EXPECT_NE(Reason({E("rows insert", "t", "INSERT INTO t VALUES (1, '31/12/2024')")},
                   {E("rows insert", "t", "INSERT INTO t VALUES (2, '2024-12-31')")}, error),
            "");
}

TEST(Intent, AFunctionIsReplacedByOneThatOnlyComputes) {
  const ServerError error = Error("42883", "function len(text) does not exist");
  EXPECT_EQ(Reason({E("create view", "v", "CREATE VIEW v AS SELECT len(a) FROM t")},
                   {E("create view", "v", "CREATE VIEW v AS SELECT length(a) FROM t")}, error),
            "");
  EXPECT_NE(
      Reason({E("create view", "v", "CREATE VIEW v AS SELECT len(a) FROM t")},
             {E("create view", "v", "CREATE VIEW v AS SELECT pg_read_file(a) FROM t")}, error),
      "");
}

TEST(Intent, NullsMayBeFilledWhereTheOriginalForbidsThem) {
  std::vector<Effect> original = {E("not null", "orders.status")};
  auto with = [&](std::string kind, std::string object, std::string_view sql) {
    return std::vector{E(std::move(kind), std::move(object), sql), original[0]};
  };
  auto fill = [&](std::string_view sql) {
    return Reason(original, with("rows update", "orders", sql), kNulls);
  };
  EXPECT_EQ(fill("UPDATE orders SET status = 'new' WHERE status IS NULL"), "");
  EXPECT_EQ(fill("UPDATE public.orders SET status = coalesce(old, 'x') WHERE status IS NULL"), "");
  EXPECT_NE(fill("UPDATE orders SET status = 'new'"), "");
  EXPECT_NE(fill("UPDATE orders SET status = 'new', total = 0 WHERE status IS NULL"), "");
  EXPECT_NE(fill("UPDATE orders SET total = 0 WHERE status IS NULL"), "");
  EXPECT_NE(fill("UPDATE orders SET status = (SELECT password FROM u) WHERE status IS NULL"), "");
  EXPECT_NE(fill("UPDATE orders SET status = dblink('host=evil') WHERE status IS NULL"), "");
  EXPECT_NE(fill("UPDATE orders SET status = 'a' FROM u WHERE status IS NULL"), "");
  EXPECT_NE(fill("UPDATE orders SET status = 'a' WHERE true OR status IS NULL"), "");
  EXPECT_EQ(Reason(original, with("default", "orders.status", "'new'"), kNulls), "");
  EXPECT_NE(Reason(original, with("default", "orders.total", "0"), kNulls), "");
  EXPECT_NE(Reason(original, with("default", "orders.status", "pg_read_file('x')"), kNulls), "");
  EXPECT_NE(Reason(original, with("rows delete", "orders", "DELETE FROM orders"), kNulls), "");
  EXPECT_NE(Reason(original, {E("default", "orders.status", "'x'")}, kNulls), "");
}

TEST(Intent, AnExtensionMayBeMadeIfItReachesNothing) {
  const ServerError error = Error("42704", "type \"citext\" does not exist");
  std::vector<Effect> original = {E("column", "t.a", "citext")};
  auto with = [&](const std::string &name, std::string_view sql) {
    return Reason(original, {E("create extension", name, sql), original[0]}, error);
  };
  EXPECT_EQ(with("citext", "CREATE EXTENSION IF NOT EXISTS citext"), "");
  EXPECT_NE(with("dblink", "CREATE EXTENSION dblink"), "");
  EXPECT_NE(with("plpython3u", "CREATE EXTENSION plpython3u"), "");
  EXPECT_NE(with("citext", "CREATE EXTENSION citext CASCADE"), "");
}

TEST(Intent, ADependentObjectMayBePutBack) {
  const ServerError error = Error("0A000", "cannot alter type of a column used by a view or rule",
                                  "rule _RETURN on view recent depends on column \"n\"");
  std::vector<Effect> original = {E("column type", "t.n", "bigint")};
  Effect drop = E("drop view", "recent", "DROP VIEW recent");
  Effect create = E("create view", "recent", "CREATE VIEW recent AS SELECT n FROM t");
  EXPECT_EQ(Reason(original, {drop, original[0], create}, error), "");
  EXPECT_NE(Reason(original, {drop, original[0]}, error), "");
  EXPECT_NE(
      Reason(original, {E("drop view", "recent", "DROP VIEW recent CASCADE"), original[0], create},
             error),
      "");
  EXPECT_NE(Reason(original,
                   {E("drop view", "other", "DROP VIEW other"), original[0],
                    E("create view", "other", "CREATE VIEW other AS SELECT 1")},
                   error),
            "");
}

TEST(Intent, AConversionIsOfTheColumnItself) {
  const ServerError error =
      Error("42804", "column \"n\" cannot be cast automatically to type integer");
  std::vector<Effect> original = {E("column type", "t.n", "integer")};
  auto with = [&](std::string_view sql) {
    return Reason(original, {original[0], E("using", "t.n", sql)}, error);
  };
  EXPECT_EQ(with("n::integer"), "");
  EXPECT_EQ(with("nullif(trim(n), '')::integer"), "");
  EXPECT_NE(with("0"), "");
  EXPECT_NE(with("n::integer * 0"), "");
  EXPECT_NE(with("other::integer"), "");
  EXPECT_NE(with("coalesce(null, 0, n)"), "");
}

std::string Words(const std::string &original, const std::string &fix) {
  return CompareWords(original, fix).reason;
}

TEST(Intent, AnotherDialectIsTranslatedWordByWord) {
  EXPECT_EQ(Words("CREATE TABLE `users` (`id` INT(11) AUTO_INCREMENT PRIMARY KEY, "
                  "`name` VARCHAR(50) NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8",
                  "CREATE TABLE users (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
                  "name varchar(50) NOT NULL)"),
            "");
  EXPECT_EQ(Words("CREATE TABLE [dbo].[Items] ([Id] int IDENTITY(1,1) PRIMARY KEY)",
                  "CREATE TABLE items (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY)"),
            "");
  EXPECT_EQ(Words("CREATE TABLE order (id int)", "CREATE TABLE \"order\" (id int)"), "");
  EXPECT_EQ(Words("CRATE TABLE a (b int)", "CREATE TABLE a (b int)"), "");
  EXPECT_EQ(Words("CREATE TABLE a (b int,)", "CREATE TABLE a (b int)"), "");
}

TEST(Intent, WordsThatProtectAreCounted) {
  const std::string original =
      "CREATE TABLE `a` (`b` int NOT NULL, `c` text UNIQUE, `d` int CHECK "
      "(d > 0), `e` int REFERENCES f)";
  const std::string whole =
      "CREATE TABLE a (b int NOT NULL, c text UNIQUE, d int CHECK (d > 0), "
      "e int REFERENCES f)";
  EXPECT_EQ(Words(original, whole), "");
  for (const char *part : {" NOT NULL", " UNIQUE", " CHECK (d > 0)", " REFERENCES f", ", c text"}) {
    std::string weaker = whole;
    weaker.erase(weaker.find(part), std::string(part).size());
    EXPECT_NE(Words(original, weaker), "") << weaker;
  }
  EXPECT_NE(Words(original, whole + "; DROP TABLE f"), "");
  EXPECT_NE(Words(original, whole + "; INSERT INTO a SELECT 1"), "");
  EXPECT_NE(Words(original, whole + "; COMMENT ON TABLE a IS 'x'"), "");
}

TEST(Intent, WhatMayHaveBeenANameStays) {
  EXPECT_EQ(Words("ALTER TABLE t ADD COLUMN end date, ADD COLUMN b int",
                  "ALTER TABLE t ADD COLUMN \"end\" date, ADD COLUMN b int"),
            "");
  EXPECT_NE(Words("ALTER TABLE t ADD COLUMN end date, ADD COLUMN b int",
                  "ALTER TABLE t ADD COLUMN b int"),
            "");
  EXPECT_NE(Words("CREATE TABLE t (a int, b int, desc text, desc2 text)",
                  "CREATE TABLE t (a int, b int, desc2 text)"),
            "");
}

TEST(Intent, AMissingNameIsNotLeftOut) {
  const ServerError error = Error("42703", "column \"totl\" does not exist");
  EXPECT_NE(Reason({E("create view", "v", "CREATE VIEW v AS SELECT a, totl FROM t")},
                   {E("create view", "v", "CREATE VIEW v AS SELECT a FROM t")}, error),
            "");
}

TEST(Intent, ConstantsOfAnUnreadableOriginalStay) {
  EXPECT_NE(Words("DELETE FORM t WHERE a = 1", "DELETE FROM t WHERE a = 2"), "");
  EXPECT_NE(Words("DELETE FORM t WHERE a = 1", "DELETE FROM t WHERE a > 1"), "");
  EXPECT_NE(Words("DELETE FORM t WHERE a = 1", "DELETE FROM t"), "");
}

TEST(Intent, AFixThatCannotBeReadIsRefused) {
  Script original;
  original.parsed = true;
  Script fix;
  EXPECT_FALSE(CompareIntent(original, "x", fix, "y", {}).preserved);
  fix.parsed = true;
  EXPECT_EQ(CompareIntent(original, "x", fix, "", {}).reason, "it does nothing");
  fix.statements.resize(1);
  EXPECT_TRUE(CompareIntent(original, "x", fix, "y", {}).preserved);
  fix.refusal = Status::Error("2D000", "transaction control is not allowed in a migration");
  EXPECT_FALSE(CompareIntent(original, "x", fix, "y", {}).preserved);
}

TEST(Intent, AConstantMayNotEndElsewhereOnTheBranch) {
  Script script;
  script.parsed = true;
  script.statements.resize(1);
  EXPECT_EQ(CompareIntent(script, "SELECT 'a'", script, "SELECT 'a\\'", {}).reason,
            "it has a backslash in a constant");
  EXPECT_TRUE(CompareIntent(script, "SELECT 'a\\'", script, "SELECT 'a\\'", {}).preserved);
}

TEST(TokenDiff, LongTextsAreNotComparedForEver) {
  std::string one;
  std::string other;
  for (int n = 0; n < 3'000; ++n) {
    one += "na\n";
    other += "nb\n";
  }
  EXPECT_NE(DifferenceThatMatters(one, other, {}, true, false), "");
}

TEST(TokenDiff, NamesThatAreAlike) {
  EXPECT_TRUE(AreAlike("qty", "quantity"));
  EXPECT_TRUE(AreAlike("user", "users"));
  EXPECT_TRUE(AreAlike("userid", "userId"));
  EXPECT_TRUE(AreAlike("totl", "total"));
  EXPECT_TRUE(AreAlike("created", "created_at"));
  EXPECT_FALSE(AreAlike("id", "password"));
  EXPECT_FALSE(AreAlike("orders", "customers"));
}

}  // namespace
}  // namespace agent_branch
