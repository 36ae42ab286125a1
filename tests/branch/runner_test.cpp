// LibpqBranchRunner against a real server: migrations, their outcomes, and what is left behind.
#include <sys/resource.h>

#include <fstream>
#include <set>

#include "tests/branch/test_support.hpp"

namespace agent_branch::testing {
namespace {

class RunnerTest : public ::testing::Test {
 protected:
  std::string Count(const std::string &table) {
    return Client(database_.uri())
        .Query("SELECT count(*) FROM pg_class WHERE relname = '" + table + "'");
  }
  std::string Backends(const std::string &condition) {
    return Client(ServerUri("postgres"))
        .Query("SELECT count(*) FROM pg_stat_activity WHERE datname = '" + database_.name() +
               "' AND " + condition);
  }
  void Kill(const std::string &condition) {
    Client(ServerUri("postgres"))
        .Query("WITH them AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE datname = '" +
               database_.name() + "' AND " + condition +
               ") SELECT pg_terminate_backend(pid, 5000) FROM them");
  }
  bool Await(const std::string &condition, const std::string &count) {
    return RunUntil(&runner_, [&] { return Backends(condition) == count; });
  }
  BranchEvent Run(const std::string &sql) {
    runner_.Start(Migration(++last_id_, database_.uri(), sql));
    return NextEvent(&runner_);
  }
  BranchEvent RunAndCommit(const std::string &sql) {
    BranchEvent event = Run(sql);
    if (event.kind != BranchEvent::Kind::kReadyToCommit) return event;
    runner_.Commit(event.id);
    return NextEvent(&runner_);
  }

  TestDatabase database_;
  LibpqBranchRunner runner_{nullptr};
  uint64_t last_id_ = 100;
};

TEST_F(RunnerTest, MigrationCommitsOnlyAfterCommit) {
  BranchEvent event = Run("CREATE TABLE a (id int); INSERT INTO a SELECT generate_series(1, 5)");
  ASSERT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit);
  EXPECT_FALSE(event.transaction_id.empty());
  EXPECT_EQ(Count("a"), "0");
  runner_.Commit(event.id);
  const BranchEvent finished = NextEvent(&runner_);
  EXPECT_EQ(finished.kind, BranchEvent::Kind::kFinished);
  EXPECT_EQ(finished.outcome, BranchOutcome::kDone);
  EXPECT_EQ(Count("a"), "1");
}

TEST_F(RunnerTest, MigrationThatWritesNothingHasNoTransactionId) {
  BranchEvent event = Run("SELECT 1");
  ASSERT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit);
  EXPECT_EQ(event.transaction_id, "");
  runner_.Commit(event.id);
  EXPECT_EQ(NextEvent(&runner_).outcome, BranchOutcome::kDone);
  EXPECT_EQ(RunAndCommit("").outcome, BranchOutcome::kDone);
  EXPECT_EQ(RunAndCommit("-- nothing").outcome, BranchOutcome::kDone);
}

TEST_F(RunnerTest, IsolationCanBeChosenByTheMigration) {
  EXPECT_EQ(RunAndCommit("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1").outcome,
            BranchOutcome::kDone);
}

TEST_F(RunnerTest, CancelWhileReadyRollsBack) {
  BranchEvent event = Run("CREATE TABLE a (id int)");
  runner_.Cancel(event.id);
  EXPECT_TRUE(Await("pid <> pg_backend_pid()", "0"));
  EXPECT_EQ(Count("a"), "0");
  EXPECT_TRUE(runner_.TakeEvents().empty());
  EXPECT_FALSE(runner_.NextDeadline().has_value());
}

TEST_F(RunnerTest, CancelWhileRunningEndsTheStatementAtTheServer) {
  runner_.Start(Migration(1, database_.uri(), "CREATE TABLE a (id int); SELECT pg_sleep(600)"));
  ASSERT_TRUE(Await("wait_event = 'PgSleep'", "1"));
  runner_.Cancel(1);
  EXPECT_TRUE(Await("true", "0"));
  EXPECT_TRUE(RunUntil(&runner_, [&] { return !runner_.NextDeadline(); }));
  EXPECT_TRUE(runner_.TakeEvents().empty());
  EXPECT_EQ(Count("a"), "0");
}

