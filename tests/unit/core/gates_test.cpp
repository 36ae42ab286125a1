#include "worker/core/merge/gates.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"
#include "worker/core/base/json.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

GateRow Gate(const std::string &name, const std::string &sql, bool on_parent = false) {
  GateRow gate;
  gate.name = name;
  gate.sql = sql;
  gate.on_parent = on_parent;
  return gate;
}

void SetGates(EngineDriver *driver, std::vector<GateRow> gates) {
  driver->store.projects.at(1).gates = std::move(gates);
  driver->Restart();
}

// What a restore asks of the branch besides: whether it is what the gates saw.
bool IsGate(const BranchTask &task) {
  return task.kind == BranchTaskKind::kGate &&
         task.sql.find("pg_current_snapshot") == std::string::npos;
}

Strings Asked(const EngineDriver &driver) {
  Strings asked;
  for (const BranchTask &task : driver.branches.started) {
    if (IsGate(task))
      asked.push_back(std::string(task.uri.Reveal().find("ep-br-dev.") != std::string_view::npos
                                      ? "parent: "
                                      : "branch: ") +
                      task.sql);
  }
  return asked;
}

TEST(GateAnswer, NoRowOrOneThatIsTrueHolds) {
  struct {
    const char *answer;
    bool holds;
  } const table[] = {
      {"[]", true},
      {R"(["{\"ok\": true}"])", true},
      {R"(["{\"ok\": false}"])", false},
      {R"(["{\"ok\": null}"])", false},
      {R"(["{\"count\": 0}"])", false},
      {R"(["{\"ok\": \"true\"}"])", false},
      {R"(["{\"ok\": true}", "{\"ok\": true}"])", false},
      {R"(["{\"ok\": true, \"id\": 7}"])", false},
      {R"(["true"])", false},
      {R"(["{\"ok\": tr"])", false},
  };
  for (const auto &row : table) {
    GateAnswer gate;
    EXPECT_TRUE(ReadGateAnswer(row.answer, &gate).ok()) << row.answer;
    EXPECT_EQ(gate.holds, row.holds) << row.answer;
  }
  for (const char *malformed : {"", "{}", "[1]", "[[]]", "[null]", "nope"}) {
    GateAnswer gate;
    EXPECT_EQ(ReadGateAnswer(malformed, &gate).sqlstate(), "22P02") << malformed;
    EXPECT_FALSE(gate.holds) << malformed;
  }
}

TEST(GateAnswer, CounterexamplesAreBoundedAndCanBeStored) {
  const std::string row = R"("{\"id\": 1}")";
  GateAnswer gate;
  ASSERT_TRUE(
      ReadGateAnswer("[" + row + "," + row + "," + row + "," + row + "," + row + "," + row + "]",
                     &gate)
          .ok());
  EXPECT_EQ(gate.rows.size(), 5U);
  EXPECT_TRUE(gate.more);
  // A row that was cut, one with a character that jsonb does not take, and one that is no JSON.
  GateAnswer odd;
  ASSERT_TRUE(
      ReadGateAnswer(R"(["{\"text\": \"aaa", "{\"text\": \"\\u0000\"}", "\u0007nope"])", &odd)
          .ok());
  for (const std::string &kept : odd.rows) {
    Result<JsonDocument> read = ParseJson(kept);
    ASSERT_TRUE(read.ok()) << kept;
    EXPECT_TRUE(read->IsString()) << kept;
    EXPECT_EQ(std::string(read->GetString()).find('\0'), std::string::npos) << kept;
  }
  EXPECT_EQ(odd.rows[2], "\" nope\"");
  Result<JsonDocument> all = ParseJson(GatesJson({gate, odd}));
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->Size(), 2U);
}

TEST(Gates, ThatHoldLetEveryStrategyGoOnAndAreNoted) {
  for (const char *strategy : {"replay", "restore", "candidate"}) {
    EngineDriver driver;
    SetGates(&driver, {Gate("a", "SELECT 1"), Gate("b", "SELECT 2", true)});
    driver.branches.gates["SELECT 2"] = R"(["{\"ok\": true}"])";
    int64_t id = driver.MigratedSession("one", "m1");
    driver.store.Merge(id, strategy);
    ASSERT_TRUE(driver.RunUntilFinished(id)) << strategy << driver.Row(id).error;
    EXPECT_EQ(driver.store.MergeOf(id).status, "merged") << strategy;
    EXPECT_EQ(Asked(driver), (Strings{"branch: SELECT 1", "parent: SELECT 2"})) << strategy;
    Result<JsonDocument> noted = ParseJson(driver.store.MergeOf(id).gates);
    ASSERT_TRUE(noted.ok() && noted->IsArray() && noted->Size() == 2) << strategy;
    EXPECT_EQ(JsonString(&(*noted)[0], "sql"), "SELECT 1");
    EXPECT_TRUE(JsonBool(&(*noted)[0], "holds"));
    EXPECT_EQ(JsonString(&(*noted)[1], "on"), "parent");
  }
}

