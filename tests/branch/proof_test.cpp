// What is written to a server moves its standpoint and its catalogs' version; a migration's record
// says what it did.
#include <algorithm>
#include <sstream>

#include "tests/branch/test_support.hpp"
#include "worker/branch/record.hpp"
#include "worker/core/merge/standpoint.hpp"

namespace agent_branch::testing {
namespace {

BranchEvent Ask(BranchTaskKind kind, const std::string &uri) {
  BranchTask task = FingerprintTask(1, uri);
  task.kind = kind;
  LibpqBranchRunner runner(nullptr);
  runner.Start(task);
  BranchEvent event = NextEvent(&runner);
  EXPECT_EQ(event.outcome, BranchOutcome::kDone) << event.error.message();
  return event;
}

Standpoint Stand(const std::string &uri) {
  const BranchEvent event = Ask(BranchTaskKind::kStandpoint, uri);
  Result<Standpoint> standpoint = ReadStandpoint(event.answer);
  EXPECT_TRUE(standpoint.ok()) << event.answer;
  return standpoint.ok() ? standpoint.value() : Standpoint();
}

constexpr const char *kTables =
    "CREATE SCHEMA s; CREATE TABLE s.t (id serial PRIMARY KEY, a int); "
    "INSERT INTO s.t (a) SELECT generate_series(1, 100); "
    "CREATE SEQUENCE s.counter; SELECT nextval('s.counter'); "
    "CREATE TABLE s.parts (k int) PARTITION BY RANGE (k); "
    "CREATE TABLE s.part1 PARTITION OF s.parts FOR VALUES FROM (0) TO (10); ";

class ProofTest : public ::testing::Test {
 protected:
  ProofTest() : client_(database_.uri()) { client_.Query(kTables); }

