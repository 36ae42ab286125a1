#include "worker/core/state/checks.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch {
namespace {

constexpr char kInvalidValue[] = "22023";
constexpr char kInvalidName[] = "42602";
constexpr char kNameTooLong[] = "42622";
constexpr char kLimitExceeded[] = "54000";

bool IsContinuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

size_t CharacterCount(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !IsContinuation(byte); }));
}

// C0, DEL and, as UTF-8 has them, C1.
bool HasControlCharacter(std::string_view text) {
  for (size_t n = 0; n < text.size(); ++n) {
    const auto byte = static_cast<unsigned char>(text[n]);
    if (byte < 0x20 || byte == 0x7F) return true;
    if (byte == 0xC2 && n + 1 < text.size() && static_cast<unsigned char>(text[n + 1]) < 0xA0)
      return true;
  }
  return false;
}

std::string Count(size_t number, const char *unit) {
  return std::to_string(number) + unit;
}

bool StartsWithIgnoringCase(std::string_view text, std::string_view lower_case) {
  if (text.size() < lower_case.size()) return false;
  return std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char a, char b) {
    return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
  });
}

// A dotted quad below 127/8, with nothing that a resolver could read otherwise.
bool IsLoopbackQuad(std::string_view host) {
  if (host.substr(0, 4) != "127.") return false;
  int parts = 1;
  size_t digits = 0;
  for (char byte : host) {
    if (byte == '.') {
      if (digits == 0) return false;
      ++parts;
      digits = 0;
    } else if (byte < '0' || byte > '9' || ++digits > 3) {
      return false;
    }
  }
  return parts == 4 && digits > 0;
}

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || IsLoopbackQuad(host);
}

bool IsPort(std::string_view port) {
  return !port.empty() && port.size() <= 5 &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::stoi(std::string(port)) >= 1 && std::stoi(std::string(port)) <= 65535;
}

Status BadUrl(std::string detail) {
  return Status::Error(kInvalidValue, "invalid URL", std::move(detail));
}

Status CheckAuthority(std::string_view authority, bool loopback_only) {
  if (authority.find('@') != std::string_view::npos)
    return BadUrl("The URL must not contain a user or a password.");
  size_t host_end = authority.find(':');
  if (!authority.empty() && authority.front() == '[') {
    host_end = authority.find(']');
    if (host_end == std::string_view::npos) return BadUrl("The address in brackets has no end.");
    ++host_end;
  }
  const std::string_view host = authority.substr(0, host_end);
  if (host.empty()) return BadUrl("The URL names no host.");
  if (host.size() < authority.size() &&
      (authority[host.size()] != ':' || !IsPort(authority.substr(host.size() + 1))))
    return BadUrl("The port must be a number from 1 to 65535.");
  if (loopback_only && !IsLoopback(host))
    return BadUrl("Plain http is accepted only for localhost, 127.0.0.0/8 and [::1].");
  return {};
}

}  // namespace

std::string Shortened(std::string_view text) {
  constexpr size_t kShown = 80;
  if (text.size() <= kShown) return std::string(text);
  size_t end = kShown;
  while (end > 0 && IsContinuation(text[end]))
    --end;
  return std::string(text.substr(0, end)) + "...";
}

std::string Quoted(std::string_view text) {
  return "\"" + Shortened(text) + "\"";
}

Status CheckProjectText(std::string_view argument, std::string_view value) {
  const std::string name(argument);
  if (value.empty())
    return Status::Error(kInvalidValue, name + " must not be empty", {},
                         "Give the " + name + " as Neon knows it.");
  if (CharacterCount(value) > kMaxNameLength)
    return Status::Error(kNameTooLong, name + " is too long",
                         "It has " + Count(CharacterCount(value), " characters; the limit is ") +
                             Count(kMaxNameLength, "."),
                         "Give the " + name + " as Neon knows it.");
  if (HasControlCharacter(value))
    return Status::Error(kInvalidName, name + " must not contain control characters", {},
                         "Give the " + name + " as Neon knows it.");
  // It stands in the path of a URL, where these are steps and no names.
  if (argument == "project" && (value == "." || value == ".."))
    return Status::Error(kInvalidName, "project must not be \".\" or \"..\"", {},
                         "Give the project as Neon knows it.");
  return {};
}

