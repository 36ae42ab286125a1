#include "worker/core/checks.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

using namespace std::string_literals;

constexpr int64_t kSecond = kMicrosecondsPerSecond;

std::string StateOf(const Status &status) {
  return status.sqlstate();
}

TEST(Checks, ProjectTextsAreShortAndPrintable) {
  EXPECT_TRUE(CheckProjectText("parent", "dev/alex \u00e9").ok());
  EXPECT_EQ(StateOf(CheckProjectText("parent", "")), "22023");
  EXPECT_EQ(CheckProjectText("parent", "").message(), "parent must not be empty");
  for (const std::string &text : {"a\nb"s, "a\0b"s, "a\x7f"s, "a\xc2\x85"s})
    EXPECT_EQ(StateOf(CheckProjectText("parent", text)), "42602");
  // 256 characters, however many bytes they have.
  std::string longest;
  for (int n = 0; n < 256; ++n)
    longest += "\u20ac";
  EXPECT_TRUE(CheckProjectText("role", longest).ok());
  EXPECT_EQ(StateOf(CheckProjectText("role", longest + "x")), "42622");
}

TEST(Checks, SessionNameFitsABranchNameTogetherWithThePrefix) {
  EXPECT_TRUE(CheckSessionName("rev-42", "agent/").ok());
  EXPECT_TRUE(CheckSessionName(std::string(250, 'x'), "agent/").ok());
  EXPECT_EQ(StateOf(CheckSessionName(std::string(251, 'x'), "agent/")), "42622");
  for (const std::string &name : {""s, " a"s, "a "s, "a\tb"s, "\x1b[31m"s})
    EXPECT_EQ(StateOf(CheckSessionName(name, "")), "42602") << name;
}

TEST(Checks, MigrationHasTextAndALimit) {
  EXPECT_TRUE(CheckMigration("SELECT 1", std::nullopt).ok());
  EXPECT_TRUE(CheckMigration("SELECT 1", "add column").ok());
  EXPECT_EQ(StateOf(CheckMigration("", std::nullopt)), "22023");
  EXPECT_EQ(StateOf(CheckMigration(" \t\r\n", std::nullopt)), "22023");
  EXPECT_TRUE(CheckMigration(std::string(1'048'576, 'x'), std::nullopt).ok());
  EXPECT_EQ(StateOf(CheckMigration(std::string(1'048'577, 'x'), std::nullopt)), "54000");
  EXPECT_EQ(StateOf(CheckMigration("SELECT 1", std::string(257, 'x'))), "42622");
}

TEST(Checks, DurationsAreWrittenForPeople) {
  EXPECT_EQ(DurationText(0), "0 s");
  EXPECT_EQ(DurationText(120 * kSecond), "2 min");
  EXPECT_EQ(DurationText(5'400 * kSecond), "1 h 30 min");
  EXPECT_EQ(DurationText(500'000), "500 ms");
  EXPECT_EQ(DurationText(90'061 * kSecond + 1'001), "1 d 1 h 1 min 1 s 1 ms 1 us");
  EXPECT_EQ(DurationText(-kSecond), "-1 s");
  EXPECT_EQ(DurationText(INT64_MIN), "-106751991 d 4 h 54 s 775 ms 808 us");
}

TEST(Checks, DurationsHaveTheirRanges) {
  EXPECT_TRUE(CheckDuration("ttl", kMaxTtl, DurationRange::kTtl).ok());
  EXPECT_EQ(StateOf(CheckDuration("ttl", kMaxTtl + 1, DurationRange::kTtl)), "22023");
  EXPECT_EQ(StateOf(CheckDuration("ttl", 0, DurationRange::kTtl)), "22023");
  EXPECT_TRUE(CheckDuration("undo", 0, DurationRange::kZeroOrMore).ok());
  EXPECT_EQ(StateOf(CheckDuration("undo", -1, DurationRange::kZeroOrMore)), "22023");
  EXPECT_TRUE(CheckDuration("t", 1, DurationRange::kPositive).ok());
  EXPECT_EQ(CheckDuration("t", -kSecond, DurationRange::kPositive).detail(), "It is -1 s.");
}

TEST(Checks, KeysGoOverPlainHttpToLoopbackOnly) {
  for (const char *url : {"https://console.neon.tech/api/v2", "HTTPS://x", "https://x:443/",
                          "https://[2001:db8::1]/x", "http://localhost:4010/api/v2",
                          "http://127.0.0.1", "http://127.9.8.7:1/", "http://[::1]:9"})
    EXPECT_TRUE(CheckApiUrl(url).ok()) << url;
  for (const char *url : {"",
                          "ftp://x",
                          "https://",
                          "https:///x",
                          "https://user@x",
                          "https://u:p@x/y",
                          "https://x?y",
                          "https://x#y",
                          "https://x:0",
                          "https://x:65536",
                          "https://x:",
                          "https://x:a",
                          "https://[::1",
                          "https://[::1]x",
                          "https://a b",
                          "https://a\\b",
                          "https://a\"b",
                          "https://a\nb",
                          "http://console.neon.tech",
                          "http://127.0.0.1.evil.org",
                          "http://127.1",
                          "http://127.0.0.x",
                          "http://localhost.evil.org",
                          "http://[::2]",
                          "http://0x7f000001",
                          "http://127.0.0.1@evil"})
    EXPECT_EQ(StateOf(CheckApiUrl(url)), "22023") << url;
}

TEST(Checks, PrefixPathAndTargetAreWhatTheyAreUsedFor) {
  EXPECT_TRUE(CheckBranchPrefix("").ok());
  EXPECT_TRUE(CheckBranchPrefix("agent/").ok());
  EXPECT_FALSE(CheckBranchPrefix(" agent").ok());
  EXPECT_FALSE(CheckBranchPrefix("a\nb").ok());
  EXPECT_FALSE(CheckBranchPrefix(std::string(129, 'x')).ok());
  EXPECT_TRUE(CheckPath("").ok());
  EXPECT_TRUE(CheckPath("/etc/key").ok());
  EXPECT_FALSE(CheckPath("etc/key").ok());
  EXPECT_TRUE(CheckTarget("branch").ok());
  EXPECT_TRUE(CheckTarget("parent").ok());
  EXPECT_FALSE(CheckTarget("Branch").ok());
}

TEST(Checks, LongTextsAreShownCutAtACharacter) {
  EXPECT_EQ(Shortened(std::string(80, 'x')), std::string(80, 'x'));
  EXPECT_EQ(Shortened(std::string(81, 'x')), std::string(80, 'x') + "...");
  EXPECT_EQ(Shortened(std::string(79, 'x') + "\u20ac\u20ac"), std::string(79, 'x') + "...");
  EXPECT_EQ(Quoted("a"), "\"a\"");
}

}  // namespace
}  // namespace agent_branch
