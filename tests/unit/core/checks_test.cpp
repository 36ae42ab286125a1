// What only text can show; that the SQL functions use these checks is pgTAP's.
#include "worker/core/state/checks.hpp"

#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

TEST(CheckApiUrl, TakesHttpsAndLoopbackHttp) {
  for (const char *url :
       {"https://console.neon.tech/api/v2", "HTTPS://example.org", "https://example.org:8443/",
        "https://[2001:db8::1]:443/api", "http://localhost:4010/api/v2", "http://127.0.0.1/api",
        "http://127.255.0.9:1", "http://[::1]:65535/api"})
    EXPECT_TRUE(CheckApiUrl(url).ok()) << url;
}

TEST(CheckApiUrl, TakesNoHttpToAnotherHostHoweverItIsSpelt) {
  for (const char *url : {"http://console.neon.tech/api/v2", "http://localhost.evil.example/",
                          "http://127.0.0.1.evil/", "http://127.1/", "http://127.0.0.1.5/",
                          "http://127.0.0.0001/", "http://127.0.0./", "http://127..0.1/",
                          "http://[::2]/", "http://[::1].evil/", "http://[::1", "http://10.0.0.1/",
                          "http://0x7f.0.0.1/", "http://LOCALHOST.example/", "http://"})
    EXPECT_EQ(CheckApiUrl(url).sqlstate(), "22023") << url;
}

TEST(CheckProxyUrl, TakesAnyHostButNoPassword) {
  for (const char *url :
       {"", "http://proxy.example:3128", "https://proxy.example", "http://10.0.0.1:8080/"})
    EXPECT_TRUE(CheckProxyUrl(url).ok()) << url;
  for (const char *url :
       {"proxy.example:3128", "socks5://proxy.example", "http://u:p@proxy.example", "http://",
        "http://a b", "http://proxy.example/?x"})
    EXPECT_EQ(CheckProxyUrl(url).sqlstate(), "22023") << url;
}

TEST(CheckApiUrl, TakesNeitherUserNorQueryNorWhatSplitsAHeader) {
  for (const char *url :
       {"", "ftp://example.org", "file:///etc/passwd", "example.org", "https://", "https:///path",
        "https://user@example.org/", "http://localhost@evil.example/", "http://localhost:1@evil/",
        "https://example.org/?a=b", "https://example.org/#f", "https://example.org/a b",
        "https://example.org/\r\nX: y", "https://example.org\\@evil", "https://example.org:0/",
        "https://example.org:65536/", "https://example.org:/", "https://example.org:443x/"})
    EXPECT_EQ(CheckApiUrl(url).sqlstate(), "22023") << url;
}

TEST(CheckProjectText, IsShortAndPrintable) {
  EXPECT_TRUE(CheckProjectText("parent", "dev/alex \u00e9").ok());
  EXPECT_EQ(CheckProjectText("parent", "").sqlstate(), "22023");
  EXPECT_EQ(CheckProjectText("parent", "").message(), "parent must not be empty");
  for (const char *text : {"a\nb", "\x01", "a\x7f", "a\xc2\x85"})
    EXPECT_EQ(CheckProjectText("parent", text).sqlstate(), "42602");
  EXPECT_EQ(CheckProjectText("parent", std::string("a\0b", 3)).sqlstate(), "42602");
  EXPECT_TRUE(CheckProjectText("role", std::string(256, 'x')).ok());
  EXPECT_EQ(CheckProjectText("role", std::string(257, 'x')).sqlstate(), "42622");
}

TEST(CheckMigration, HasTextAndALimit) {
  EXPECT_TRUE(CheckMigration("SELECT 1", "add column").ok());
  // A migration of nothing, as psql takes an empty file.
  for (const char *sql : {"", " \t\r\n\f\v"})
    EXPECT_TRUE(CheckMigration(sql, std::nullopt).ok());
  EXPECT_TRUE(CheckMigration(std::string(1'048'576, 'x'), std::nullopt).ok());
  EXPECT_EQ(CheckMigration(std::string(1'048'577, 'x'), std::nullopt).sqlstate(), "54000");
  EXPECT_EQ(CheckMigration("SELECT 1", std::string(257, 'x')).sqlstate(), "42622");
}

TEST(CheckSessionName, HasNoBlankAtItsEnds) {
  EXPECT_TRUE(CheckSessionName("a b", "").ok());
  for (const char *name : {"", " a", "a ", " "})
    EXPECT_EQ(CheckSessionName(name, "").sqlstate(), "42602") << name;
}

TEST(CheckBranchPrefix, IsShortAndPrintable) {
  EXPECT_TRUE(CheckBranchPrefix("").ok());
  EXPECT_TRUE(CheckBranchPrefix(std::string(128, 'x')).ok());
  for (const std::string &prefix : {std::string(129, 'x'), std::string(" a"), std::string("a\n")})
    EXPECT_EQ(CheckBranchPrefix(prefix).sqlstate(), "22023");
}

TEST(CheckTarget, IsBranchOrParent) {
  EXPECT_TRUE(CheckTarget("branch").ok());
  EXPECT_TRUE(CheckTarget("parent").ok());
  EXPECT_EQ(CheckTarget("Branch").sqlstate(), "22023");
}

TEST(CheckSessionName, CountsCharactersTogetherWithThePrefix) {
  std::string robots;
  for (int n = 0; n < 250; ++n)
    robots += "\xF0\x9F\xA4\x96";
  EXPECT_TRUE(CheckSessionName(robots, "prefix").ok());
  EXPECT_EQ(CheckSessionName(robots, "prefix-").sqlstate(), "42622");
}

