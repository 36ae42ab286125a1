#include "worker/core/fixer/fix_budget.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "worker/core/fixer/repairable.hpp"

namespace agent_branch {
namespace {

TEST(FixBudget, TokensOfTheNextCallCountBeforeItIsMade) {
  FixLimits limits;
  limits.tokens = 1'000;
  FixSpending spent;
  EXPECT_TRUE(MaySpend(limits, spent, 600, 400).ok());
  spent.Add(500, 100, 0);
  EXPECT_TRUE(MaySpend(limits, spent, 200, 200).ok());
  EXPECT_EQ(MaySpend(limits, spent, 201, 200).sqlstate(), "53400");
}

TEST(FixBudget, TimeAndCostAreLimitsOfTheirOwn) {
  FixLimits limits;
  limits.seconds = 10;
  FixSpending spent;
  spent.Add(1, 1, 10'000);
  EXPECT_NE(MaySpend(limits, spent, 1, 1).message().find("time"), std::string::npos);
  limits = {};
  limits.cost = 0.5;
  limits.input_price = 2;
  limits.output_price = 10;
  spent = {};
  spent.Add(100'000, 20'000, 0);
  EXPECT_DOUBLE_EQ(spent.Cost(limits), 0.4);
  EXPECT_TRUE(MaySpend(limits, spent, 1'000, 1'000).ok());
  EXPECT_NE(MaySpend(limits, spent, 1'000, 10'000).message().find("money"), std::string::npos);
}

TEST(FixBudget, ZeroIsNoLimit) {
  FixLimits limits;
  limits.tokens = 0;
  limits.seconds = 0;
  FixSpending spent;
  spent.Add(50'000'000, 50'000'000, 1'000'000'000);
  EXPECT_TRUE(MaySpend(limits, spent, 1, 1).ok());
}

TEST(FixBudget, CountsOfAServerThatLiesDoNotOverflow) {
  FixSpending spent;
  for (int n = 0; n < 100; ++n)
    spent.Add(std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min(), -5);
  EXPECT_EQ(spent.input_tokens, 10'000'000'000);
  EXPECT_EQ(spent.output_tokens, 0);
  EXPECT_EQ(spent.milliseconds, 0);
}

TEST(FixBudget, QuotasOfTheDayAreTheRolesAndTheProjects) {
  FixQuota quota;
  EXPECT_TRUE(MaySpendToday(quota, 1'000'000'000).ok());
  quota.of_role = 100;
  quota.used_by_role = 60;
  quota.used_by_project = 1'000;
  EXPECT_TRUE(MaySpendToday(quota, 40).ok());
  EXPECT_EQ(MaySpendToday(quota, 41).sqlstate(), "53400");
  EXPECT_EQ(MaySpendToday(quota, 41).message(), "the role has used up the fixer's tokens of a day");
  quota.of_role.reset();
  quota.of_project = 1'040;
  EXPECT_TRUE(MaySpendToday(quota, 40).ok());
  EXPECT_EQ(MaySpendToday(quota, 41).message(),
            "the project has used up the fixer's tokens of a day");
}

TEST(Repairable, OnlyWhatAnotherTextMayNotHave) {
  for (const char *state : {"42P01", "42703", "42601", "23502", "23505", "42804", "42883", "42P07",
                            "2BP01", "55P04", "0A000", "22P02", "3F000"})
    EXPECT_TRUE(IsRepairable(state)) << state;
  for (const char *state : {"57014", "57P01", "53100", "53200", "53300", "08006", "40001", "40P01",
                            "55P03", "42501", "25P03", "54000", "XX000", "58030", "", "1"})
    EXPECT_FALSE(IsRepairable(state)) << state;
}

}  // namespace
}  // namespace agent_branch
