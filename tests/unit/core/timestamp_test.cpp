#include "worker/core/base/timestamp.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

// By `date -u -d 2026-06-09T18:02:16Z +%s`.
constexpr int64_t kSample = 1'781'028'136;

TEST(Timestamp, FormatIsRfc3339) {
  EXPECT_EQ(FormatTimestamp(kSample), "2026-06-09T18:02:16Z");
  EXPECT_EQ(FormatTimestamp(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatTimestamp(951'782'400), "2000-02-29T00:00:00Z");
  EXPECT_EQ(FormatTimestamp(-62'135'596'800), "0001-01-01T00:00:00Z");
}

TEST(Timestamp, WhatIsWrittenIsReadTheSame) {
  for (int64_t time = 1; time < 4'000'000'000; time += 86'399 * 17)
    ASSERT_EQ(ParseTimestamp(FormatTimestamp(time)), time);
}

TEST(Timestamp, OffsetsAreTakenOff) {
  EXPECT_EQ(ParseTimestamp("2026-06-09T18:02:16Z"), kSample);
  EXPECT_EQ(ParseTimestamp("2026-06-09t18:02:16z"), kSample);
  EXPECT_EQ(ParseTimestamp("2026-06-09T20:02:16+02:00"), kSample);
  EXPECT_EQ(ParseTimestamp("2026-06-09T12:32:16-05:30"), kSample);
  EXPECT_EQ(ParseTimestamp("2026-06-10T00:02:16+06:00"), kSample);
}

TEST(Timestamp, FractionsAreCutOff) {
  EXPECT_EQ(ParseTimestamp("2026-06-09T18:02:16.9Z"), kSample);
  EXPECT_EQ(ParseTimestamp("2026-06-09T18:02:16.000001+00:00"), kSample);
  EXPECT_EQ(ParseTimestamp("2026-06-09T18:02:16.123456789Z"), kSample);
}

TEST(Timestamp, GarbageIsZero) {
  for (const char *text : {"",
                           "now",
                           "2026-06-09",
                           "2026-06-09T18:02:16",
                           "2026-06-09 18:02:16Z",
                           "2026-06-09T18:02:16.Z",
                           "2026-06-09T18:02Z",
                           "2026-06-09T18:02:16+0200",
                           "2026-06-09T18:02:16+2:00",
                           "2026-06-09T18:02:16+ 2:00",
                           "2026-06-09T18:02:16+99:00",
                           "2026-06-09T18:02:16Zx",
                           "2026-06-09T18:02:16ZZ",
                           "2026-13-09T18:02:16Z",
                           "2026-00-09T18:02:16Z",
                           "2026-06-31T18:02:16Z",
                           "2026-02-29T18:02:16Z",
                           "2026-06-09T24:02:16Z",
                           "2026-06-09T18:60:16Z",
                           "2026-06-09T18:02:61Z",
                           " 2026-06-09T18:02:16Z",
                           "2026-6-9T18:02:16Z",
                           "2026- 6-09T18:02:16Z",
                           "+026-06-09T18:02:16Z",
                           "12026-06-09T18:02:16Z",
                           "0000-00-00T00:00:00Z",
                           "\xff\xff"})
    EXPECT_EQ(ParseTimestamp(text), 0) << text;
  EXPECT_EQ(ParseTimestamp(std::string_view("2026-06-09T18:02:16Z\0x", 22)), 0);
  EXPECT_EQ(ParseTimestamp(std::string(100'000, '9')), 0);
  EXPECT_EQ(ParseTimestamp("2026-06-09T18:02:16." + std::string(100'000, '9') + "Z"), kSample);
}

}  // namespace
}  // namespace agent_branch