TEST(CheckSessionName, TakesNoControlCharacters) {
  for (const char *name : {"a\nb", "a\x7F", "\x01", "a\xC2\x85z"})
    EXPECT_EQ(CheckSessionName(name, "").sqlstate(), "42602") << name;
  EXPECT_TRUE(CheckSessionName("a\xC2\xA0z", "").ok());  // a no-break space is none
}

TEST(Quoted, IsCutAtACharacter) {
  std::string text(79, 'x');
  text += "\xC3\xA9";
  EXPECT_EQ(Quoted(text), "\"" + std::string(79, 'x') + "...\"");
  EXPECT_EQ(Quoted(std::string(80, 'x')), "\"" + std::string(80, 'x') + "\"");
}

TEST(DurationText, NamesWhatIsNotZero) {
  const std::pair<int64_t, const char *> kCases[] = {
      {0, "0 s"},
      {120'000'000, "2 min"},
      {5'400'000'000, "1 h 30 min"},
      {1'500'000, "1 s 500 ms"},
      {-1'000'000, "-1 s"},
      {90'000'000'001, "1 d 1 h 1 us"},
      {INT64_MIN, "-106751991 d 4 h 54 s 775 ms 808 us"},
  };
  for (const auto &[microseconds, text] : kCases)
    EXPECT_EQ(DurationText(microseconds), text);
}

TEST(CheckDuration, KnowsThreeRanges) {
  EXPECT_TRUE(CheckDuration("x", kMaxTtl, DurationRange::kTtl).ok());
  EXPECT_FALSE(CheckDuration("x", kMaxTtl + 1, DurationRange::kTtl).ok());
  for (DurationRange range : {DurationRange::kPositive, DurationRange::kZeroOrMore}) {
    EXPECT_TRUE(CheckDuration("x", kMaxDuration, range).ok());
    EXPECT_FALSE(CheckDuration("x", kMaxDuration + 1, range).ok());
    EXPECT_FALSE(CheckDuration("x", INT64_MAX, range).ok());
  }
  EXPECT_TRUE(CheckDuration("x", 1'000, DurationRange::kStatementTimeout).ok());
  EXPECT_FALSE(CheckDuration("x", 999, DurationRange::kStatementTimeout).ok());
  EXPECT_TRUE(CheckDuration("x", 86'400'000'000, DurationRange::kStatementTimeout).ok());
  EXPECT_FALSE(CheckDuration("x", 86'400'000'001, DurationRange::kStatementTimeout).ok());
  EXPECT_TRUE(CheckDuration("x", kMaxTtl + 1, DurationRange::kPositive).ok());
  EXPECT_FALSE(CheckDuration("x", 0, DurationRange::kPositive).ok());
  EXPECT_TRUE(CheckDuration("x", 0, DurationRange::kZeroOrMore).ok());
  EXPECT_FALSE(CheckDuration("x", -1, DurationRange::kZeroOrMore).ok());
}

TEST(CheckProjectOptions, SurvivesTextThatIsDeepLargeOrCut) {
  const std::string deep =
      "{\"ttl\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
  EXPECT_EQ(CheckProjectOptions(deep).status().sqlstate(), "42804");
  EXPECT_EQ(CheckProjectOptions(std::string(1'000'000, '[')).status().sqlstate(), "22023");
  for (const char *text : {"", "{", "{\"a\"", "{\"min_cu\": 1e999}", "nul", "{} x", "\xFF"})
    EXPECT_EQ(CheckProjectOptions(text).status().sqlstate(), "22023") << text;
}

TEST(CheckProjectOptions, GivesBackWhatOthersHaveToRead) {
  const auto options = CheckProjectOptions(
      R"({"ttl": "1 h", "undo_window": "0", "lock_timeout": "1 s", "api_key_file": "key"})");
  ASSERT_TRUE(options.ok());
  ASSERT_EQ(options->durations.size(), 3u);
  EXPECT_EQ(options->durations[0].range, DurationRange::kTtl);
  EXPECT_EQ(options->durations[1].range, DurationRange::kZeroOrMore);
  EXPECT_EQ(options->durations[2].range, DurationRange::kStatementTimeout);
  EXPECT_EQ(options->api_key_file, "key");
}

TEST(CheckSessionOptions, StandInForTheProjects) {
  EXPECT_TRUE(CheckSessionOptions(R"({"max_cu": 4})", R"({"min_cu": 2, "max_cu": 2})").ok());
  EXPECT_FALSE(CheckSessionOptions(R"({"max_cu": 1})", R"({"min_cu": 2, "max_cu": 2})").ok());
  EXPECT_TRUE(CheckSessionOptions("{}", R"({"min_cu": 2, "max_cu": 2})").ok());
}

TEST(ChooseMerge, PrefersTheArgumentThenTheProject) {
  const char *project = R"({"merge_strategy": "restore"})";
  EXPECT_EQ(ChooseMerge({}, "{}")->strategy, "auto");
  EXPECT_EQ(ChooseMerge({}, project)->strategy, "restore");
  EXPECT_EQ(ChooseMerge({"auto", {}, {}}, project)->strategy, "auto");
  EXPECT_EQ(ChooseMerge({"auto", {}, {}}, project)->on_drift, "fail");
}

TEST(CheckPath, IsEmptyOrAbsolute) {
  EXPECT_TRUE(CheckPath("").ok());
  EXPECT_TRUE(CheckPath("/etc/agent_branch/key").ok());
  EXPECT_FALSE(CheckPath("key").ok());
}

}  // namespace
}  // namespace agent_branch