Status CheckPauseReason(std::string_view reason) {
  constexpr size_t kMaxReason = 1000;
  if (CharacterCount(reason) > kMaxReason)
    return Status::Error(kNameTooLong, "reason is too long",
                         "It has " + Count(CharacterCount(reason), " characters; the limit is ") +
                             Count(kMaxReason, "."),
                         "Callers are told the reason: make it a sentence.");
  if (HasControlCharacter(reason))
    return Status::Error(kInvalidName, "reason must not contain control characters", {},
                         "Callers are told the reason: make it one line.");
  return {};
}

Status CheckSessionName(std::string_view name, std::string_view branch_prefix) {
  const char *hint =
      "Use a short name that is unique among the project's sessions, such as a "
      "revision's id.";
  if (name.empty()) return Status::Error(kInvalidName, "session name must not be empty", {}, hint);
  const size_t length = CharacterCount(branch_prefix) + CharacterCount(name);
  if (length > kMaxNameLength)
    return Status::Error(kNameTooLong, "session name is too long",
                         "With agent_branch.branch_prefix the branch's name would have " +
                             Count(length, " characters; the limit is ") +
                             Count(kMaxNameLength, "."),
                         hint);
  if (HasControlCharacter(name))
    return Status::Error(kInvalidName, "session name must not contain control characters", {},
                         hint);
  if (name.front() == ' ' || name.back() == ' ')
    return Status::Error(kInvalidName, "session name must not begin or end with a blank",
                         "The name is " + Quoted(name) + ".", hint);
  return {};
}

Status CheckMigration(std::string_view sql, const std::optional<std::string> &name) {
  if (sql.size() > kMaxMigrationBytes)
    return Status::Error(
        kLimitExceeded, "migration is too long",
        "It has " + Count(sql.size(), " bytes; the limit is ") + Count(kMaxMigrationBytes, "."),
        "Split it into several migrations.");
  if (!name) return {};
  if (CharacterCount(*name) > kMaxNameLength)
    return Status::Error(kNameTooLong, "name of the migration is too long",
                         "It has " + Count(CharacterCount(*name), " characters; the limit is ") +
                             Count(kMaxNameLength, "."),
                         "Give it a short name, or none.");
  return {};
}

Status CheckMigrationCount(size_t count) {
  if (count <= kMaxMigrations) return {};
  return Status::Error(kLimitExceeded, "too many migrations in one session",
                       "The limit is " + Count(kMaxMigrations, "."),
                       "A migration may hold many statements. A corrected one that takes the place "
                       "of one that failed does not count.");
}

