#include "worker/http/retry_after.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

using std::chrono::seconds;

// 1994-11-06 08:49:37 UTC, the example of RFC 9110, 5.6.7; by `date -d ... +%s`.
constexpr std::time_t kExample = 784111777;

TEST(RetryAfter, SecondsAreTaken) {
  EXPECT_EQ(ParseRetryAfter("0", kExample), seconds(0));
  EXPECT_EQ(ParseRetryAfter("120", kExample), seconds(120));
  EXPECT_EQ(ParseRetryAfter(" 5\r\n", kExample), seconds(5));
  EXPECT_EQ(ParseRetryAfter("007", kExample), seconds(7));
}

TEST(RetryAfter, SecondsAreBounded) {
  EXPECT_EQ(ParseRetryAfter("300", kExample), seconds(300));
  EXPECT_EQ(ParseRetryAfter("301", kExample), seconds(300));
  EXPECT_EQ(ParseRetryAfter("99999999999999999999999999", kExample), seconds(300));
}

TEST(RetryAfter, DatesAreSeenFromNow) {
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", kExample - 30), seconds(30));
  EXPECT_EQ(ParseRetryAfter("Sunday, 06-Nov-94 08:49:37 GMT", kExample - 31), seconds(31));
  EXPECT_EQ(ParseRetryAfter("Sun Nov  6 08:49:37 1994", kExample - 32), seconds(32));
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", kExample + 30), seconds(0));
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", kExample - 99999), seconds(300));
}

TEST(RetryAfter, GarbageIsIgnored) {
  for (const char *garbage : {"", " ", "-5", "+5", "1.5", "5s", "soon", "1e3", "0x10", "2030-12-31",
                              "Sun", "Sun, 99 Foo 1994", "\xff\xff", "Mon5"})
    EXPECT_FALSE(ParseRetryAfter(garbage, kExample)) << garbage;
  EXPECT_EQ(ParseRetryAfter("20301231", kExample), seconds(300));  // a number of seconds
  EXPECT_FALSE(ParseRetryAfter(std::string(100'000, '1'), kExample));
}

}  // namespace
}  // namespace agent_branch