TEST_F(RunnerTest, CancelEndsAStatementThatTrapsCancelling) {
  runner_.Start(Migration(1, database_.uri(),
                          "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(600);"
                          " EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"));
  ASSERT_TRUE(Await("wait_event = 'PgSleep'", "1"));
  runner_.Cancel(1);
  EXPECT_TRUE(Await("true", "0"));
}

TEST_F(RunnerTest, CancelBeforeTheTaskBeganLeavesNothing) {
  runner_.Start(Migration(1, database_.uri(), "CREATE TABLE a (id int)"));
  runner_.Start(Migration(2, database_.uri(), "CREATE TABLE b (id int)"));
  runner_.Cancel(1);
  runner_.Advance();
  runner_.Cancel(2);  // while it connects
  EXPECT_TRUE(RunUntil(&runner_, [&] { return !runner_.NextDeadline(); }));
  EXPECT_TRUE(runner_.TakeEvents().empty());
  EXPECT_EQ(runner_.connections(), 0u);
}

TEST_F(RunnerTest, ErrorCarriesItsFieldsAndItsPlace) {
  const BranchEvent event =
      Run("-- äöü 漢字\nCREATE TABLE a (id int);\nSELECT '漢字', nothing FROM a");
  EXPECT_EQ(event.kind, BranchEvent::Kind::kFinished);
  EXPECT_EQ(event.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(event.server_error.sqlstate, "42703");
  EXPECT_EQ(event.server_error.message, "column \"nothing\" does not exist");
  EXPECT_EQ(event.server_error.line, 3);
  EXPECT_EQ(event.server_error.column, 14);
  EXPECT_EQ(event.error.sqlstate(), "42703");
  EXPECT_EQ(Count("a"), "0");
}

TEST_F(RunnerTest, SyntaxErrorsHaveAPlaceToo) {
  BranchEvent event = Run("SELEC 1");
  EXPECT_EQ(event.server_error.line, 1);
  EXPECT_EQ(event.server_error.column, 1);
  event = Run("SELECT 1;\nSELECT (");
  EXPECT_EQ(event.server_error.message, "syntax error at end of input");
  EXPECT_EQ(event.server_error.line, 2);
  EXPECT_EQ(event.server_error.column, 9);
  event = Run("DO $$ BEGIN PERFORM nothing; END $$");
  EXPECT_EQ(event.server_error.line, 0);
  EXPECT_EQ(event.server_error.column, 0);
  EXPECT_NE(event.server_error.context.find("PL/pgSQL"), std::string::npos);
  event = Run(
      "DO $$ BEGIN RAISE EXCEPTION 'm' USING DETAIL = 'd', HINT = 'h', ERRCODE = 'AB123'; END $$");
  EXPECT_EQ(event.server_error.sqlstate, "AB123");
  EXPECT_EQ(event.server_error.detail, "d");
  EXPECT_EQ(event.server_error.hint, "h");
}

TEST_F(RunnerTest, CopyIsRefused) {
  for (const char *sql :
       {"CREATE TABLE c (id int); COPY c FROM STDIN; SELECT 1",
        "COPY (SELECT generate_series(1, 100000)) TO STDOUT",
        "COPY (SELECT 1) TO STDOUT; CREATE TABLE c (id int); COPY c FROM STDIN"}) {
    const BranchEvent event = Run(sql);
    EXPECT_EQ(event.outcome, BranchOutcome::kRejected) << sql;
    EXPECT_EQ(event.server_error.sqlstate, "0A000") << sql;
  }
  EXPECT_EQ(Count("c"), "0");
}

TEST_F(RunnerTest, EndingTheTransactionIsNoticed) {
  BranchEvent event = Run("CREATE TABLE a (id int); COMMIT");
  EXPECT_EQ(event.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(event.server_error.sqlstate, "2D000");
  EXPECT_NE(event.server_error.detail.find("stays in effect"), std::string::npos);
  EXPECT_EQ(Count("a"), "1");
  for (const char *sql :
       {"COMMIT; BEGIN; CREATE TABLE b (id int)", "COMMIT AND CHAIN",
        "CREATE TABLE p (id int); PREPARE TRANSACTION 'p'", "COMMIT; SELECT 1/0"}) {
    event = Run(sql);
    EXPECT_EQ(event.server_error.sqlstate, "2D000") << sql;
    EXPECT_NE(event.server_error.detail.find("stays in effect"), std::string::npos) << sql;
  }
  Client(database_.uri()).Query("ROLLBACK PREPARED 'p'");
  for (const char *sql : {"ROLLBACK", "ROLLBACK; BEGIN; CREATE TABLE b (id int)",
                          "ROLLBACK AND CHAIN", "DO $$ BEGIN EXECUTE 'RESET ALL'; END $$"}) {
    event = Run(sql);
    EXPECT_EQ(event.server_error.sqlstate, "2D000") << sql;
    EXPECT_EQ(event.server_error.detail,
              "The script rolled back its own transaction, or reset all settings.")
        << sql;
  }
  EXPECT_EQ(Count("b"), "0");
  EXPECT_EQ(RunAndCommit("SAVEPOINT s; CREATE TABLE d (id int); ROLLBACK TO s").outcome,
            BranchOutcome::kDone);
}

TEST_F(RunnerTest, DeferredConstraintFailsAtCommit) {
  BranchEvent event =
      Run("CREATE TABLE a (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);"
          "INSERT INTO a VALUES (1), (1)");
  ASSERT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit);
  runner_.Commit(event.id);
  event = NextEvent(&runner_);
  EXPECT_EQ(event.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(event.server_error.sqlstate, "23505");
  EXPECT_EQ(RunAndCommit("CREATE TABLE b (id int)").outcome, BranchOutcome::kDone);
}

TEST_F(RunnerTest, TimeoutsOfTheTaskHold) {
  Client holder(database_.uri());
  holder.Query("CREATE TABLE a (id int)");
  holder.Query("BEGIN");
  holder.Query("LOCK a");
  BranchTask task = Migration(1, database_.uri(), "ALTER TABLE a ADD b int");
  task.lock_timeout = 100ms;
  runner_.Start(task);
  EXPECT_EQ(NextEvent(&runner_).server_error.sqlstate, "55P03");
  task = Migration(2, database_.uri(), "SELECT pg_sleep(60)");
  task.statement_timeout = 100ms;
  runner_.Start(task);
  EXPECT_EQ(NextEvent(&runner_).server_error.sqlstate, "57014");
}

TEST_F(RunnerTest, SilenceOfTheServerHasAnEnd) {
  RunnerOptions options;
  options.answer_grace = 200ms;
  LibpqBranchRunner runner(nullptr, options);
  BranchTask task =
      Migration(1, database_.uri(), "SET LOCAL statement_timeout = 0; SELECT pg_sleep(600)");
  task.statement_timeout = 100ms;
  runner.Start(task);
  const BranchEvent event = NextEvent(&runner);
  EXPECT_EQ(event.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(event.server_error.sqlstate, "57014");
  EXPECT_TRUE(RunUntil(&runner, [&] { return !runner.NextDeadline(); }));
  EXPECT_TRUE(Await("wait_event = 'PgSleep'", "0"));
}

TEST_F(RunnerTest, KilledConnectionIsNotRun) {
  runner_.Start(Migration(1, database_.uri(), "CREATE TABLE a (id int); SELECT pg_sleep(600)"));
  ASSERT_TRUE(Await("wait_event = 'PgSleep'", "1"));
  Kill("wait_event = 'PgSleep'");
  BranchEvent event = NextEvent(&runner_);
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_EQ(event.error.sqlstate(), "57P01");
  event = Run("CREATE TABLE a (id int)");  // and killed while it waits for Commit()
  ASSERT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit);
  Kill("state = 'idle in transaction'");
  event = NextEvent(&runner_);
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_EQ(event.error.sqlstate(), "57P01");
  EXPECT_EQ(Count("a"), "0");
}

TEST_F(RunnerTest, KeptConnectionThatDiedIsOpenedAgain) {
  ASSERT_EQ(RunAndCommit("CREATE TABLE a (id int)").outcome, BranchOutcome::kDone);
  ASSERT_TRUE(Await("query LIKE '%DISCARD ALL' AND state = 'idle'", "1"));
  Kill("true");
  EXPECT_EQ(RunAndCommit("CREATE TABLE b (id int)").outcome, BranchOutcome::kDone);
}

TEST_F(RunnerTest, ReadyMigrationIsRolledBackByTheServerInTheEnd) {
  RunnerOptions options;
  options.ready_timeout = 100ms;
  LibpqBranchRunner runner(nullptr, options);
  runner.Start(Migration(1, database_.uri(), "CREATE TABLE a (id int)"));
  ASSERT_EQ(NextEvent(&runner).kind, BranchEvent::Kind::kReadyToCommit);
  const BranchEvent event = NextEvent(&runner);
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_EQ(event.error.sqlstate(), "25P03");
}

long ResidentKilobytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST_F(RunnerTest, LargeAnswersDoNotFillMemory) {
  const long before = ResidentKilobytes();
  EXPECT_EQ(Run("SELECT repeat('x', 1000) FROM generate_series(1, 300000)").kind,
            BranchEvent::Kind::kReadyToCommit);
  EXPECT_LT(ResidentKilobytes() - before, 30'000);
}

TEST_F(RunnerTest, ManyNoticesAreBorne) {
  const long before = ResidentKilobytes();
  EXPECT_EQ(Run("DO $$ BEGIN FOR i IN 1..100000 LOOP RAISE NOTICE '%', repeat('x', 200); END LOOP;"
                " END $$")
                .kind,
            BranchEvent::Kind::kReadyToCommit);
  EXPECT_LT(ResidentKilobytes() - before, 30'000);
}

TEST_F(RunnerTest, OverlongRowIsHungUpOn) {
  RunnerOptions options;
  options.longest_message = 1 << 20;
  LibpqBranchRunner runner(nullptr, options);
  runner.Start(Migration(1, database_.uri(), "SELECT repeat('x', 10000000)"));
  const BranchEvent event = NextEvent(&runner);
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_EQ(event.error.detail(), "the server sent a message that is too long");
}

TEST_F(RunnerTest, LongTextsAreCutAtACharacter) {
  const BranchEvent event =
      Run("DO $$ BEGIN RAISE EXCEPTION '%', 'x' || repeat('ä', 100000); END $$");
  EXPECT_EQ(event.server_error.message.size(), 8191u);
}

TEST_F(RunnerTest, LargeScriptIsSent) {
  std::string sql = "CREATE TABLE a (t text);";
  for (int row = 0; row < 3000; ++row)
    sql += "INSERT INTO a VALUES ('" + std::string(1000, 'x') + "');";
  EXPECT_EQ(RunAndCommit(sql).outcome, BranchOutcome::kDone);
  EXPECT_EQ(Client(database_.uri()).Query("SELECT count(*) FROM a"), "3000");
}

TEST_F(RunnerTest, ZeroByteIsRefused) {
  const BranchEvent event = Run(std::string("CREATE TABLE a (id int)\0;bogus", 30));
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_EQ(event.error.sqlstate(), "22021");
}

TEST_F(RunnerTest, NothingOfTheSessionReachesTheNextTask) {
  ASSERT_EQ(RunAndCommit("SET search_path = nowhere; CREATE TEMP TABLE t (id int);"
                         "PREPARE p AS SELECT 1; LISTEN l")
                .outcome,
            BranchOutcome::kDone);
  EXPECT_EQ(RunAndCommit("CREATE TABLE a (id int); DO $$ BEGIN IF to_regclass('pg_temp.t') IS NOT "
                         "NULL OR EXISTS (SELECT FROM pg_prepared_statements) THEN RAISE 'kept'; "
                         "END IF; END $$")
                .outcome,
            BranchOutcome::kDone);
  EXPECT_EQ(Client(database_.uri()).Query("SELECT to_regclass('public.a')"), "a");
}

TEST_F(RunnerTest, TasksOfOneKeyRunInOrderOnOneConnection) {
  runner_.Start(Migration(1, database_.uri(), "CREATE TABLE a (id int)"));
  runner_.Start(
      Migration(2, database_.uri(), "ALTER TABLE a ADD pid int DEFAULT pg_backend_pid()"));
  EXPECT_EQ(NextEvent(&runner_).id, 1u);
  EXPECT_EQ(runner_.connections(), 1u);
  runner_.Commit(1);
  EXPECT_EQ(NextEvent(&runner_).id, 1u);
  BranchEvent event = NextEvent(&runner_);
  EXPECT_EQ(event.id, 2u);
  EXPECT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit);
  EXPECT_EQ(Backends("pid <> pg_backend_pid()"), "1");
}

TEST_F(RunnerTest, IdleConnectionIsClosedAndNothingIsArmed) {
  RunnerOptions options;
  options.idle_close = 100ms;
  LibpqBranchRunner runner(nullptr, options);
  runner.Start(FingerprintTask(1, database_.uri()));
  EXPECT_EQ(NextEvent(&runner).outcome, BranchOutcome::kDone);
  EXPECT_EQ(runner.connections(), 1u);
  EXPECT_TRUE(RunUntil(&runner, [&] { return !runner.NextDeadline(); }));
  EXPECT_EQ(runner.connections(), 0u);
  EXPECT_TRUE(Await("true", "0"));
}

TEST_F(RunnerTest, CloseEndsAnIdleConnectionOnly) {
  runner_.Start(FingerprintTask(1, database_.uri()));
  runner_.Close("branch");
  EXPECT_EQ(NextEvent(&runner_).outcome, BranchOutcome::kDone);
  runner_.Close("branch");
  EXPECT_EQ(runner_.connections(), 0u);
}

TEST_F(RunnerTest, ConnectionsAreCapped) {
  RunnerOptions options;
  options.max_connections = 3;
  LibpqBranchRunner runner(nullptr, options);
  for (uint64_t id = 1; id <= 20; ++id) {
    BranchTask task = FingerprintTask(id, database_.uri());
    task.connection_key = "branch " + std::to_string(id);
    runner.Start(task);
  }
  std::set<uint64_t> finished;
  EXPECT_TRUE(RunUntil(&runner, [&] {
    EXPECT_LE(runner.connections(), 3u);
    for (const BranchEvent &event : runner.TakeEvents()) {
      EXPECT_EQ(event.outcome, BranchOutcome::kDone) << event.error.detail();
      finished.insert(event.id);
    }
    return finished.size() == 20;
  }));
}

TEST_F(RunnerTest, AnotherUriMeansAnotherConnection) {
  TestDatabase other;
  runner_.Start(Migration(1, database_.uri(), "CREATE TABLE a (id int)"));
  runner_.Start(Migration(2, other.uri(), "CREATE TABLE b (id int)"));
  for (uint64_t id : {1, 2}) {
    ASSERT_EQ(NextEvent(&runner_).kind, BranchEvent::Kind::kReadyToCommit);
    runner_.Commit(id);
    ASSERT_EQ(NextEvent(&runner_).outcome, BranchOutcome::kDone);
  }
  EXPECT_EQ(Client(other.uri()).Query("SELECT to_regclass('b')"), "b");
}

TEST_F(RunnerTest, FateOfATransactionIsTold) {
  BranchEvent ready = Run("CREATE TABLE a (id int)");
  const auto ask = [&](const std::string &transaction) {
    BranchTask task = FingerprintTask(++last_id_, database_.uri());
    task.kind = BranchTaskKind::kTransactionStatus;
    task.connection_key = "other";
    task.transaction_id = transaction;
    runner_.Start(task);
    return NextEvent(&runner_);
  };
  EXPECT_EQ(ask(ready.transaction_id).fate, TransactionFate::kInProgress);
  runner_.Commit(ready.id);
  ASSERT_EQ(NextEvent(&runner_).outcome, BranchOutcome::kDone);
  EXPECT_EQ(ask(ready.transaction_id).fate, TransactionFate::kCommitted);
  ready = Run("CREATE TABLE b (id int); CREATE TABLE c (id int)");
  runner_.Cancel(ready.id);
  ASSERT_TRUE(Await("state LIKE 'idle in%'", "0"));
  EXPECT_EQ(ask(ready.transaction_id).fate, TransactionFate::kAborted);
  EXPECT_EQ(ask("3").fate, TransactionFate::kTooOld);
  EXPECT_EQ(ask("99999999999").outcome, BranchOutcome::kRejected);
  EXPECT_EQ(ask("1'; DROP TABLE a; --").outcome, BranchOutcome::kNotRun);
}

TEST_F(RunnerTest, WhatEndedTheConnectionIsToldFromWhatFoundNone) {
  const BranchEvent ended = Run("SELECT pg_terminate_backend(pg_backend_pid())");
  EXPECT_EQ(ended.outcome, BranchOutcome::kNotRun);
  EXPECT_TRUE(ended.sent);
  EXPECT_EQ(ended.error.sqlstate(), "57P01");
  const BranchEvent long_row = Run("SELECT repeat('x', 20000000)");
  EXPECT_EQ(long_row.outcome, BranchOutcome::kNotRun);
  EXPECT_TRUE(long_row.sent);
  runner_.Start(Migration(++last_id_, ServerUri("there_is_none"), "SELECT 1"));
  const BranchEvent none = NextEvent(&runner_);
  EXPECT_EQ(none.outcome, BranchOutcome::kNotRun);
  EXPECT_FALSE(none.sent);
}

TEST_F(RunnerTest, OverlongRowIsHungUpOnOverTlsToo) {
  if (!std::getenv("AGENT_BRANCH_TEST_TLS")) GTEST_SKIP() << "the server has no certificate";
  for (const char *mode : {"disable", "require"}) {
    runner_.Start(Migration(++last_id_, database_.uri() + "?sslmode=" + mode,
                            "SELECT repeat('x', 20000000)"));
    const BranchEvent event = NextEvent(&runner_);
    EXPECT_EQ(event.outcome, BranchOutcome::kNotRun) << mode;
    EXPECT_NE(event.error.detail().find("too long"), std::string::npos) << event.error.detail();
  }
}

TEST_F(RunnerTest, TimesWithoutAnEndAreTimes) {
  BranchTask task = Migration(1, database_.uri(), "SELECT 1");
  task.statements = 200;
  task.statement_timeout = task.connect_timeout = task.script_timeout =
      std::chrono::milliseconds::max();
  runner_.Start(task);
  const BranchEvent event = NextEvent(&runner_);
  EXPECT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit) << event.error.message();
}

TEST_F(RunnerTest, NoticesAreKept) {
  const BranchEvent event =
      Run("DO $$ BEGIN RAISE NOTICE 'first' USING DETAIL = 'more', HINT = 'do', ERRCODE = '01ABC'; "
          "RAISE WARNING 'second open sesame'; END $$");
  ASSERT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit);
  ASSERT_EQ(event.notices.size(), 2u);
  EXPECT_EQ(event.notices[0].severity, "NOTICE");
  EXPECT_EQ(event.notices[0].sqlstate, "01ABC");
  EXPECT_EQ(event.notices[0].message, "first");
  EXPECT_EQ(event.notices[0].detail, "more");
  EXPECT_EQ(event.notices[0].hint, "do");
  EXPECT_EQ(event.notices[0].first, 1);
  EXPECT_EQ(event.notices[0].last, 1);
  EXPECT_TRUE(event.notices[0].in_do_block);
  EXPECT_EQ(event.notices[1].severity, "WARNING");
  EXPECT_EQ(event.notices[1].message, "second ***");
  runner_.Commit(event.id);
  EXPECT_EQ(NextEvent(&runner_).notices.size(), 2u);
  EXPECT_TRUE(RunAndCommit("SELECT 1").notices.empty()) << "those of another task";
  const BranchEvent failed = Run("DO $$ BEGIN RAISE NOTICE 'before'; END $$; SELECT 1/0");
  EXPECT_EQ(failed.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(failed.notices.size(), 1u);
}

TEST_F(RunnerTest, NoticesAreBounded) {
  const BranchEvent many =
      Run("DO $$ BEGIN FOR i IN 1..1000 LOOP RAISE NOTICE '%', i; END LOOP; END $$");
  ASSERT_EQ(many.notices.size(), 100u);
  EXPECT_EQ(many.notices.back().message, "100");
  EXPECT_EQ(many.notices_dropped, 900);
  runner_.Cancel(many.id);
  const BranchEvent large =
      Run("DO $$ BEGIN FOR i IN 1..20 LOOP RAISE NOTICE '%', repeat('x', 6000); END LOOP; END $$");
  EXPECT_EQ(large.notices.size(), 10u);  // of 6,006 bytes
  EXPECT_EQ(large.notices_dropped, 10);
}

}  // namespace
}  // namespace agent_branch::testing
