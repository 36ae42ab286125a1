#include "worker/core/neon/budget.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace agent_branch {
namespace {

constexpr Instant kStart{1'000'000};

struct Sends {
  std::vector<Instant> all;
  std::map<std::string, std::vector<Instant>> by_route;
};

// Sends whatever may be sent, for `length`: what is asked for is always more than what is allowed.
Sends SendGreedily(RequestBudget &budget, milliseconds length,
                   const std::vector<std::string> &routes) {
  Sends sends;
  Instant now = kStart;
  while (now < kStart + length) {
    Instant next = now + milliseconds(60'000);
    bool sent = false;
    for (const std::string &route : routes) {
      Instant when = budget.WhenAllowed(route, now);
      EXPECT_GE(when, now);
      next = std::min(next, when);
      if (when > now) continue;
      budget.Spend(route, now);
      sends.all.push_back(now);
      sends.by_route[route].push_back(now);
      sent = true;
    }
    if (!sent) now = std::max(next, now + milliseconds(1));
  }
  return sends;
}

size_t MostWithin(const std::vector<Instant> &sends, milliseconds window) {
  size_t most = 0;
  size_t first = 0;
  for (size_t last = 0; last < sends.size(); ++last) {
    while (sends[last] - sends[first] >= window)
      ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

TEST(RequestBudget, NoMinuteAndNoSecondExceedsItsLimit) {
  struct {
    int per_minute;
    int burst;
  } const settings[] = {{700, 40}, {700, 1}, {700, 700}, {60, 40},
                        {10, 5},   {2, 40},  {1, 1},     {6'000, 200}};
  for (const auto &setting : settings) {
    SCOPED_TRACE(std::to_string(setting.per_minute) + " " + std::to_string(setting.burst));
    RequestBudget budget;
    budget.Configure(setting.per_minute, setting.burst, kStart);
    Sends sends = SendGreedily(budget, milliseconds(600'000), {"a", "b"});
    EXPECT_LE(MostWithin(sends.all, milliseconds(60'000)), static_cast<size_t>(setting.per_minute));
    for (const auto &[route, times] : sends.by_route)
      EXPECT_LE(MostWithin(times, milliseconds(1'000)), static_cast<size_t>(setting.burst));
    // And it is not much less than what is allowed: of both routes, 10 minutes long.
    int allowed = std::min(10 * setting.per_minute, 2 * 600 * setting.burst);
    EXPECT_GE(static_cast<int>(sends.all.size()), allowed * 4 / 10);
  }
}

TEST(RequestBudget, BurstGoesAtOnceAndOneRoutesBurstIsNotAnothers) {
  RequestBudget budget;
  budget.Configure(700, 40, kStart);
  for (int n = 0; n < 40; ++n) {
    ASSERT_EQ(budget.WhenAllowed("a", kStart), kStart);
    budget.Spend("a", kStart);
  }
  EXPECT_EQ(budget.left(kStart), 0);
  // The bucket is empty: 660 a minute is one in 90.9 ms.
  EXPECT_EQ(budget.WhenAllowed("b", kStart), kStart + milliseconds(91));
  EXPECT_EQ(budget.WhenAllowed("a", kStart), kStart + milliseconds(1'000));
  EXPECT_EQ(budget.WhenAllowed("b", kStart + milliseconds(91)), kStart + milliseconds(91));
}

TEST(RequestBudget, ThrottledNothingGoesAndTheBucketIsEmptyThen) {
  RequestBudget budget;
  budget.Configure(700, 40, kStart);
  Instant until = kStart + milliseconds(30'000);
  budget.Throttle(until);
  EXPECT_EQ(budget.left(kStart), 0);
  EXPECT_GT(budget.WhenAllowed("a", kStart), until);
  EXPECT_EQ(budget.WhenAllowed("a", until), until + milliseconds(91));
  EXPECT_EQ(budget.left(until), 0);
  // A shorter one that comes later opens nothing.
  budget.Throttle(kStart + milliseconds(1'000));
  EXPECT_EQ(budget.WhenAllowed("a", until), until + milliseconds(91));
  EXPECT_EQ(budget.left(until + milliseconds(60'000)), 40);
}

TEST(RequestBudget, OtherSettingsLeaveSpentWhatIsSpent) {
  RequestBudget budget;
  budget.Configure(700, 40, kStart);
  for (int n = 0; n < 40; ++n)
    budget.Spend("a", kStart);
  budget.Configure(7'000, 100, kStart);
  EXPECT_EQ(budget.left(kStart), 0);
  budget.Configure(700, 10, kStart + milliseconds(60'000));
  EXPECT_EQ(budget.left(kStart + milliseconds(60'000)), 10);
}

struct CountingGuard : BudgetGuard {
  void Lock() override {
    EXPECT_FALSE(locked);
    locked = true;
    ++times;
  }
  void Unlock() override { locked = false; }
  bool locked = false;
  int times = 0;
};

TEST(RequestBudget, TwoThatShareKeepToTheLimitsTogether) {
  SpentBudget spent{};
  CountingGuard guard;
  RequestBudget one(&spent, &guard);
  RequestBudget other(&spent, &guard);
  const Instant before = kStart - milliseconds(60'000);
  one.Configure(700, 40, before);
  other.Configure(700, 40, before);
  std::vector<Instant> sends;
  // The second has something to send every other second, the first always.
  for (Instant now = kStart; now < kStart + milliseconds(180'000); now += milliseconds(10)) {
    for (RequestBudget *budget : {&one, &other}) {
      if (budget == &other && now.count() / 1'000 % 2 == 0) continue;
      while (budget->WhenAllowed("r", now) <= now && budget->Spend("r", now))
        sends.push_back(now);
    }
  }
  for (size_t n = 0; n < sends.size(); ++n) {
    auto within = [&](int64_t length) {
      return std::lower_bound(sends.begin(), sends.end(), sends[n] + milliseconds(length)) -
             sends.begin() - static_cast<ptrdiff_t>(n);
    };
    ASSERT_LE(within(60'000), 700);
    ASSERT_LE(within(1'000), 40);
  }
  EXPECT_GE(sends.size(), 2'000u);  // 11 a second
  EXPECT_GT(guard.times, 0);
  EXPECT_FALSE(guard.locked);
}

TEST(RequestBudget, WhatOneSpentTheOtherCannotSpend) {
  SpentBudget spent{};
  CountingGuard guard;
  RequestBudget one(&spent, &guard);
  RequestBudget other(&spent, &guard);
  const Instant before = kStart - milliseconds(60'000);
  one.Configure(10, 1, before);
  other.Configure(10, 1, before);
  ASSERT_EQ(other.WhenAllowed("r", kStart), kStart);
  EXPECT_TRUE(one.Spend("r", kStart));
  EXPECT_FALSE(other.Spend("r", kStart));
  EXPECT_GT(other.WhenAllowed("r", kStart), kStart);
  EXPECT_EQ(other.left(kStart), 0);
}

TEST(RequestBudget, RoutesBeyondThoseItKnowsShareOnePlace) {
  RequestBudget budget;
  budget.Configure(100'000, 40, kStart);
  for (int route = 0; route < 100; ++route)
    EXPECT_EQ(budget.WhenAllowed("route " + std::to_string(route), kStart), kStart);
  for (int n = 0; n < 40; ++n)
    EXPECT_TRUE(budget.Spend("route 98", kStart));
  EXPECT_GT(budget.WhenAllowed("route 99", kStart), kStart);
}

TEST(RequestBudget, FullBucketGrowsWithItsSettings) {
  RequestBudget budget;
  budget.Configure(700, 40, kStart);
  budget.Configure(7'000, 100, kStart);
  EXPECT_EQ(budget.left(kStart), 100);
}

TEST(RequestBudget, TimeBeforeAWorkerBeganCountsByTheSettingsRate) {
  SpentBudget spent{};
  CountingGuard guard;
  RequestBudget first(&spent, &guard);
  first.Configure(60, 30, kStart - milliseconds(600'000));
  for (int n = 0; n < 30; ++n)
    ASSERT_TRUE(first.Spend("route " + std::to_string(n), kStart));
  RequestBudget second(&spent, &guard);
  second.Configure(60, 30, kStart + milliseconds(10'000));
  EXPECT_EQ(second.left(kStart + milliseconds(10'000)), 5);  // 30 a minute
}

// A server that crashed has forgotten what was sent in the last minute; Neon has not.
TEST(RequestBudget, WhatIsSharedBeginsEmptySinceWhatWasSpentBeforeIsNotKnown) {
  SpentBudget spent{};
  CountingGuard guard;
  RequestBudget shared(&spent, &guard);
  shared.Configure(700, 40, kStart);
  EXPECT_FALSE(shared.Spend("r", kStart));
  // 660 a minute: the bucket has one after 91 ms, and is full after 3.7 s.
  EXPECT_EQ(shared.WhenAllowed("r", kStart), kStart + milliseconds(91));
  EXPECT_EQ(shared.left(kStart + milliseconds(3'700)), 40);
  RequestBudget other(&spent, &guard);
  other.Configure(700, 40, kStart + milliseconds(3'700));
  EXPECT_EQ(other.left(kStart + milliseconds(3'700)), 40);
}

}  // namespace
}  // namespace agent_branch
