// LibpqBranchRunner against a real server: statements that run alone, and what is asked about them.
#include "tests/branch/test_support.hpp"
#include "worker/branch/look_query.hpp"

namespace agent_branch::testing {
namespace {

class AloneTest : public ::testing::Test {
 protected:
  BranchEvent Do(BranchTask task) {
    task.id = ++last_id_;
    task.connection_key = "branch";
    task.uri = Secret(database_.uri());
    runner_.Start(std::move(task));
    return NextEvent(&runner_);
  }
  BranchEvent Alone(const std::string &sql, std::vector<std::string> settings = {}) {
    BranchTask task;
    task.kind = BranchTaskKind::kRunOutsideTransaction;
    task.sql = sql;
    task.settings = std::move(settings);
    task.non_transactional.token = "1.1.1";
    return Do(std::move(task));
  }
  std::string Look(agent_branch::NonTransactional kind, const std::string &object,
                   const std::string &relation, std::vector<std::string> settings = {}) {
    BranchTask task;
    task.kind = BranchTaskKind::kInspectOutsideTransaction;
    task.non_transactional = {kind, object, relation, "1.1.1"};
    task.settings = std::move(settings);
    const BranchEvent event = Do(std::move(task));
    return event.outcome == BranchOutcome::kDone ? event.answer : event.error.message();
  }
  std::string Risks(const std::string &questions, std::vector<std::string> settings = {}) {
    BranchTask task;
    task.kind = BranchTaskKind::kRisks;
    task.sql = questions;
    task.settings = std::move(settings);
    const BranchEvent event = Do(std::move(task));
    return event.outcome == BranchOutcome::kDone ? event.answer : event.error.message();
  }
  void Execute(const std::string &sql) { Client(database_.uri()).Query(sql); }

