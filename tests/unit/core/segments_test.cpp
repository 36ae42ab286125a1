#include "worker/core/script/segments.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/fake_scripts.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

std::vector<Segment> SegmentsOf(const std::string &sql) {
  return SplitIntoSegments(FakeScripts().Read(sql));
}

Strings TextsOf(const std::string &sql) {
  Strings texts;
  for (const Segment &segment : SegmentsOf(sql))
    texts.push_back(sql.substr(segment.offset, segment.length));
  return texts;
}

TEST(Segments, OneTransactionIsTheTextAsItStands) {
  EXPECT_EQ(TextsOf("a; b; c"), Strings{"a; b; c"});
  EXPECT_EQ(SegmentsOf("a; b; c").front().count, 3u);
  EXPECT_EQ(TextsOf(""), Strings{""});
}

TEST(Segments, StatementThatRunsAloneIsASegment) {
  EXPECT_EQ(TextsOf("a; b; VACUUM; c"), (Strings{"a; b", "VACUUM", "c"}));
  EXPECT_EQ(TextsOf("VACUUM; VACUUM"), (Strings{"VACUUM", "VACUUM"}));
  const std::vector<Segment> segments = SegmentsOf("a; INDEX i t; c");
  EXPECT_EQ(segments[1].non_transactional, NonTransactional::kCreateIndex);
  EXPECT_EQ(segments[1].first, 1u);
  EXPECT_EQ(segments[2].column, 15);
}

TEST(Segments, NewEnumValueEndsItsTransaction) {
  EXPECT_EQ(TextsOf("a; VALUE; b; c"), (Strings{"a; VALUE", "b; c"}));
  EXPECT_EQ(TextsOf("a; VALUE"), Strings{"a; VALUE"});
}

TEST(Segments, SettingsAreSetAgainForWhatFollows) {
  const std::vector<Segment> segments = SegmentsOf("SET a; VACUUM; SET b; VACUUM");
  ASSERT_EQ(segments.size(), 4u);
  EXPECT_TRUE(segments[0].settings.empty());
  EXPECT_EQ(segments[1].settings, Strings{"SET a"});
  EXPECT_EQ(segments[3].settings, (Strings{"SET a", "SET b"}));
}

}  // namespace
}  // namespace agent_branch