  TestDatabase database_;
  TestDatabase other_;
  Client client_;
};

TEST_F(ProofTest, NothingMovesAnUntouchedServer) {
  const Standpoint then = Stand(database_.uri());
  EXPECT_TRUE(then.quiet);
  EXPECT_EQ(then.sequences.at("s.counter"), "1");
  for (const char *sql : {"SELECT count(*) FROM s.t", "CHECKPOINT", "VACUUM s.t"}) {
    client_.Query(sql);
    EXPECT_EQ(WhatMoved(then, Stand(database_.uri())), "") << sql;
  }
}

TEST_F(ProofTest, EveryWriteMovesAServer) {
  for (const char *sql :
       {"INSERT INTO s.t (a) VALUES (1)", "UPDATE s.t SET a = a WHERE id = 1",
        "DELETE FROM s.t WHERE id = 2", "SELECT nextval('s.counter')",
        "SELECT nextval('s.counter')", "SELECT setval('s.counter', 900)",
        "SELECT setval('s.counter', 1, false)", "TRUNCATE s.parts", "CREATE TABLE s.u ()",
        "COMMENT ON TABLE s.u IS 'x'", "SELECT lo_create(0)", "CREATE ROLE proof_role",
        "ALTER ROLE proof_role PASSWORD 'x'", "DROP ROLE proof_role",
        "BEGIN; INSERT INTO s.t (a) VALUES (1); ROLLBACK"}) {
    const Standpoint then = Stand(database_.uri());
    client_.Query(sql);
    EXPECT_NE(WhatMoved(then, Stand(database_.uri())), "") << sql;
  }
}

TEST_F(ProofTest, WritesInAnotherDatabaseMoveAServer) {
  Client elsewhere(other_.uri());
  for (const char *sql : {"CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)", "DELETE FROM t",
                          "CREATE SEQUENCE counter"}) {
    const Standpoint then = Stand(database_.uri());
    elsewhere.Query(sql);
    EXPECT_NE(WhatMoved(then, Stand(database_.uri())), "") << sql;
  }
  // Of 32 values only the first takes a transaction id: a standpoint there tells of the others.
  elsewhere.Query("SELECT nextval('counter')");
  const Standpoint there = Stand(other_.uri());
  elsewhere.Query("SELECT nextval('counter')");
  EXPECT_EQ(WhatMoved(there, Stand(other_.uri())), "sequence public.counter moved");
  const std::vector<std::string> others = Stand(database_.uri()).other_databases;
  EXPECT_NE(std::find(others.begin(), others.end(), other_.name()), others.end());
}

// Its rows come without a further id when it commits.
TEST_F(ProofTest, TransactionUnderWayIsNoProof) {
  client_.Query("BEGIN; INSERT INTO s.t (a) VALUES (1)");
  const Standpoint then = Stand(database_.uri());
  EXPECT_FALSE(then.quiet);
  client_.Query("COMMIT");
  EXPECT_EQ(WhatMoved(then, Stand(database_.uri())), "a transaction was under way before");
}

TEST_F(ProofTest, VersionChangesWithEverythingThatOnlyASuperuserReads) {
  client_.Query(
      "CREATE ROLE proof_role; CREATE SUBSCRIPTION proof_sub CONNECTION 'host=127.0.0.1' "
      "PUBLICATION x WITH (connect = false, slot_name = NONE)");
  for (const char *sql :
       {"ALTER SUBSCRIPTION proof_sub SET (binary = true)",
        "ALTER SUBSCRIPTION proof_sub SET (streaming = true)",
        "ALTER SUBSCRIPTION proof_sub SET (synchronous_commit = 'on')",
        "ALTER SUBSCRIPTION proof_sub SET (disable_on_error = true)",
        "ALTER SUBSCRIPTION proof_sub CONNECTION 'host=127.0.0.2'",
        "GRANT SET ON PARAMETER work_mem TO PUBLIC", "REVOKE SET ON PARAMETER work_mem FROM PUBLIC",
        "ALTER ROLE proof_role PASSWORD 'x'", "ALTER TYPE s.colour ADD VALUE 'green'",
        "SELECT lo_create(0)"}) {
    if (std::string(sql).find("colour") != std::string::npos)
      client_.Query("CREATE TYPE s.colour AS ENUM ('red')");
    const std::string before = Ask(BranchTaskKind::kCatalogVersion, database_.uri()).fingerprint;
    const std::string schema = Ask(BranchTaskKind::kFingerprint, database_.uri()).fingerprint;
    client_.Query(sql);
    EXPECT_NE(schema, Ask(BranchTaskKind::kFingerprint, database_.uri()).fingerprint) << sql;
    EXPECT_NE(before, Ask(BranchTaskKind::kCatalogVersion, database_.uri()).fingerprint) << sql;
  }
  client_.Query("DROP SUBSCRIPTION proof_sub");
  client_.Query("DROP ROLE proof_role");
}

TEST_F(ProofTest, VersionIsThatOfTheNewestTransactionAndNotOfTheRows) {
  const BranchEvent before = Ask(BranchTaskKind::kCatalogVersion, database_.uri());
  client_.Query("INSERT INTO s.t (a) VALUES (1); DELETE FROM s.t WHERE a = 1");
  const std::string id = client_.Query("SELECT pg_current_xact_id()");
  const BranchEvent after = Ask(BranchTaskKind::kCatalogVersion, database_.uri());
  EXPECT_EQ(before.fingerprint, after.fingerprint);
  EXPECT_EQ(before.answer, after.answer);
  EXPECT_LT(std::stoll(after.answer), std::stoll(id));
  const std::string newest = client_.Query("CREATE TABLE s.n (); SELECT pg_current_xact_id()");
  EXPECT_EQ(Ask(BranchTaskKind::kCatalogVersion, database_.uri()).answer, newest);
}

std::string RecordOf(LibpqBranchRunner *runner, uint64_t id, const std::string &uri,
                     const std::string &sql) {
  BranchTask task = Migration(id, uri, sql);
  task.record = true;
  runner->Start(task);
  const BranchEvent ready = NextEvent(runner);
  EXPECT_EQ(ready.kind, BranchEvent::Kind::kReadyToCommit) << ready.server_error.message << sql;
  runner->Commit(id);
  EXPECT_EQ(NextEvent(runner).outcome, BranchOutcome::kDone);
  return ready.record;
}

// The field of the record, as the server reads it.
std::string Field(Client *client, const std::string &record, const std::string &path) {
  return client->Query("SELECT '" + record + "'::jsonb #>> '" + path + "'");
}

TEST_F(ProofTest, RecordTellsRowsLocksFilesAndSequences) {
  LibpqBranchRunner runner(nullptr);
  const std::string record = RecordOf(
      &runner, 1, database_.uri(),
      "INSERT INTO s.t (a) SELECT generate_series(1, 5); UPDATE s.t SET a = 0 WHERE id <= 3; "
      "DELETE FROM s.t WHERE id = 7; INSERT INTO s.parts VALUES (1), (2); "
      "CREATE TEMP TABLE temporary (a int); INSERT INTO temporary VALUES (1); "
      "CREATE TABLE s.gone (a int); INSERT INTO s.gone VALUES (1); DROP TABLE s.gone");
  EXPECT_EQ(Field(&client_, record, "{rows}"),
            R"({"s.t": {"deleted": 1, "updated": 3, "inserted": 5}, )"
            R"("s.part1": {"deleted": 0, "updated": 0, "inserted": 2}})");
  EXPECT_EQ(Field(&client_, record, "{counted}"), "true");
  EXPECT_EQ(Field(&client_, record, "{rewritten}"), "[]");
  EXPECT_EQ(Field(&client_, record, "{sequences}"), R"(["s.t_id_seq"])");
  EXPECT_EQ(Field(&client_, record, "{locks,s.t}"), "RowExclusiveLock");
}

// The session's counters go on until they are sent, which a server does of its own accord once a
// second: right after it was asked what there was before, among others.
TEST_F(ProofTest, RecordCountsOneTransactionOnly) {
  LibpqBranchRunner runner(nullptr);
  RecordOf(&runner, 1, database_.uri(), "INSERT INTO s.t (a) VALUES (1), (2)");
  RecordOf(&runner, 2, database_.uri(), "INSERT INTO s.t (a) VALUES (3)");
  client_.Query("CREATE TABLE s.began AS SELECT clock_timestamp() AS at");
  while (client_.Query("SELECT clock_timestamp() > at + '1100 ms' FROM s.began") == "f") {
  }
  const std::string record =
      RecordOf(&runner, 3, database_.uri(), "INSERT INTO s.t (a) VALUES (4)");
  EXPECT_EQ(Field(&client_, record, "{rows,s.t,inserted}"), "1");
}

// What it says is not the transaction's own id: rows of its own would be others'.
TEST_F(ProofTest, RecordTellsTheIdBehindItsSubtransactions) {
  LibpqBranchRunner runner(nullptr);
  for (int subtransactions : {0, 1, 6, 100}) {
    const std::string record =
        RecordOf(&runner, 1, database_.uri(),
                 "INSERT INTO s.t (a) VALUES (1); DO $$BEGIN FOR n IN 1.." +
                     std::to_string(subtransactions) +
                     " LOOP BEGIN INSERT INTO s.t (a) VALUES (n); EXCEPTION WHEN others THEN "
                     "NULL; END; END LOOP; END$$");
    EXPECT_EQ(Field(&client_, record, "{next_xid}"), Stand(database_.uri()).next_xid);
  }
  EXPECT_EQ(Field(&client_, RecordOf(&runner, 2, database_.uri(), "SELECT 1"), "{next_xid}"), "");
}

TEST_F(ProofTest, RecordTellsTablesThatGotANewFile) {
  LibpqBranchRunner runner(nullptr);
  EXPECT_EQ(Field(&client_, RecordOf(&runner, 1, database_.uri(), "TRUNCATE s.t"), "{rewritten}"),
            R"(["s.t"])");
  std::string record = RecordOf(&runner, 2, database_.uri(),
                                "ALTER TABLE s.t ALTER a TYPE bigint; TRUNCATE s.parts");
  EXPECT_EQ(Field(&client_, record, "{rewritten}"), R"(["s.part1", "s.t"])");
  EXPECT_EQ(Field(&client_, record, "{locks,s.t}"), "AccessExclusiveLock");
  record = RecordOf(&runner, 3, database_.uri(), "ALTER TABLE s.t ADD b int DEFAULT 5");
  EXPECT_EQ(Field(&client_, record, "{rewritten}"), "[]");
}

// Nothing may come before SET TRANSACTION; what is deferred is done before it is told.
TEST_F(ProofTest, RecordDisturbsNoScript) {
  client_.Query(
      "CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO "
      "s.parts VALUES (1); RETURN NULL; END'; CREATE CONSTRAINT TRIGGER late AFTER INSERT "
      "ON s.t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION s.f()");
  LibpqBranchRunner runner(nullptr);
  const std::string record =
      RecordOf(&runner, 1, database_.uri(),
               "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET LOCAL search_path = s; "
               "INSERT INTO t (a) VALUES (1)");
  EXPECT_EQ(Field(&client_, record, "{rows,s.part1,inserted}"), "1");
}

class UnrecordedTest : public ProofTest {
 protected:
  // What is unrecorded since the last call.
  std::string Ask(const std::string &own = "[]") {
    BranchTask task = FingerprintTask(++last_id_, database_.uri());
    task.kind = BranchTaskKind::kUnrecorded;
    task.transaction_id = since_;
    task.sql = own;
    runner_.Start(task);
    BranchEvent event = NextEvent(&runner_);
    EXPECT_EQ(event.outcome, BranchOutcome::kDone) << event.error.message();
    return event.answer;
  }
  std::string Field(const std::string &answer, const std::string &path) {
    return testing::Field(&client_, answer, path);
  }

