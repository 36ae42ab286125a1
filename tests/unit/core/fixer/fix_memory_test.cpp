#include "worker/core/fixer/fix_memory.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

ServerError Error(const std::string &sqlstate, const std::string &message) {
  ServerError error;
  error.sqlstate = sqlstate;
  error.message = message;
  return error;
}

TEST(FixMemory, OneFailureWithOtherNamesHasOneSignature) {
  std::string one = FixSignature("ALTER TABLE orders ADD CONSTRAINT x CHECK (total > 0)",
                                 Error("42703", "column \"total\" does not exist"));
  std::string other = FixSignature("alter table Bills add constraint y check (amount > 0)",
                                   Error("42703", "column \"amount\" does not exist"));
  EXPECT_EQ(one, other);
  EXPECT_EQ(one.size(), 32U);
}

TEST(FixMemory, AnotherErrorOrAnotherShapeIsAnotherFailure) {
  const ServerError error = Error("42703", "column \"a\" does not exist");
  std::string one = FixSignature("SELECT a FROM t", error);
  EXPECT_NE(one, FixSignature("SELECT a FROM t", Error("42P01", error.message)));
  EXPECT_NE(one, FixSignature("SELECT a FROM t", Error("42703", "another message")));
  EXPECT_NE(one, FixSignature("SELECT a, b FROM t", error));
  EXPECT_NE(one, FixSignature("SELECT a FROM a", error));
  EXPECT_NE(one, FixSignature("SELECT 'a' FROM t", error));
  EXPECT_NE(FixSignature("DELETE FROM t WHERE a = 1", error),
            FixSignature("DELETE FROM t WHERE a = 2", error));
}

TEST(FixMemory, AFixIsCarriedOverToOtherNames) {
  EXPECT_EQ(CarryOver("ALTER TABLE orders ALTER COLUMN n TYPE integer",
                      "ALTER TABLE orders ALTER COLUMN n TYPE integer USING n::integer",
                      "ALTER TABLE \"My Bills\" ALTER COLUMN amount TYPE integer"),
            "ALTER TABLE \"My Bills\" ALTER COLUMN amount TYPE integer USING amount::integer");
}

TEST(FixMemory, TheSameTextGetsTheSameFix) {
  EXPECT_EQ(CarryOver("SELECT totl FROM t WHERE a = 'x'", "SELECT total FROM t WHERE a = 'x'",
                      "SELECT totl FROM t WHERE a = 'x'"),
            "SELECT total FROM t WHERE a = 'x'");
}

TEST(FixMemory, ConstantsAreCarriedOverAndOwnOnesAreNot) {
  EXPECT_EQ(CarryOver("INSERT INTO t VALUES ('a', 'b')", "INSERT INTO t VALUES ('b', 'a')",
                      "INSERT INTO u VALUES ('c', 'it''s')"),
            "INSERT INTO u VALUES ('it''s', 'c')");
  EXPECT_EQ(CarryOver("ALTER TABLE t ALTER a SET NOT NULL",
                      "UPDATE t SET a = 'none' WHERE a IS NULL; ALTER TABLE t ALTER a SET NOT NULL",
                      "ALTER TABLE u ALTER b SET NOT NULL"),
            std::nullopt);
}

TEST(FixMemory, AnotherShapeGetsNothing) {
  EXPECT_EQ(CarryOver("DROP TABLE a", "DROP TABLE b", "DROP TABLE a, c"), std::nullopt);
  EXPECT_EQ(CarryOver("DELETE FROM a WHERE x = 1", "DELETE FROM a WHERE x = 1",
                      "DELETE FROM a WHERE x = 2"),
            std::nullopt);
}

}  // namespace
}  // namespace agent_branch