std::string DurationText(int64_t microseconds) {
  constexpr std::pair<const char *, int64_t> kUnits[] = {
      {" d", 86'400'000'000}, {" h", 3'600'000'000}, {" min", 60'000'000},
      {" s", 1'000'000},      {" ms", 1'000},        {" us", 1}};
  if (microseconds == 0) return "0 s";
  std::string text = microseconds < 0 ? "-" : "";
  uint64_t rest = microseconds < 0 ? -static_cast<uint64_t>(microseconds) : microseconds;
  for (const auto &[unit, size] : kUnits) {
    const uint64_t count = rest / static_cast<uint64_t>(size);
    rest %= static_cast<uint64_t>(size);
    if (count == 0) continue;
    if (text.size() > 1) text += ' ';
    text += std::to_string(count) + unit;
  }
  return text;
}

Status CheckDuration(std::string_view what, int64_t microseconds, DurationRange range) {
  const std::string name(what);
  const std::string seen = "It is " + DurationText(microseconds) + ".";
  if (microseconds < 0 || (microseconds == 0 && range != DurationRange::kZeroOrMore))
    return Status::Error(
        kInvalidValue,
        name + (range == DurationRange::kZeroOrMore ? " must not be negative"
                                                    : " must be greater than zero"),
        seen, "Give an interval such as \"90 min\".");
  if (range == DurationRange::kTtl && microseconds > kMaxTtl)
    return Status::Error(kInvalidValue, name + " must not exceed 30 days", seen,
                         "A branch at Neon expires after 30 days at most.");
  if (range == DurationRange::kStatementTimeout &&
      (microseconds < 1'000 || microseconds > kMaxStatementTimeout))
    return Status::Error(kInvalidValue, name + " must be from 1 ms to 24 h", seen,
                         "Give an interval in this range, such as \"10 min\".");
  if (microseconds > kMaxDuration)
    return Status::Error(kInvalidValue, name + " must not exceed 3650 days", seen,
                         "Give a shorter interval, such as \"90 days\".");
  return {};
}

Status CheckTarget(std::string_view target) {
  if (target == "branch" || target == "parent") return {};
  return Status::Error(kInvalidValue, "unknown connection target " + Quoted(target), {},
                       "Targets are \"branch\" and \"parent\".");
}

namespace {

// plain_anywhere: http will do for any host, not only for the loopback's.
Status CheckUrl(std::string_view url, bool plain_anywhere) {
  const bool https = StartsWithIgnoringCase(url, "https://");
  if (!https && !StartsWithIgnoringCase(url, "http://"))
    return BadUrl("The URL must begin with https://.");
  for (char byte : url)
    if (byte <= ' ' || byte == 0x7F || byte == '\\' || byte == '"')
      return BadUrl("The URL must not contain blanks, quotes, backslashes or control characters.");
  if (url.find_first_of("?#") != std::string_view::npos)
    return BadUrl("The URL must have neither a query nor a fragment.");
  const std::string_view rest = url.substr(https ? 8 : 7);
  return CheckAuthority(rest.substr(0, rest.find('/')), !https && !plain_anywhere);
}

}  // namespace

Status CheckApiUrl(std::string_view url) {
  return CheckUrl(url, false);
}

// What goes through it is encrypted from end to end.
Status CheckProxyUrl(std::string_view url) {
  return url.empty() ? Status() : CheckUrl(url, true);
}

Status CheckFixerUrl(std::string_view url) {
  return url.empty() ? Status() : CheckApiUrl(url.substr(0, url.find('?')));
}

Status CheckModel(std::string_view name) {
  constexpr size_t kMaxModelLength = 200;
  if (name.size() <= kMaxModelLength && !HasControlCharacter(name)) return {};
  return Status::Error(kInvalidValue, "invalid name of a model",
                       "A model's name has at most 200 bytes and no control characters.");
}

Status CheckProtocol(std::string_view name) {
  if (name == "openai" || name == "anthropic") return {};
  return Status::Error(kInvalidValue, "unknown protocol",
                       "Protocols are \"openai\" and \"anthropic\".");
}

Status CheckBranchPrefix(std::string_view prefix) {
  constexpr size_t kMaxPrefixLength = 128;
  if (CharacterCount(prefix) > kMaxPrefixLength)
    return Status::Error(kInvalidValue, "prefix is too long",
                         "The prefix must not exceed 128 characters.");
  if (HasControlCharacter(prefix) || (!prefix.empty() && prefix.front() == ' '))
    return Status::Error(
        kInvalidValue, "invalid prefix",
        "The prefix must neither begin with a blank nor contain control characters.");
  return {};
}

Status CheckPath(std::string_view path) {
  if (path.empty() || path.front() == '/') return {};
  return Status::Error(kInvalidValue, "invalid path", "The path must be absolute.");
}

}  // namespace agent_branch
