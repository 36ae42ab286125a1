// Several texts in one transaction: each begins as a migration of its own does, and all are
// committed or none.
#include "tests/branch/test_support.hpp"
#include "worker/core/script/risks.hpp"

namespace agent_branch::testing {
namespace {

class ScriptsTest : public ::testing::Test {
 protected:
  BranchEvent Run(const std::vector<std::string> &texts, bool measured = false) {
    BranchTask task = Migration(++last_id_, database_.uri(), texts.front());
    if (measured) task.settings.emplace_back(kMeasureSetting);
    for (size_t n = 1; n < texts.size(); ++n)
      task.more.push_back({texts[n], 10});
    task.record = true;
    runner_.Start(task);
    BranchEvent event = NextEvent(&runner_);
    if (event.kind != BranchEvent::Kind::kReadyToCommit) return event;
    ready_ = event;
    runner_.Commit(event.id);
    return NextEvent(&runner_);
  }
  std::string Query(const std::string &sql) { return Client(database_.uri()).Query(sql); }

  TestDatabase database_;
  LibpqBranchRunner runner_{nullptr};
  uint64_t last_id_ = 0;
  BranchEvent ready_;
};

TEST_F(ScriptsTest, AllOfThemAreOneTransaction) {
  const BranchEvent event =
      Run({"CREATE TABLE a (x int)", "CREATE TABLE b (x int); INSERT INTO b VALUES (1), (2)",
           "INSERT INTO a SELECT x FROM b"});
  EXPECT_EQ(event.outcome, BranchOutcome::kDone) << event.error.message();
  EXPECT_EQ(ready_.rows, 4);
  EXPECT_NE(ready_.record.find("\"public.b\""), std::string::npos) << ready_.record;
  EXPECT_EQ(Query("SELECT count(DISTINCT xmin::text) FROM pg_class WHERE relname IN ('a', 'b')"),
            "1");
}

// The session's counters still hold what earlier transactions did: what they are compared with is
// noted in settings, which the next text must not begin without.
TEST_F(ScriptsTest, RecordIsOfThisTransactionOnly) {
  Query("CREATE TABLE b (x int)");
  ASSERT_EQ(Run({"INSERT INTO b VALUES (1), (2), (3)"}).outcome, BranchOutcome::kDone);
  ASSERT_EQ(Run({"INSERT INTO b VALUES (4)", "SELECT 1"}).outcome, BranchOutcome::kDone);
  EXPECT_EQ(Query("SELECT '" + ready_.record + "'::jsonb #>> '{rows,public.b,inserted}'"), "1");
}

// What a migration did is measured by what was there before it, which is an answer of its own.
TEST_F(ScriptsTest, WhatIsDestroyedIsMeasuredWhereThatIsAsked) {
  Query("CREATE TABLE a (x int, y int); INSERT INTO a VALUES (1, 2)");
  const std::vector<std::string> texts = {"SELECT 1", "ALTER TABLE a DROP COLUMN y; DELETE FROM a"};
  const BranchEvent event = Run(texts, true);
  ASSERT_EQ(event.outcome, BranchOutcome::kDone) << event.error.message();
  EXPECT_EQ(Query("SELECT '" + ready_.record + "'::jsonb #>> '{done,tables,0,columns}'"), "[\"y\"]")
      << ready_.record;
  EXPECT_EQ(Query("SELECT '" + ready_.record + "'::jsonb #>> '{done,tables,0,all}'"), "true");
}

// What it makes from there on would be the other role's.
TEST_F(ScriptsTest, OneThatTakesAnotherRoleIsRefused) {
  Query("CREATE ROLE somebody SUPERUSER");
  for (const char *sql : {"SELECT set_config('role', 'somebody', false); CREATE TABLE a (x int)",
                          "DO $$ BEGIN EXECUTE 'SET LOCAL ROLE somebody'; END $$",
                          "DO $$ BEGIN EXECUTE 'SET SESSION AUTHORIZATION somebody'; END $$"}) {
    for (const auto &texts : {std::vector<std::string>{sql}, {"SELECT 1", sql}}) {
      const BranchEvent event = Run(texts);
      EXPECT_EQ(event.outcome, BranchOutcome::kRejected) << sql;
      EXPECT_EQ(event.server_error.sqlstate, "0A000") << sql;
      EXPECT_EQ(event.server_error.detail, "It ended as role \"somebody\".") << sql;
    }
  }
  EXPECT_EQ(Query("SELECT count(*) FROM pg_class WHERE relname = 'a'"), "0");
  EXPECT_EQ(Run({"SELECT set_config('role', 'somebody', true); SET LOCAL search_path = public; "
                 "SELECT set_config('role', 'none', true)"})
                .outcome,
            BranchOutcome::kDone);
  Query("DROP ROLE somebody");
}

TEST_F(ScriptsTest, OneThatFailsTakesAllBackAndSaysWhere) {
  const BranchEvent event = Run({"CREATE TABLE a (x int)", "SELECT 1;\nSELECT nope"});
  EXPECT_EQ(event.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(event.server_error.sqlstate, "42703");
  EXPECT_EQ(event.script, 1U);
  EXPECT_EQ(event.server_error.line, 2);
  EXPECT_EQ(event.server_error.column, 8);
  EXPECT_EQ(event.completed, 1);
  EXPECT_EQ(Query("SELECT count(*) FROM pg_class WHERE relname = 'a'"), "0");
}

TEST_F(ScriptsTest, NothingOfTheSessionReachesTheNextText) {
  Query("CREATE SCHEMA s");
  const BranchEvent event =
      Run({"SET search_path = s; SET LOCAL work_mem = '1MB'; CREATE TEMP TABLE t (x int); "
           "PREPARE p AS SELECT 1; DECLARE c CURSOR WITH HOLD FOR SELECT 1",
           "CREATE TABLE t (x int); CREATE TEMP TABLE u (x int); PREPARE p AS SELECT 2; "
           "DECLARE c CURSOR FOR SELECT 2; "
           "CREATE TABLE seen AS SELECT current_setting('work_mem') AS work_mem"});
  EXPECT_EQ(event.outcome, BranchOutcome::kDone) << event.error.message();
  EXPECT_EQ(Query("SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 't'"), "public");
  EXPECT_EQ(Query("SELECT work_mem FROM seen"), Query("SHOW work_mem"));
}

TEST_F(ScriptsTest, WhatIsDeferredIsCheckedBetweenThem) {
  Query(
      "CREATE TABLE a (x int UNIQUE DEFERRABLE INITIALLY DEFERRED, "
      "y int UNIQUE DEFERRABLE INITIALLY IMMEDIATE)");
  EXPECT_EQ(Run({"INSERT INTO a VALUES (1, 1), (1, 2)", "DELETE FROM a"}).server_error.sqlstate,
            "23505");
  // Deferred again for the one that comes after, and immediate what is so from the beginning.
  const BranchEvent event = Run({"SET CONSTRAINTS ALL DEFERRED; INSERT INTO a VALUES (1, 1)",
                                 "INSERT INTO a VALUES (1, 2); DELETE FROM a WHERE y = 2"});
  EXPECT_EQ(event.outcome, BranchOutcome::kDone) << event.error.message();
  EXPECT_EQ(Run({"SELECT 1", "INSERT INTO a VALUES (2, 1); UPDATE a SET y = 3 WHERE x = 2"})
                .server_error.sqlstate,
            "23505");
}

TEST_F(ScriptsTest, OneThatEndsTheTransactionIsFoundOut) {
  for (const char *text : {"ROLLBACK; BEGIN", "COMMIT; BEGIN", "ROLLBACK"}) {
    const BranchEvent event = Run({text, "CREATE TABLE a (x int)"});
    EXPECT_EQ(event.outcome, BranchOutcome::kRejected) << text;
    EXPECT_EQ(event.server_error.sqlstate, "2D000") << text;
    EXPECT_EQ(Query("SELECT count(*) FROM pg_class WHERE relname = 'a'"), "0") << text;
  }
}

TEST_F(ScriptsTest, TimeoutsHoldForEachOfThem) {
  BranchTask task = Migration(++last_id_, database_.uri(), "SET statement_timeout = 0");
  task.more.push_back({"SELECT pg_sleep(60)", 1});
  task.statement_timeout = std::chrono::milliseconds(100);
  runner_.Start(task);
  EXPECT_EQ(NextEvent(&runner_).server_error.sqlstate, "57014");
}

TEST_F(ScriptsTest, ZeroByteInAnyOfThemIsRefused) {
  const BranchEvent event = Run({"SELECT 1", std::string("SELECT 1;\0 DROP TABLE a", 22)});
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_EQ(event.error.sqlstate(), "22021");
}

}  // namespace
}  // namespace agent_branch::testing
