// What stays wrong, or is not what it was: given up where that is right, asked for anew where not.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/core/calls_fixture.hpp"
#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

// Twice what the key has in a minute: before any deletion, if their order were all.
TEST(LastingTrouble, PollsOfManyProjectsLeaveTheKeyToWhatTheyAreNot) {
  CallsFixture fixture;
  for (int n = 0; n < 1'400; ++n)
    fixture.Read("GET", "/poll", Priority::kPoll);
  for (int n = 0; n < 100; ++n)
    fixture.Read("GET", "/cleanup", Priority::kCleanup);
  size_t answered = 0;
  for (int second = 0; second < 60; ++second) {
    fixture.Turn();
    while (answered < fixture.http.sent.size())
      fixture.Answer(answered++, 200);
    fixture.clock.Advance(milliseconds(1'000));
  }
  const Strings sent = fixture.Sent();
  EXPECT_EQ(std::count(sent.begin(), sent.end(), "/cleanup"), 100);
  EXPECT_LE(std::count(sent.begin(), sent.end(), "/poll"), 700 / 3);
  EXPECT_GE(std::count(sent.begin(), sent.end(), "/poll"), 100);
}

TEST(LastingTrouble, MigrationThatEndsItsConnectionRunsThreeTimesAndFails) {
  EngineDriver driver;
  const int64_t id = driver.ReadySession("one");
  const int64_t migration = driver.store.Migrate(id, "HANG UP");
  ASSERT_TRUE(driver.RunUntilState(id, SessionState::kFailed));
  const auto runs = std::count_if(driver.branches.started.begin(), driver.branches.started.end(),
                                  [](const BranchTask &task) { return task.sql == "HANG UP"; });
  EXPECT_EQ(runs, 3);
  const MigrationRow &row = driver.store.migrations.at(migration);
  EXPECT_EQ(row.status, MigrationStatus::kFailed);
  EXPECT_EQ(row.error.sqlstate, "57P01");
  EXPECT_NE(row.error.message.find("administrator command"), std::string::npos);
  EXPECT_NE(row.error.hint.find("end its own connection"), std::string::npos);
}

// What is deleted or renamed at Neon leaves its name to another branch.
class ParentsName : public ::testing::TestWithParam<bool> {
 protected:
  void GiveItToAnother() {
    FakeBranch other = driver_.neon.Dev();
    other.id = "br-anew";
    if (GetParam()) {
      driver_.neon.Dev().name = "dev-of-before";
    } else {
      driver_.neon.branches.erase("br-dev");
    }
    driver_.neon.branches[other.id] = other;
  }
  EngineDriver driver_;
};

TEST_P(ParentsName, OfAnotherBranchMeansItsUris) {
  driver_.ReadySession("one");
  GiveItToAnother();
  const int64_t second = driver_.ReadySession("two");
  EXPECT_EQ(driver_.Row(second).parent_branch_id, "br-anew");
  EXPECT_EQ(driver_.neon.Count("GET /connection_uri?branch_id=br-anew"), 2u);
  for (const CredentialRow &row : driver_.store.credentials) {
    if (row.session_id != 0) continue;
    EXPECT_EQ(row.branch_id, "br-anew");
    EXPECT_NE(row.uri.Reveal().find("ep-br-anew"), std::string::npos);
  }
}

TEST_P(ParentsName, OfAnotherBranchIsNoParentOfWhatWasForkedBefore) {
  const int64_t id = driver_.MigratedSession("one", "m1");
  GiveItToAnother();
  driver_.neon.Dev().data.push_back("a colleague's");
  driver_.store.Merge(id, "restore");
  ASSERT_TRUE(driver_.RunUntilState(id, SessionState::kConflict));
  EXPECT_EQ(driver_.neon.Dev().data, Strings{"a colleague's"});
  EXPECT_EQ(driver_.neon.Count("POST /branches/br-anew/restore"), 0u);
}

INSTANTIATE_TEST_SUITE_P(LastingTrouble, ParentsName, ::testing::Bool(),
                         [](const auto &info) { return info.param ? "Swapped" : "Remade"; });

TEST(LastingTrouble, PasswordThatIsRefusedIsAskedForAnew) {
  EngineDriver driver;
  const int64_t id = driver.ReadySession("one");
  const std::string ask = "GET /connection_uri?branch_id=" + driver.Row(id).branch_id;
  const size_t asked = driver.neon.Count(ask);
  driver.branches.hold_migrations = true;
  const int64_t migration = driver.store.Migrate(id, "m1");
  ASSERT_TRUE(driver.RunUntil([&] {
    return !driver.branches.started.empty() && driver.branches.started.back().sql == "m1";
  }));
  driver.branches.hold_migrations = false;
  BranchEvent refused;
  refused.id = driver.branches.started.back().id;
  refused.outcome = BranchOutcome::kNotRun;
  refused.error = Status::Error("28P01", "password authentication failed");
  driver.engine->OnBranch(refused);
  ASSERT_TRUE(driver.RunUntil(
      [&] { return driver.store.migrations.at(migration).status == MigrationStatus::kApplied; }));
  EXPECT_EQ(driver.neon.Count(ask), asked + 2);
}

TEST(LastingTrouble, AnswerThatNamesAnotherBranchIsNotBelieved) {
  EngineDriver driver;
  const std::string main = BranchJson(*driver.neon.Named("main"));
  driver.neon.Expect("POST /branches",
                     Fault::Answer(201, "{\"branch\":" + main + ",\"operations\":[]}"));
  const int64_t id = driver.ReadySession("one");
  EXPECT_EQ(driver.BranchOf(id)->id, driver.Row(id).branch_id);
  driver.store.Migrate(id, "m1");
  driver.store.Discard(id);
  ASSERT_TRUE(driver.RunUntilFinished(id));
  ASSERT_NE(driver.neon.Named("main"), nullptr);
  EXPECT_EQ(driver.neon.Named("main")->data, Strings());
}

// The texts' order is that of the first reading, and a statement of it may be in effect.
TEST(LastingTrouble, TextThatIsReadOtherwiseAfterARestartEndsNothingButItsMigration) {
  EngineDriver driver;
  const int64_t id = driver.ReadySession("one");
  const int64_t other = driver.ReadySession("two");
  const int64_t migration = driver.store.Migrate(id, "VALUE v; b");
  const auto row = [&]() -> const MigrationRow & { return driver.store.migrations.at(migration); };
  ASSERT_TRUE(driver.RunUntil([&] { return row().statements_done == 1; }));
  driver.branches.lose_commit_answers = 1;
  ASSERT_TRUE(driver.RunUntil([&] { return driver.branches.lose_commit_answers == 0; }));
  driver.scripts.reads_whole = true;
  driver.Restart();
  const int64_t second = driver.store.Migrate(other, "m2");
  ASSERT_TRUE(driver.RunUntil([&] {
    return driver.store.migrations.at(second).status == MigrationStatus::kApplied &&
           (row().status == MigrationStatus::kApplied || row().status == MigrationStatus::kFailed);
  }));
  const Strings &data = driver.BranchOf(id)->data;
  EXPECT_EQ(std::count(data.begin(), data.end(), "b"), 1);
}

}  // namespace
}  // namespace agent_branch
