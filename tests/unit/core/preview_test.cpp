#include <gtest/gtest.h>

#include "tests/unit/core/engine_driver.hpp"
#include "worker/core/base/json.hpp"
#include "worker/core/merge/preview_flow.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;
constexpr int64_t kTicket = 4'711;

void Ask(EngineDriver *driver, int64_t session_id, const std::string &strategy = "auto",
         const std::string &on_drift = "fail", const std::string &on_unrecorded = "fail") {
  RequestRow request;
  request.kind = "preview";
  request.session_id = session_id;
  request.subject_id = kTicket;
  request.strategy = strategy;
  request.on_drift = on_drift;
  request.on_unrecorded = on_unrecorded;
  driver->store.questions.push_back(request);
  driver->store.requests_due = true;
}

JsonDocument Answered(EngineDriver *driver) {
  EXPECT_TRUE(driver->RunUntil([&] { return driver->store.previews.count(kTicket) != 0; }));
  Result<JsonDocument> read = ParseJson(driver->store.previews[kTicket]);
  EXPECT_TRUE(read.ok()) << driver->store.previews[kTicket];
  return read.ok() ? std::move(*read) : JsonDocument();
}

JsonDocument Preview(EngineDriver *driver, int64_t session_id, const std::string &strategy = "auto",
                     const std::string &on_drift = "fail",
                     const std::string &on_unrecorded = "fail") {
  driver->store.previews.clear();
  Ask(driver, session_id, strategy, on_drift, on_unrecorded);
  return Answered(driver);
}

const JsonValue &Proof(const JsonDocument &preview, const char *name) {
  return *JsonMember(JsonMember(&preview, "proofs"), name);
}

const JsonValue &StrategyOf(const JsonDocument &preview, const char *name) {
  return *JsonMember(JsonMember(&preview, "strategies"), name);
}

TEST(MergePreview, SaysWhatAMergeWouldDoAndChangesNothing) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.neon.Dev().rows["public.orders"] = 3;
  const size_t calls = driver.neon.Count("POST") + driver.neon.Count("PATCH");
  const JsonDocument preview = Preview(&driver, id);
  EXPECT_TRUE(JsonBool(&preview, "possible"));
  EXPECT_EQ(JsonString(&preview, "strategy"), "replay");
  EXPECT_EQ(JsonString(&preview, "session"), "one");
  EXPECT_FALSE(JsonBool(&Proof(preview, "still"), "holds"));
  EXPECT_NE(JsonString(&Proof(preview, "still"), "why"), "");
  EXPECT_TRUE(JsonBool(&Proof(preview, "same_schema"), "holds"));
  EXPECT_TRUE(JsonBool(&Proof(preview, "all_recorded"), "holds"));
  EXPECT_TRUE(JsonBool(&Proof(preview, "one_piece"), "holds"));
  const JsonValue *changes = JsonArray(&preview, "changes");
  ASSERT_TRUE(changes != nullptr && changes->Size() == 1);
  EXPECT_EQ(JsonString(&(*changes)[0], "object"), "m1");
  EXPECT_EQ(JsonString(&(*changes)[0], "change"), "added");
  EXPECT_EQ(JsonString(&(*changes)[0], "definition"), "definition of m1");
  EXPECT_NE(JsonString(&preview, "ddl").find("-- added: m1\ndefinition of m1\n"),
            std::string::npos);
  EXPECT_EQ(JsonArray(&preview, "parent_changes")->Size(), 0U);
  EXPECT_TRUE(JsonBool(&StrategyOf(preview, "replay"), "possible"));
  EXPECT_FALSE(JsonBool(&StrategyOf(preview, "restore"), "possible"));
  EXPECT_GT(JsonArray(&StrategyOf(preview, "restore"), "loses")->Size(), 0U);

  driver.RunUntilIdle();
  EXPECT_EQ(driver.Row(id).state, SessionState::kReady);
  EXPECT_TRUE(driver.Row(id).settled);
  EXPECT_EQ(driver.neon.Dev().data, Strings{});
  EXPECT_EQ(driver.neon.Count("POST") + driver.neon.Count("PATCH"), calls);
  EXPECT_TRUE(driver.store.conflicts.empty());
  driver.store.Merge(id, "auto");
  ASSERT_TRUE(driver.RunUntilFinished(id));
  EXPECT_EQ(driver.store.MergeOf(id).chosen, "replay");
}

