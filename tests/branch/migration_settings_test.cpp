// What a branch's settings and other sessions do to a migration, against a real server.
#include "tests/branch/test_support.hpp"
#include "worker/branch/look_query.hpp"
#include "worker/core/session/blockers.hpp"

namespace agent_branch::testing {
namespace {

class MigrationSettings : public ::testing::Test {
 protected:
  BranchEvent Run(const std::string &sql) {
    runner_.Start(Migration(++last_id_, database_.uri(), sql));
    BranchEvent event = NextEvent(&runner_);
    if (event.kind != BranchEvent::Kind::kReadyToCommit) return event;
    runner_.Commit(event.id);
    return NextEvent(&runner_);
  }
  std::string Query(const std::string &sql) { return Client(database_.uri()).Query(sql); }
  std::string Risks(const std::string &questions) { return Query(RiskQuery(questions)); }

  TestDatabase database_;
  LibpqBranchRunner runner_{nullptr};
  uint64_t last_id_ = 0;
};

TEST_F(MigrationSettings, WhatADatabaseSetsHoldsFromTheNextMigrationOn) {
  Query("CREATE SCHEMA app");
  const std::string set = "ALTER DATABASE " + database_.name() + " SET search_path = app, public";
  EXPECT_EQ(Run(set).outcome, BranchOutcome::kDone);
  EXPECT_EQ(Run("CREATE TABLE t (x int)").outcome, BranchOutcome::kDone);
  EXPECT_EQ(Query("SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 't'"), "app");
}

TEST_F(MigrationSettings, ConstantThatEndsElsewhereOnTheBranchIsRefused) {
  Query("CREATE TABLE t ()");
  Query("ALTER DATABASE " + database_.name() + " SET standard_conforming_strings = off");
  const BranchEvent event = Run("SELECT 'a\\'; SELECT '; DROP TABLE t; --'");
  EXPECT_EQ(event.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(event.server_error.sqlstate, "22P06");
  EXPECT_EQ(Query("SELECT count(*) FROM pg_class WHERE relname = 't'"), "1");
  EXPECT_EQ(Run("SELECT E'a\\\\'").outcome, BranchOutcome::kDone);
}

TEST_F(MigrationSettings, WhatIsNotThereIsNoAnswer) {
  Query(
      "CREATE TABLE t (a int, CONSTRAINT c CHECK (a > 0)); CREATE SCHEMA app; "
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE \"M\" AS ENUM ()");
  const std::string answer = Risks(R"([
    {"n": 0, "relation": "t", "column": "a"}, {"n": 1, "relation": "t", "column": "nope"},
    {"n": 2, "relation": "t", "type": "constraint", "name": "c"},
    {"n": 3, "relation": "t", "type": "trigger", "name": "c"},
    {"n": 4, "type": "function", "name": "public.f"}, {"n": 5, "type": "function", "name": "g"},
    {"n": 6, "type": "type", "name": "\"M\""}, {"n": 7, "type": "type", "name": "m"},
    {"n": 8, "type": "schema", "name": "app"}, {"n": 9, "type": "extension", "name": "hstore"},
    {"n": 10, "type": "role", "name": "nobody_at_all"}, {"n": 11, "relation": "nowhere"}])");
  std::string numbers;
  for (size_t at = answer.find("\"n\": "); at != std::string::npos;
       at = answer.find("\"n\": ", at + 1))
    numbers += answer.substr(at + 5, answer.find_first_of(",}", at) - at - 5) + " ";
  EXPECT_EQ(numbers, "0 2 4 6 8 ") << answer;
}

TEST_F(MigrationSettings, WhoHoldsALockIsNamed) {
  Query("CREATE TABLE t (a int); CREATE TABLE u ()");
  Client holder(database_.uri());
  holder.Query("SET application_name = 'reporting'; BEGIN; LOCK TABLE t IN SHARE MODE");
  const std::string named = DescribeBlockers(Query(BlockerQuery(R"(["t"])")));
  for (const char *part : {"Process ", " of role ",
                           " (application reporting) has held SHARE on t since ", "LOCK TABLE t"})
    EXPECT_NE(named.find(part), std::string::npos) << named;
  EXPECT_EQ(DescribeBlockers(Query(BlockerQuery(R"(["u", "nowhere"])"))), "");
  EXPECT_NE(DescribeBlockers(Query(BlockerQuery("[]"))), "");
  for (const char *other : {"", "{}", "[1]", "[{}]"})
    EXPECT_EQ(DescribeBlockers(other), "");
}

}  // namespace
}  // namespace agent_branch::testing
