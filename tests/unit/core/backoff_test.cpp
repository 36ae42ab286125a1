#include "worker/core/base/backoff.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/core/fakes.hpp"

namespace agent_branch {
namespace {

constexpr BackoffPolicy kPolicy{milliseconds(250), milliseconds(5'000)};

TEST(Backoff, CeilingDoublesUpToTheCap) {
  FakeRandom half(0.5);
  const int expected[] = {125, 250, 500, 1'000, 2'000, 2'500, 2'500};
  for (int attempt = 1; attempt <= 7; ++attempt)
    EXPECT_EQ(BackoffDelay(kPolicy, attempt, half), milliseconds(expected[attempt - 1]));
}

TEST(Backoff, DelayIsWithinTheCeilingAndNotNothing) {
  FakeRandom none(0.0);
  FakeRandom most(0.999999);
  for (int attempt = 1; attempt <= 30; ++attempt) {
    EXPECT_EQ(BackoffDelay(kPolicy, attempt, none), milliseconds(10));
    EXPECT_LE(BackoffDelay(kPolicy, attempt, most), milliseconds(5'000));
  }
  EXPECT_EQ(BackoffDelay(kPolicy, 1, most), milliseconds(249));
}

TEST(Backoff, AttemptsOfAnyNumberAreBounded) {
  FakeRandom half(0.5);
  EXPECT_EQ(BackoffDelay(kPolicy, std::numeric_limits<int>::max(), half), milliseconds(2'500));
  EXPECT_EQ(BackoffDelay(kPolicy, 0, half), milliseconds(125));
  EXPECT_EQ(BackoffDelay(kPolicy, -5, half), milliseconds(125));
}

}  // namespace
}  // namespace agent_branch