TEST(MergePreview, ForetellsWhatTheMergeChooses) {
  struct {
    const char *what;
    std::function<void(EngineDriver &, int64_t)> arrange;
    const char *on_drift;
    const char *on_unrecorded;
  } const table[] = {
      {"nothing moved", [](EngineDriver &, int64_t) {}, "fail", "fail"},
      {"rows were written to the parent",
       [](EngineDriver &driver, int64_t) { driver.neon.Dev().rows["public.t"] = 1; }, "fail",
       "fail"},
      {"rows were written by hand on the branch",
       [](EngineDriver &driver, int64_t id) { driver.BranchOf(id)->rows["public.t"] = 1; }, "fail",
       "fail"},
      {"and they are to be dropped",
       [](EngineDriver &driver, int64_t id) { driver.BranchOf(id)->rows["public.t"] = 1; }, "fail",
       "drop"},
      {"rows were written on both sides",
       [](EngineDriver &driver, int64_t id) {
         driver.BranchOf(id)->rows["public.t"] = 1;
         driver.neon.Dev().rows["public.t"] = 1;
       },
       "fail", "fail"},
      {"the parent's schema moved",
       [](EngineDriver &driver, int64_t) { driver.neon.Dev().data = {"table public.t"}; }, "fail",
       "fail"},
      {"and that is to pass",
       [](EngineDriver &driver, int64_t) { driver.neon.Dev().data = {"table public.t"}; }, "rebase",
       "fail"},
  };
  for (const auto &row : table) {
    for (const char *strategy : {"auto", "replay", "restore", "candidate"}) {
      EngineDriver driver;
      int64_t id = driver.MigratedSession("one", "m1");
      row.arrange(driver, id);
      const JsonDocument preview = Preview(&driver, id, strategy, row.on_drift, row.on_unrecorded);
      driver.store.Merge(id, strategy, row.on_drift, row.on_unrecorded);
      ASSERT_TRUE(driver.RunUntil([&] {
        const std::string &status = driver.store.MergeOf(id).status;
        return status == "merged" || status == "conflict";
      })) << row.what;
      const bool merged = driver.store.MergeOf(id).status == "merged";
      EXPECT_EQ(JsonBool(&preview, "possible"), merged) << row.what << ", " << strategy;
      if (merged) {
        EXPECT_EQ(JsonString(&preview, "strategy"), driver.store.MergeOf(id).chosen)
            << row.what << ", " << strategy;
      } else {
        EXPECT_NE(JsonString(JsonMember(&preview, "refusal"), "message"), "") << row.what;
      }
    }
  }
}

TEST(MergePreview, RunsTheGates) {
  EngineDriver driver;
  GateRow gate;
  gate.name = "none";
  gate.sql = "SELECT 1";
  driver.store.projects.at(1).gates = {gate};
  driver.Restart();
  driver.branches.gates["SELECT 1"] = R"(["{\"id\": 7}"])";
  int64_t id = driver.MigratedSession("one", "m1");
  const JsonDocument preview = Preview(&driver, id);
  EXPECT_FALSE(JsonBool(&preview, "possible"));
  EXPECT_EQ(JsonString(JsonMember(&preview, "refusal"), "sqlstate"), "AB007");
  ASSERT_EQ(JsonArray(&preview, "gates")->Size(), 1U);
  EXPECT_EQ(driver.Row(id).state, SessionState::kReady);
}

TEST(MergePreview, SessionThatChangedNothingSaysSo) {
  EngineDriver driver;
  int64_t id = driver.ReadySession("one");
  const JsonDocument preview = Preview(&driver, id);
  EXPECT_EQ(JsonString(&preview, "strategy"), "nothing");
  EXPECT_TRUE(JsonBool(&preview, "possible"));
}

TEST(MergePreview, BranchThatCannotBeReachedIsAnErrorAndNoWaiting) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  driver.branches.next_outcomes = {BranchOutcome::kNotRun};
  const JsonDocument preview = Preview(&driver, id);
  EXPECT_EQ(JsonString(JsonMember(&preview, "error"), "sqlstate"), "08006");
  const JsonDocument again = Preview(&driver, id);
  EXPECT_EQ(JsonString(&again, "strategy"), "replay");
}

TEST(MergePreview, SessionThatMovesOnIsNotHeldUp) {
  EngineDriver driver;
  int64_t id = driver.MigratedSession("one", "m1");
  Ask(&driver, id);
  driver.store.Merge(id, "replay");
  ASSERT_TRUE(driver.RunUntilFinished(id)) << driver.Row(id).error;
  EXPECT_EQ(driver.store.MergeOf(id).status, "merged");
  const JsonDocument preview = Answered(&driver);
  if (JsonMember(&preview, "error") != nullptr) {
    EXPECT_EQ(JsonString(JsonMember(&preview, "error"), "sqlstate"), "55006");
  }
  // Of a session that is over, or is none.
  for (const int64_t gone : {id, int64_t{12'345}}) {
    const JsonDocument none = Preview(&driver, gone);
    EXPECT_EQ(JsonString(JsonMember(&none, "error"), "sqlstate"), "55000");
  }
}

}  // namespace
}  // namespace agent_branch
