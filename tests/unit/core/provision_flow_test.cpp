#include "worker/core/upkeep/provision_flow.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/fake_account.hpp"

namespace agent_branch {
namespace {

// One project of ours, with both branches, registered once.
void ExpectMadeOnce(const ProvisionDriver &driver, const std::string &when, size_t others = 0) {
  ASSERT_EQ(driver.account.projects.size(), others + 1) << when;
  const AccountProject &made = driver.account.projects.back();
  ASSERT_EQ(made.branches.size(), 2U) << when;
  EXPECT_EQ(made.branches[0].name, "production") << when;
  EXPECT_EQ(made.branches[1].name, "development") << when;
  EXPECT_EQ(made.branches[1].parent_id, made.branches[0].id) << when;
  EXPECT_EQ(driver.table.registered, std::vector<std::string>{made.id}) << when;
  EXPECT_TRUE(driver.table.rows.empty()) << when;
}

TEST(ProvisionFlow, EachChangeIsWrittenDownBeforeItIsSent) {
  ProvisionDriver driver;
  driver.account.look = [&](const HttpRequest &request) {
    EXPECT_TRUE(request.method == "GET" || driver.table.rows.at(7).asked) << request.url;
  };
  ASSERT_TRUE(driver.RunUntilRegistered());
  ExpectMadeOnce(driver, "");
  EXPECT_EQ(driver.account.Count("POST"), 2U);
  EXPECT_TRUE(driver.table.shown.empty()) << driver.table.shown.front();
}

TEST(ProvisionFlow, WhateverIsLostItIsMadeOnce) {
  const std::vector<Fault> faults = {Fault::Lose(Fault::Kind::kLoseRequest),
                                     Fault::Lose(Fault::Kind::kLoseAnswer),
                                     Fault::Repeat(502, "bad gateway"),
                                     Fault::Answer(503),
                                     Fault::Answer(423),
                                     Fault::Answer(401)};
  for (size_t kind = 0; kind < faults.size(); ++kind) {
    for (size_t number = 1; number < 12; ++number) {
      ProvisionDriver driver;
      driver.account.faults[number] = faults[kind];
      const std::string when =
          "fault " + std::to_string(kind) + " at request " + std::to_string(number);
      ASSERT_TRUE(driver.RunUntilRegistered()) << when;
      ExpectMadeOnce(driver, when);
      if (driver.account.calls.size() < number) break;
    }
  }
}

TEST(ProvisionFlow, WhereverTheWorkerDiesItIsMadeOnce) {
  for (const bool arrive : {true, false}) {
    for (size_t number = 1; number < 12; ++number) {
      ProvisionDriver driver;
      driver.CrashAt(number, arrive);
      const std::string when = "crash at request " + std::to_string(number) +
                               (arrive ? ", which arrives" : ", which is lost");
      ASSERT_TRUE(driver.RunUntilRegistered()) << when;
      ExpectMadeOnce(driver, when);
    }
  }
}

TEST(ProvisionFlow, WhicheverWriteFailsItIsMadeOnce) {
  for (int number = 1; number < 8; ++number) {
    ProvisionDriver driver;
    driver.table.failing_write = number;
    ASSERT_TRUE(driver.RunUntilRegistered()) << number;
    ExpectMadeOnce(driver, "write " + std::to_string(number) + " fails");
  }
}

// A look at the list comes before the project is in it.
TEST(ProvisionFlow, ProjectThatShowsLateIsNotMadeAgain) {
  ProvisionDriver driver;
  driver.account.shows_after = milliseconds(6'000);
  driver.account.faults[1] = Fault::Lose(Fault::Kind::kLoseAnswer);
  ASSERT_TRUE(driver.RunUntilRegistered());
  ExpectMadeOnce(driver, "");
}

TEST(ProvisionFlow, OthersProjectsOfThatNameAreLeftAlone) {
  ProvisionDriver driver;
  driver.account.Add("shop", "another's");
  driver.account.Add("shop", "");
  // Deleted since the list was made.
  driver.account.Add("shop", "another's").forgets_branches = true;
  driver.account.Add("shop for tea", "another's");
  driver.account.page_size = 1;
  driver.account.faults[1] = Fault::Lose(Fault::Kind::kLoseAnswer);
  ASSERT_TRUE(driver.RunUntilRegistered());
  ExpectMadeOnce(driver, "", 4);
  EXPECT_EQ(driver.account.Count("POST /projects/project-1/"), 0U);
}

TEST(ProvisionFlow, PlanMaySetTheSizesOfComputes) {
  ProvisionDriver driver;
  driver.account.sets_computes = true;
  ASSERT_TRUE(driver.RunUntilRegistered());
  ExpectMadeOnce(driver, "");
  EXPECT_EQ(driver.account.Count("POST"), 4U);
}

TEST(ProvisionFlow, OperationThatFailsIsShownAndGoneOnWith) {
  ProvisionDriver driver;
  driver.account.operations_fail = true;
  ASSERT_TRUE(driver.RunUntilRegistered());
  ExpectMadeOnce(driver, "");
  ASSERT_FALSE(driver.table.shown.empty());
  EXPECT_NE(driver.table.shown.front().find("could not make the project"), std::string::npos)
      << driver.table.shown.front();
}

TEST(ProvisionFlow, ListWithoutAnEndIsGivenUp) {
  ProvisionDriver driver;
  driver.account.endless = true;
  driver.account.faults[1] = Fault::Lose(Fault::Kind::kLoseAnswer);
  const auto told = [&] {
    return !driver.table.shown.empty() &&
           driver.table.shown.back().find("does not end") != std::string::npos;
  };
  driver.Restart(true);
  for (int turn = 0; turn < 2'000 && !told(); ++turn) {
    driver.Turn();
    driver.clock.Advance(milliseconds(100));
  }
  ASSERT_TRUE(told());
  EXPECT_EQ(driver.account.Count("GET /projects?"), 100U);
  EXPECT_EQ(driver.account.Count("POST"), 1U);
}

}  // namespace
}  // namespace agent_branch