  LibpqBranchRunner runner_{nullptr};
  uint64_t last_id_ = 0;
  std::string since_ = Stand(database_.uri()).next_xid;
};

TEST_F(UnrecordedTest, TellsTheTransactionsThatAreNotOurs) {
  const std::string own = client_.Query("CREATE TABLE s.own (); SELECT pg_current_xact_id()");
  const std::string foreign =
      client_.Query("INSERT INTO s.t (a) VALUES (1); SELECT pg_current_xact_id()");
  client_.Query("BEGIN; INSERT INTO s.t (a) VALUES (1); ROLLBACK");
  const std::string answer = Ask("[[\"" + own + "\", \"" + foreign + "\"]]");
  EXPECT_EQ(Field(answer, "{foreign}"), "[\"" + foreign + "\"]");
  EXPECT_EQ(Field(answer, "{foreign_count}"), "1");
  EXPECT_EQ(Field(answer, "{written}"), R"({"s.t": 1})");
}

TEST_F(UnrecordedTest, TellsNothingWhenAllIsOurs) {
  const std::string own =
      client_.Query("INSERT INTO s.t (a) VALUES (1); SELECT pg_current_xact_id()");
  const std::string answer = Ask("[[\"" + own + "\", \"" + own + "\"]]");
  EXPECT_EQ(Field(answer, "{foreign_count}"), "0");
  EXPECT_EQ(Field(answer, "{written}"), "{}");
}

TEST_F(UnrecordedTest, RowsOfOurSubtransactionsAreOurs) {
  const std::string own = client_.Query(
      "BEGIN; DO $$BEGIN BEGIN INSERT INTO s.t (a) VALUES (1); EXCEPTION WHEN others THEN NULL; "
      "END; END$$; SELECT pg_current_xact_id()");
  client_.Query("COMMIT");
  const std::string next = Stand(database_.uri()).next_xid;
  const std::string answer = Ask("[[\"" + own + "\", \"" + next + "\"]]");
  EXPECT_EQ(Field(answer, "{foreign_count}"), "0");
  EXPECT_EQ(Field(answer, "{written}"), "{}");
}

// A transaction of somebody else's, between two of a migration's subtransactions.
TEST_F(UnrecordedTest, RowsOfOthersBetweenOurSubtransactionsAreTheirs) {
  constexpr const char *kInsert =
      "DO $$BEGIN BEGIN INSERT INTO s.t (a) VALUES (1); EXCEPTION WHEN others THEN NULL; END; "
      "END$$";
  client_.Query(std::string("BEGIN; ") + kInsert);
  Client other(database_.uri());
  other.Query("INSERT INTO s.t (a) VALUES (2)");
  client_.Query(kInsert);
  client_.Query(RecordPreparation());
  const std::string windows =
      client_.Query("SELECT current_setting('agent_branch_migration.windows')");
  client_.Query("COMMIT");
  // "1,3 4,6" as the pairs that the task takes.
  std::string own = "[";
  std::istringstream words(windows);
  for (std::string word; words >> word;) {
    const size_t comma = word.find(',');
    ASSERT_NE(comma, std::string::npos) << windows;
    own += (own.size() > 1 ? ", [\"" : "[\"") + word.substr(0, comma) + "\", \"" +
           word.substr(comma + 1) + "\"]";
  }
  const std::string answer = Ask(own + "]");
  EXPECT_EQ(Field(answer, "{foreign_count}"), "1") << windows;
  EXPECT_EQ(Field(answer, "{written}"), R"({"s.t": 1})") << windows;
}

TEST_F(UnrecordedTest, TellsTablesThatWereTruncatedAndRowsThatWereDeleted) {
  client_.Query("TRUNCATE s.parts");
  EXPECT_EQ(Field(Ask(), "{written}"), R"({"s.part1": -1})");
  {
    Client other(database_.uri());
    other.Query("DELETE FROM s.t WHERE id <= 3");
  }
  // Told when the session has ended.
  std::string answer = Ask();
  for (int tries = 0; tries < 500 && Field(answer, "{changes,s.t,deleted}") != "3"; ++tries)
    answer = Ask();
  EXPECT_EQ(Field(answer, "{changes,s.t,deleted}"), "3") << answer;
  EXPECT_NE(Field(answer, "{recent_clients}"), "");
}

TEST_F(UnrecordedTest, RefusesWhatIsNoTransactionId) {
  BranchTask task = FingerprintTask(1, database_.uri());
  task.kind = BranchTaskKind::kUnrecorded;
  task.transaction_id = "1; DROP TABLE s.t";
  runner_.Start(task);
  EXPECT_EQ(NextEvent(&runner_).outcome, BranchOutcome::kNotRun);
}

}  // namespace
}  // namespace agent_branch::testing