TEST(Gates, ThatDoNotHoldRefuseEveryStrategyAndTouchNothing) {
  for (const char *strategy : {"replay", "restore", "candidate", "auto"}) {
    EngineDriver driver;
    SetGates(&driver, {Gate("no orphans", "SELECT o"), Gate("holds", "SELECT h"),
                       Gate("unreadable", "FAIL")});
    driver.branches.gates["SELECT o"] = R"(["{\"id\": 7}", "{\"id\": 8}"])";
    int64_t id = driver.MigratedSession("one", "m1");
    driver.store.Merge(id, strategy);
    ASSERT_TRUE(driver.RunUntilState(id, SessionState::kConflict)) << strategy;
    driver.RunUntilIdle();
    EXPECT_EQ(driver.neon.Dev().data, Strings{}) << strategy;
    EXPECT_EQ(driver.neon.Count("POST /branches/br-dev/restore"), 0U) << strategy;
    EXPECT_EQ(driver.store.MergeOf(id).status, "conflict");
    EXPECT_EQ(driver.Row(id).error,
              "2 gates do not hold\nGate \"no orphans\" returns 2 rows, the first of them "
              "{\"id\": 7}; gate \"unreadable\" could not be asked: relation \"orders\" does not "
              "exist.")
        << strategy;
    EXPECT_NE(driver.Row(id).error_hint, "");
    ASSERT_EQ(driver.store.conflicts.size(), 2U) << strategy;
    EXPECT_EQ(driver.store.conflicts[0].object, "gate no orphans");
    EXPECT_EQ(driver.store.conflicts[0].change, "refused");
    EXPECT_EQ(driver.store.conflicts[0].counterexamples, R"([{"id": 7},{"id": 8}])");
    EXPECT_EQ(driver.store.conflicts[1].change, "failed");
    EXPECT_EQ(driver.store.conflicts[1].counterexamples, "");
    EXPECT_FALSE(driver.BranchOf(id)->expires_at.empty()) << strategy;
    // Mended, the same merge goes through.
    driver.branches.gates.clear();
    driver.store.projects.at(1).gates.pop_back();
    driver.Restart();
    driver.store.Merge(id, strategy);
    ASSERT_TRUE(driver.RunUntilFinished(id)) << strategy << driver.Row(id).error;
    EXPECT_EQ(driver.neon.Dev().data, Strings{"m1"}) << strategy;
  }
}

TEST(Gates, OfACandidateAreAskedOnTheCandidate) {
  EngineDriver driver;
  SetGates(&driver, {Gate("a", "SELECT 1")});
  int64_t id = driver.MigratedSession("one", "m1");
  const std::string first = driver.Row(id).branch_id;
  driver.store.Merge(id, "candidate");
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  size_t asked = 0;
  for (const BranchTask &task : driver.branches.started) {
    if (!IsGate(task)) continue;
    ++asked;
    EXPECT_EQ(task.uri.Reveal().find("ep-" + first + "."), std::string_view::npos);
  }
  EXPECT_EQ(asked, 1U);
}

TEST(Gates, SessionThatChangedNothingAsksNone) {
  EngineDriver driver;
  SetGates(&driver, {Gate("a", "FAIL")});
  int64_t id = driver.ReadySession("one");
  driver.store.Merge(id, "auto");
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(Asked(driver), Strings{});
}

TEST(Gates, HaveTheirOwnTimeWhereItIsShorterThanTheProjects) {
  EngineDriver driver;
  std::vector<GateRow> gates{Gate("a", "SELECT 1"), Gate("b", "SELECT 2")};
  gates[0].timeout = milliseconds(250);
  gates[1].timeout = milliseconds(86'400'000);
  SetGates(&driver, gates);
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntilFinished(id));
  std::vector<int64_t> times;
  for (const BranchTask &task : driver.branches.started)
    if (IsGate(task)) times.push_back(task.statement_timeout.count());
  EXPECT_EQ(times, (std::vector<int64_t>{250, 600'000}));
}

TEST(Gates, BranchThatCannotBeReachedIsAskedAgain) {
  EngineDriver driver;
  SetGates(&driver, {Gate("a", "SELECT 1")});
  int64_t id = driver.MigratedSession("one", "m1");
  driver.store.Merge(id, "restore");
  ASSERT_TRUE(driver.RunUntil([&] { return driver.Row(id).state == SessionState::kMerging; }));
  driver.branches.next_outcomes = {BranchOutcome::kNotRun, BranchOutcome::kNotRun};
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.store.MergeOf(id).status, "merged");
}

}  // namespace
}  // namespace agent_branch
