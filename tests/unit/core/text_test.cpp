#include "worker/core/base/text.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

using namespace std::string_literals;

TEST(Text, WellFormedTextStays) {
  for (const std::string &text : {""s, "plain"s, "\u00e9\u20ac\U0001F418"s, "\U0010FFFF"s})
    EXPECT_EQ(CleanText(text, 100), text);
}

TEST(Text, CutIsAtACharacter) {
  const std::string elephant = "\U0001F418";  // four bytes
  EXPECT_EQ(CleanText("abc", 2), "ab");
  EXPECT_EQ(CleanText("a" + elephant, 4), "a");
  EXPECT_EQ(CleanText("a" + elephant, 5), "a" + elephant);
  EXPECT_EQ(CleanText("\u00e9\u00e9", 3), "\u00e9");
  EXPECT_EQ(CleanText("x", 0), "");
  EXPECT_EQ(CleanText(std::string(1'000'000, 'x'), 500).size(), 500u);
}

TEST(Text, ControlCharactersBecomeBlanks) {
  EXPECT_EQ(CleanText("a\nb\tc\rd\0e\x1b[31m\x7f"s, 100), "a b c d e [31m ");
  // U+009B, the other way to begin an escape sequence, and the ends of its range.
  EXPECT_EQ(CleanText("\xc2\x9b"s + "x\xc2\x80\xc2\x9f\xc2\xa0", 100), " x  \xc2\xa0");
  EXPECT_EQ(CleanLines("a\nb\tc\rd\0e\x7f"s, 100), "a\nb\tc d e ");
}

TEST(Text, WhatIsNoUtf8BecomesQuestionMarks) {
  struct {
    std::string bytes;
    std::string clean;
  } const table[] = {
      {"\xff\xfe", "??"},
      {"\x80", "?"},                     // a continuation alone
      {"\xc3", "?"},                     // cut off
      {"\xc3(", "?("},                   // not continued
      {"\xe2\x82", "??"},                // cut off
      {"\xe2\x28\xa1", "?(?"},           // continued wrongly
      {"\xc0\xaf", "??"},                // overlong in two bytes
      {"\xe0\x80\xaf", "???"},           // in three
      {"\xf0\x80\x80\xaf", "????"},      // in four
      {"\xed\xa0\x80", "???"},           // a surrogate
      {"\xed\x9f\xbf", "\xed\x9f\xbf"},  // the last before them
      {"\xf4\x90\x80\x80", "????"},      // beyond U+10FFFF
      {"\xf5\x80\x80\x80", "????"},
      {"a\xff\u00e9", "a?\u00e9"},
  };
  for (const auto &row : table)
    EXPECT_EQ(CleanText(row.bytes, 100), row.clean);
}

TEST(Text, AnyBytesComeOutClean) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      std::string text{static_cast<char>(first), static_cast<char>(second)};
      std::string clean = CleanText(text, 10);
      EXPECT_EQ(CleanText(clean, 10), clean);
      EXPECT_LE(clean.size(), 2u);
    }
  }
}

}  // namespace
}  // namespace agent_branch