  TestDatabase database_;
  LibpqBranchRunner runner_{nullptr};
  uint64_t last_id_ = 0;
};

TEST_F(AloneTest, StatementRunsOutsideOfATransactionWithItsSettings) {
  Execute("CREATE SCHEMA app; CREATE TABLE app.t (id int)");
  const BranchEvent event =
      Alone("CREATE INDEX CONCURRENTLY i ON t (id)", {"SET search_path = app"});
  EXPECT_EQ(event.outcome, BranchOutcome::kDone) << event.error.message();
  EXPECT_EQ(Look(NonTransactional::kCreateIndex, "i", "app.t"), "there app.i");
  // They are gone for the next one.
  EXPECT_EQ(Alone("VACUUM t").server_error.sqlstate, "42P01");
}

TEST_F(AloneTest, ErrorHasItsPlaceInTheStatement) {
  const BranchEvent event = Alone("VACUUM\n  nowhere, nope");
  EXPECT_EQ(event.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(event.server_error.sqlstate, "42P01");
  const BranchEvent syntax = Alone("VACUUM\n  (nope) t");
  EXPECT_EQ(syntax.server_error.line, 2);
  EXPECT_EQ(syntax.server_error.column, 4);
}

TEST_F(AloneTest, LostConnectionLeavesItUnknownAndTheStatementIsFoundAtWork) {
  Execute("CREATE TABLE t (id int)");
  Client holder(database_.uri());
  holder.Query("BEGIN; INSERT INTO t VALUES (1)");
  BranchTask task;
  task.id = ++last_id_;
  task.kind = BranchTaskKind::kRunOutsideTransaction;
  task.connection_key = "branch";
  task.uri = Secret(database_.uri());
  task.sql = "CREATE INDEX CONCURRENTLY i ON t (id)";
  task.non_transactional = {NonTransactional::kCreateIndex, "i", "t", "1.1.1"};
  runner_.Start(task);
  Client watcher(database_.uri());
  ASSERT_TRUE(RunUntil(&runner_, [&] {
    return watcher.Query(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
               "query LIKE '%CONCURRENTLY%'") == "1";
  }));
  LibpqBranchRunner other(nullptr);
  BranchTask look = task;
  look.kind = BranchTaskKind::kInspectOutsideTransaction;
  other.Start(look);
  EXPECT_EQ(NextEvent(&other).answer, "running");
  watcher.Query(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE "
      "wait_event_type = 'Lock' AND query LIKE '%CONCURRENTLY%'");
  EXPECT_EQ(NextEvent(&runner_).outcome, BranchOutcome::kCommitUnknown);
  EXPECT_EQ(Look(NonTransactional::kCreateIndex, "i", "t"), "half public.i");
}

TEST_F(AloneTest, WhatThereIsIsTold) {
  Execute(
      "CREATE TABLE t (id int) PARTITION BY RANGE (id);"
      "CREATE TABLE p PARTITION OF t FOR VALUES FROM (1) TO (9); CREATE INDEX \"A \"\"b\" ON p "
      "(id)");
  EXPECT_EQ(Look(NonTransactional::kCreateIndex, "\"A \"\"b\"", "p"), "there public.\"A \"\"b\"");
  EXPECT_EQ(Look(NonTransactional::kCreateIndex, "\"$object'\"", "p"), "absent");
  EXPECT_EQ(Look(NonTransactional::kCreateIndex, "i", "nowhere"), "absent");
  EXPECT_EQ(Look(NonTransactional::kDropIndex, "public.\"A \"\"b\"", ""), "there");
  EXPECT_EQ(Look(NonTransactional::kDropIndex, "i", ""), "absent");
  EXPECT_EQ(Look(NonTransactional::kDetachPartition, "p", "t"), "there");
  EXPECT_EQ(Look(NonTransactional::kDetachPartition, "t", "p"), "absent");
  EXPECT_EQ(Look(NonTransactional::kRepeatable, "", ""), "there");
}

TEST_F(AloneTest, IndexThatReindexLeftIsTold) {
  Execute("CREATE TABLE t (id int); CREATE INDEX i ON t (id); CREATE INDEX i_ccnew ON t (id)");
  EXPECT_EQ(Look(NonTransactional::kReindex, "", "t"), "there");
  Execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i_ccnew'::regclass");
  EXPECT_EQ(Look(NonTransactional::kReindex, "", "t"), "half public.i_ccnew");
  EXPECT_EQ(Look(NonTransactional::kReindex, "", "public.i"), "half public.i_ccnew");
  EXPECT_EQ(Look(NonTransactional::kReindex, "", "nowhere"), "there");
}

TEST_F(AloneTest, SizesAreThoseOfTheRelations) {
  Execute(
      "CREATE TABLE t (id int NOT NULL, \"W x\" text); INSERT INTO t VALUES (1), (2);"
      "CREATE TABLE part (id int) PARTITION BY RANGE (id);"
      "CREATE TABLE p1 PARTITION OF part FOR VALUES FROM (1) TO (9);"
      "CREATE TABLE p2 PARTITION OF part FOR VALUES FROM (9) TO (99);"
      "INSERT INTO part VALUES (1), (10), (11); CREATE VIEW v AS SELECT 1;"
      "CREATE MATERIALIZED VIEW m AS SELECT 1 WITH NO DATA");
  EXPECT_EQ(Risks(R"([{"n":0,"relation":"t","column":"id"},{"n":1,"relation":"nowhere"},)"
                  R"({"n":2,"relation":"public.t","column":"\"W x\""},{"n":3,"relation":"part"},)"
                  R"({"n":4,"relation":"v"},{"n":5,"relation":"m"}])"),
            R"([{"n": 0, "rows": 2, "bytes": 16384, "not_null": true}, )"
            R"({"n": 2, "rows": 2, "bytes": 16384, "not_null": false}, )"
            R"({"n": 3, "rows": 3, "bytes": 16384, "not_null": false}, )"
            R"({"n": 4, "rows": null, "bytes": null, "not_null": false}, )"
            R"({"n": 5, "rows": null, "bytes": 0, "not_null": false}])");
  // What is no name is no relation, from 17 on.
  const bool is_error =
      std::stoi(Client(database_.uri()).Query("SHOW server_version_num")) < 170000;
  EXPECT_EQ(Risks(R"([{"n":0,"relation":"it's $questions"}])"),
            is_error ? "invalid name syntax" : "[]");
}

TEST_F(AloneTest, SettingsDecideWhatANameMeansAndAreGoneAfter) {
  Execute("CREATE SCHEMA app; CREATE TABLE app.t (id int)");
  const std::string question = R"([{"n":0,"relation":"t"}])";
  EXPECT_EQ(Risks(question, {"SET search_path = app"}),
            R"([{"n": 0, "rows": 0, "bytes": 0, "not_null": false}])");
  EXPECT_EQ(Risks(question), "[]");
}

TEST_F(AloneTest, LargeTablesAreReckoned) {
  Execute(
      "CREATE TABLE t AS SELECT n, repeat('x', 900) AS word FROM generate_series(1, 20000) AS n;"
      "ANALYZE t");
  const std::string answer = Risks(R"([{"n":0,"relation":"t"}])");
  EXPECT_NE(answer.find("\"rows\": 20000,"), std::string::npos) << answer;
}

TEST_F(AloneTest, MigrationCountsItsRowsAndItsStatements) {
  BranchTask task;
  task.kind = BranchTaskKind::kMigrate;
  task.sql =
      "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 4);"
      "UPDATE t SET id = 0 WHERE id > 2; SELECT * FROM t; CREATE TABLE u AS SELECT * FROM t;"
      "DELETE FROM t WHERE id = 0 RETURNING id";
  BranchEvent event = Do(task);
  ASSERT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit) << event.error.message();
  EXPECT_EQ(event.rows, 4 + 2 + 4 + 2);
  runner_.Commit(event.id);
  EXPECT_EQ(NextEvent(&runner_).outcome, BranchOutcome::kDone);
  task.settings = {"SET search_path = public", "SET work_mem = '1MB'"};
  task.sql = "SELECT 1; SELECT 2; SELECT 1 / 0";
  event = Do(task);
  EXPECT_EQ(event.server_error.sqlstate, "22012");
  EXPECT_EQ(event.completed, 2);
}

TEST_F(AloneTest, ScriptThatSetsTheTimeoutAsideIsEndedAllTheSame) {
  RunnerOptions options;
  options.answer_grace = 300ms;
  LibpqBranchRunner runner(nullptr, options);
  BranchTask task =
      Migration(1, database_.uri(),
                "CREATE TABLE t (); SET LOCAL statement_timeout = 0; SELECT pg_sleep(60)");
  task.statement_timeout = 200ms;
  runner.Start(task);
  const BranchEvent event = NextEvent(&runner);
  EXPECT_EQ(event.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(event.server_error.sqlstate, "57014");
  Client watcher(ServerUri("postgres"));
  EXPECT_TRUE(RunUntil(&runner, [&] {
    return watcher.Query("SELECT count(*) FROM pg_stat_activity WHERE datname = '" +
                         database_.name() + "'") == "0";
  }));
}

TEST_F(AloneTest, TimeoutIsOneForEachStatement) {
  RunnerOptions options;
  options.answer_grace = 100ms;
  LibpqBranchRunner runner(nullptr, options);
  std::string sql;
  for (int n = 0; n < 12; ++n)
    sql += "SELECT pg_sleep(0.1);";
  BranchTask task = Migration(1, database_.uri(), sql);
  task.statement_timeout = 200ms;
  task.statements = 12;
  runner.Start(task);
  EXPECT_EQ(NextEvent(&runner).kind, BranchEvent::Kind::kReadyToCommit);
}

}  // namespace
}  // namespace agent_branch::testing
