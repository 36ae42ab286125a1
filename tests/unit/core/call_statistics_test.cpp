#include "worker/core/neon/call_statistics.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/calls_fixture.hpp"

namespace agent_branch {
namespace {

CallReport Took(int ms, ResponseKind kind = ResponseKind::kDone) {
  CallReport report;
  report.route = "GET branch";
  report.kind = kind;
  report.took = milliseconds(ms);
  return report;
}

TEST(CallStatistics, PercentilesLieBetweenTheBoundsOfTheirBucket) {
  RouteStatistics statistics;
  // 90 calls of at most 10 ms, of which none took less than 8, and ten of 150.
  for (int n = 0; n < 90; ++n)
    statistics.Count(Took(8));
  for (int n = 0; n < 10; ++n)
    statistics.Count(Took(150));
  EXPECT_EQ(statistics.calls, 100);
  EXPECT_EQ(statistics.took_ms, 90 * 8 + 10 * 150);
  EXPECT_EQ(statistics.longest_ms, 150);
  EXPECT_GT(statistics.Percentile(0.5), 7);
  EXPECT_LE(statistics.Percentile(0.5), 10);
  EXPECT_GT(statistics.Percentile(0.99), 140);
  EXPECT_LE(statistics.Percentile(0.99), 150);
}

TEST(CallStatistics, WhatIsBeyondTheLastBoundIsCountedToo) {
  RouteStatistics statistics;
  statistics.Count(Took(90'000));
  EXPECT_EQ(statistics.by_time.back(), 1);
  EXPECT_LE(statistics.Percentile(0.99), 90'000);
  EXPECT_GT(statistics.Percentile(0.99), 60'000);
  EXPECT_EQ(RouteStatistics{}.Percentile(0.5), 0);
}

TEST(CallStatistics, SumsAreThoseOfTheirParts) {
  RouteStatistics one;
  one.Count(Took(3));
  RouteStatistics two;
  two.Count(Took(400, ResponseKind::kBusy));
  two.Add(one);
  EXPECT_EQ(two.calls, 2);
  EXPECT_EQ(two.longest_ms, 400);
  EXPECT_EQ(two.by_kind[static_cast<size_t>(ResponseKind::kBusy)], 1);
  EXPECT_EQ(two.by_kind[static_cast<size_t>(ResponseKind::kDone)], 1);
}

struct Recorder : CallObserver {
  void OnCall(const CallReport &report) override {
    statistics.Count(report);
    statuses.push_back(report.http_status);
  }
  CallStatistics statistics;
  std::vector<int> statuses;
};

TEST(CallStatistics, EachExchangeIsCountedWithWhatItTookAndWaited) {
  CallsFixture fixture;
  Recorder recorder;
  fixture.calls = std::make_unique<ApiCalls>(
      ApiCalls::Services{&fixture.http, &fixture.journal, &fixture.keys, nullptr, &fixture.clock,
                         &fixture.random, &fixture.settings, &recorder});
  // The second change of a project waits for the first one's answer.
  fixture.Change("POST", "/a");
  fixture.Change("POST", "/b");
  fixture.Turn();
  fixture.clock.Advance(milliseconds(30));
  fixture.Answer(0, 201);
  fixture.Turn();
  fixture.clock.Advance(milliseconds(20));
  fixture.Answer(1, 423);
  const RouteStatistics &post = recorder.statistics.routes().at("POST x");
  EXPECT_EQ(recorder.statuses, (std::vector<int>{201, 423}));
  EXPECT_EQ(post.calls, 2);
  EXPECT_EQ(post.retries, 0);
  EXPECT_EQ(post.waits, 1);
  EXPECT_EQ(post.waited_ms, 30);
  EXPECT_EQ(post.took_ms, 50);
  EXPECT_EQ(post.by_kind[static_cast<size_t>(ResponseKind::kBusy)], 1);
  // It is sent once more when it may be, and that is a retry.
  fixture.clock.Advance(milliseconds(60'000));
  fixture.Turn();
  fixture.Answer(2, 201);
  EXPECT_EQ(recorder.statistics.routes().at("POST x").retries, 1);
}

}  // namespace
}  // namespace agent_branch
