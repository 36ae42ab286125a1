// What the arguments of the SQL functions and the settings may be.
//
// Pure functions from text to a Status that is ready to be shown: the extension calls them on what
// a user gave, tests call them directly. What only PostgreSQL can read (an interval's text) comes
// back as text, and its value goes into CheckDuration().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/status.hpp"

namespace agent_branch {

constexpr int64_t kMicrosecondsPerSecond = 1'000'000;
// Neon accepts no later expires_at of a branch.
constexpr int64_t kMaxTtl = 30LL * 86'400 * kMicrosecondsPerSecond;
constexpr int64_t kMaxDuration = 3650LL * 86'400 * kMicrosecondsPerSecond;
constexpr int64_t kMaxStatementTimeout = 86'400 * kMicrosecondsPerSecond;
constexpr int64_t kDefaultTtl = 86'400 * kMicrosecondsPerSecond;
constexpr size_t kMaxNameLength = 256;  // characters; Neon's limit for a branch's name
constexpr size_t kMaxMigrationBytes = 1024 * 1024;
constexpr size_t kMaxMigrations = 20;  // of a session, but for cancelled ones

// For messages: cut at a character, so that a name of megabytes does not fill the log.
std::string Shortened(std::string_view text);
std::string Quoted(std::string_view text);  // the same in double quotes

// For project, parent, database and role: what `argument` says is named in the message.
Status CheckProjectText(std::string_view argument, std::string_view value);

// Of agent_project_pause().
Status CheckPauseReason(std::string_view reason);

// 42602 invalid_name, or 42622 name_too_long together with the prefix of its branch.
Status CheckSessionName(std::string_view name, std::string_view branch_prefix);
Status CheckMigration(std::string_view sql, const std::optional<std::string> &name);
// `count`: with the one that is to be added.
Status CheckMigrationCount(size_t count);

// "2 min", "1 h 30 min", "500 ms".
std::string DurationText(int64_t microseconds);

// Nothing is endless: a value of any of these can be added to any time and counted in milliseconds.
enum class DurationRange {
  kPositive,          // up to 10 years
  kZeroOrMore,        // up to 10 years
  kTtl,               // up to 30 days
  kStatementTimeout,  // 1 ms to 24 h: to PostgreSQL, 0 is none
};
// `what`: how the message names it, such as `option "ttl"`.
Status CheckDuration(std::string_view what, int64_t microseconds, DurationRange range);

struct DurationOption {
  std::string key;
  std::string text;
  DurationRange range;
};

struct GateOption {
  std::string name;
  std::string sql;
};

struct ProjectOptions {
  std::vector<DurationOption> durations;
  std::vector<GateOption> gates;  // to be read by PostgreSQL's parser
  std::optional<std::string> api_key_file;
};

// 42804 for a value of the wrong type, 22023 for a wrong value or an unknown key, 0A000 for what
// this version does not do yet.
Result<ProjectOptions> CheckProjectOptions(std::string_view json);
// A session's own options, which stand in for its project's.
Status CheckSessionOptions(std::string_view json, std::string_view project_json);

// Of a function: one or two plain names, which need no quotes.
Status CheckFunctionName(std::string_view name);

// One string option of a JSON object that was checked before.
std::optional<std::string> TextOption(std::string_view json, const char *key);
// What "parent_access" of a project's options is, where it may be left out.
std::string ParentAccess(std::string_view json);

struct MergeWishes {
  std::optional<std::string> strategy;       // auto, replay, restore, candidate
  std::optional<std::string> on_drift;       // fail, rebase
  std::optional<std::string> on_unrecorded;  // fail, drop
};
struct MergeChoice {
  std::string strategy;
  std::string on_drift;
  std::string on_unrecorded;
};
// What was given, else the project's option, else auto, fail and fail.
Result<MergeChoice> ChooseMerge(const MergeWishes &wanted, std::string_view project_json);

Status CheckTarget(std::string_view target);  // branch or parent

// https, or http to a loopback host; no user, query or fragment.
Status CheckApiUrl(std::string_view url);
// Empty, or like CheckApiUrl(), and a query may follow.
Status CheckFixerUrl(std::string_view url);
// Empty, or http or https to any host; no user, query or fragment.
Status CheckProxyUrl(std::string_view url);
Status CheckModel(std::string_view name);
Status CheckProtocol(std::string_view name);
Status CheckBranchPrefix(std::string_view prefix);
// Empty, or an absolute path.
Status CheckPath(std::string_view path);

}  // namespace agent_branch
