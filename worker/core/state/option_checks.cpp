// The options of projects and sessions; see checks.hpp.
#include <initializer_list>

#include "worker/core/base/rapidjson.hpp"
#include "worker/core/script/script.hpp"
#include "worker/core/state/checks.hpp"
#include "worker/core/state/gate_options.hpp"

namespace agent_branch {
namespace {

namespace json = agent_branch_rapidjson;

constexpr char kInvalidValue[] = "22023";
constexpr char kWrongType[] = "42804";

constexpr char kProjectKeys[] =
    "Options are \"allow_pieces\", \"api_key_file\", \"fixer\", \"fixer_function\", "
    "\"fixer_hints\", \"gates\", "
    "\"isolate_role\", "
    "\"lock_timeout\", \"managed_schemas\", \"max_branches_a_day\", \"max_cu\", "
    "\"max_live_sessions\", \"max_migration_bytes\", \"max_parallel\", \"max_pinned\", "
    "\"max_queued_sessions\", \"merge_strategy\", \"min_cu\", \"on_drift\", "
    "\"on_unrecorded\", \"parent_access\", \"refuse_risks\", \"replay_budget\", "
    "\"statement_timeout\", \"ttl\" and \"undo_window\".";
constexpr char kSessionKeys[] =
    "Options of a session are \"max_cu\", \"min_cu\" and \"traceparent\".";

// Compute sizes at Neon.
constexpr double kMinCu = 0.25;
constexpr double kMaxCu = 56;
constexpr double kDefaultMinCu = 0.25;
constexpr double kDefaultMaxCu = 1;

std::string Quoted(std::string_view text) {
  return "\"" + Shortened(text) + "\"";
}

const char *TypeName(const json::Value &value) {
  if (value.IsNull()) return "null";
  if (value.IsBool()) return "a boolean";
  if (value.IsNumber()) return "a number";
  if (value.IsString()) return "a string";
  return value.IsArray() ? "an array" : "an object";
}

Status WrongType(std::string_view key, const char *wanted, const json::Value &value) {
  return Status::Error(kWrongType, "option " + Quoted(key) + " must be " + wanted,
                       std::string("It is ") + TypeName(value) + ".",
                       "Mind that JSON has numbers and booleans without quotes.");
}

Status UnknownOption(std::string_view key, const char *keys) {
  return Status::Error(kInvalidValue, "unknown option " + Quoted(key), {}, keys);
}

Status Parse(std::string_view text, json::Document *document) {
  document->Parse<kJsonParseFlags>(text.data(), text.size());
  if (document->HasParseError())
    return Status::Error(kInvalidValue, "options could not be read",
                         std::string("At byte ") + std::to_string(document->GetErrorOffset()) +
                             ": " + json::GetParseError_En(document->GetParseError()),
                         "Give a JSON object, nested at most as deep as options are.");
  if (!document->IsObject())
    return Status::Error(kWrongType, "options must be a JSON object",
                         std::string("They are ") + TypeName(*document) + ".",
                         "Give an object, such as {\"max_parallel\": 2}.");
  return {};
}

Status CheckInteger(std::string_view key, const json::Value &value, int64_t least, int64_t most) {
  if (!value.IsInt64()) return WrongType(key, "an integer", value);
  if (value.GetInt64() >= least && value.GetInt64() <= most) return {};
  return Status::Error(kInvalidValue,
                       "option " + Quoted(key) + " must be from " + std::to_string(least) + " to " +
                           std::to_string(most),
                       "It is " + std::to_string(value.GetInt64()) + ".",
                       "Give a number in this range, or leave the option out.");
}

Status CheckComputeSize(std::string_view key, const json::Value &value) {
  if (!value.IsNumber()) return WrongType(key, "a number", value);
  if (value.GetDouble() >= kMinCu && value.GetDouble() <= kMaxCu) return {};
  return Status::Error(kInvalidValue, "option " + Quoted(key) + " must be from 0.25 to 56",
                       "It is " + std::to_string(value.GetDouble()) + ".",
                       "It is counted in Neon's compute units.");
}

Status CheckComputeOrder(double min_cu, double max_cu) {
  if (min_cu <= max_cu) return {};
  return Status::Error(
      kInvalidValue, "option \"min_cu\" must not exceed \"max_cu\"",
      "They are " + std::to_string(min_cu) + " and " + std::to_string(max_cu) + ".",
      "The defaults are 0.25 and 1; set both.");
}

double NumberOr(const json::Value &object, const char *key, double otherwise) {
  const auto member = object.FindMember(key);
  return member != object.MemberEnd() && member->value.IsNumber() ? member->value.GetDouble()
                                                                  : otherwise;
}

Status OneOf(std::string_view value, std::initializer_list<const char *> values,
             const std::string &unknown, const char *hint) {
  for (const char *allowed : values)
    if (value == allowed) return {};
  return Status::Error(kInvalidValue, "unknown " + unknown + " " + Quoted(value), {}, hint);
}

Status CheckStrategy(std::string_view strategy) {
  return OneOf(strategy, {"auto", "replay", "restore", "candidate"}, "merge strategy",
               "Strategies are \"auto\", \"replay\", \"restore\" and \"candidate\".");
}

Status CheckOnDrift(std::string_view on_drift) {
  return OneOf(on_drift, {"fail", "rebase"}, "value of on_drift",
               "Values are \"fail\" and \"rebase\".");
}

Status CheckOnUnrecorded(std::string_view on_unrecorded) {
  Status status = OneOf(on_unrecorded, {"fail", "drop"}, "value of on_unrecorded",
                        "Values are \"fail\" and \"drop\".");
  return status;
}

Status CheckParentAccess(std::string_view access) {
  return OneOf(access, {"none", "read_only", "full"}, "value of option \"parent_access\"",
               "Values are \"none\", \"read_only\" and \"full\".");
}

// Names of schemas, none twice as long as a name can be.
Status CheckNames(std::string_view key, const json::Value &value) {
  constexpr json::SizeType kMaxNames = 100;
  if (!value.IsArray()) return WrongType(key, "an array of strings", value);
  if (value.Size() > kMaxNames)
    return Status::Error(kInvalidValue, "option " + Quoted(key) + " has too many elements",
                         "It has " + std::to_string(value.Size()) + "; the limit is 100.",
                         "Name only schemas that others manage.");
  for (const json::Value &name : value.GetArray()) {
    if (!name.IsString()) return WrongType(key, "an array of strings", name);
    if (name.GetStringLength() > 0 && name.GetStringLength() <= 63) continue;
    return Status::Error(kInvalidValue, "option " + Quoted(key) + " must hold names",
                         "One has " + std::to_string(name.GetStringLength()) + " bytes.",
                         "A schema's name has from 1 to 63.");
  }
  return {};
}

Status CheckIsolateRole(std::string_view key, const json::Value &value) {
  return value.IsBool() ? Status() : WrongType(key, "a boolean", value);
}

// A plain name, so that no option reaches a file outside of the directory.
Status CheckKeyFile(std::string_view name) {
  if (!name.empty() && name.front() != '.' && name.size() <= kMaxNameLength &&
      name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos)
    return {};
  return Status::Error(kInvalidValue, "invalid value of option \"api_key_file\"",
                       "It is " + Quoted(name) + ".",
                       "Give the name of a file inside agent_branch.api_key_directory, without a "
                       "slash and not beginning with a dot.");
}

// They go into each question, so they are paid for each time.
Status CheckHints(std::string_view text) {
  constexpr size_t kMaxBytes = 8 * 1024;
  if (text.size() <= kMaxBytes && text.find('\0') == std::string_view::npos) return {};
  return Status::Error(kInvalidValue, "option \"fixer_hints\" is too long",
                       "It has " + std::to_string(text.size()) + " bytes; the limit is 8 kB.",
                       "Give the conventions that a correction has to follow, and no more.");
}

Status CheckFixerOption(std::string_view key, const json::Value &value) {
  if (!value.IsString()) return WrongType(key, "a string", value);
  const std::string_view text(value.GetString(), value.GetStringLength());
  if (key == "fixer") {
    if (text == "off" || text == "function" || text == "llm") return {};
    return Status::Error(kInvalidValue, "unknown value of option \"fixer\" " + Quoted(text), {},
                         "Values are \"off\", \"function\" and \"llm\".");
  }
  if (key == "fixer_hints") return CheckHints(text);
  return CheckFunctionName(text);
}

Status CheckRisks(std::string_view key, const json::Value &value) {
  if (!value.IsArray()) return WrongType(key, "an array of strings", value);
  for (const json::Value &kind : value.GetArray()) {
    if (!kind.IsString()) return WrongType(key, "an array of strings", kind);
    const std::string_view name(kind.GetString(), kind.GetStringLength());
    if (IsRiskKind(name)) continue;
    return Status::Error(kInvalidValue, "unknown kind of risk " + Quoted(name), {},
                         "Kinds are \"drop\", \"lock\", \"not_null\", \"not_valid\", \"rename\", "
                         "\"rewrite\", \"truncate\" and \"unfiltered\".");
  }
  return {};
}

std::optional<DurationRange> RangeOf(std::string_view key) {
  if (key == "ttl") return DurationRange::kTtl;
  if (key == "undo_window" || key == "replay_budget") return DurationRange::kZeroOrMore;
  if (key == "statement_timeout" || key == "lock_timeout") return DurationRange::kStatementTimeout;
  return std::nullopt;
}

Status CheckTextOption(std::string_view key, std::string_view text, ProjectOptions *seen) {
  if (key == "merge_strategy") return CheckStrategy(text);
  if (key == "on_drift") return CheckOnDrift(text);
  if (key == "on_unrecorded") return CheckOnUnrecorded(text);
  if (key == "parent_access") return CheckParentAccess(text);
  if (key == "api_key_file") {
    seen->api_key_file = std::string(text);
    return CheckKeyFile(text);
  }
  seen->durations.push_back({std::string(key), std::string(text), *RangeOf(key)});
  return {};
}

bool IsQuota(std::string_view key) {
  return key == "max_live_sessions" || key == "max_queued_sessions" ||
         key == "max_branches_a_day" || key == "max_migration_bytes" ||
         key == "max_fixer_tokens_a_day";
}

bool IsTextOption(std::string_view key) {
  return key == "merge_strategy" || key == "on_drift" || key == "on_unrecorded" ||
         key == "parent_access" || key == "api_key_file";
}

Status CheckProjectOption(std::string_view key, const json::Value &value, ProjectOptions *seen) {
  if (key == "max_parallel") return CheckInteger(key, value, 1, 1000);
  if (key == "max_pinned") return CheckInteger(key, value, 0, 1'000'000);
  if (key == "refuse_risks") return CheckRisks(key, value);
  if (key == "min_cu" || key == "max_cu") return CheckComputeSize(key, value);
  if (key == "fixer" || key == "fixer_function" || key == "fixer_hints")
    return CheckFixerOption(key, value);
  if (IsQuota(key)) return CheckInteger(key, value, 0, 1'000'000'000'000);
  if (key == "gates") return CheckGates(value, seen);
  if (key == "isolate_role") return CheckIsolateRole(key, value);
  if (key == "allow_pieces") return value.IsBool() ? Status() : WrongType(key, "a boolean", value);
  if (key == "managed_schemas") return CheckNames(key, value);
  if (RangeOf(key) || IsTextOption(key)) {
    if (!value.IsString()) return WrongType(key, "a string", value);
    return CheckTextOption(key, {value.GetString(), value.GetStringLength()}, seen);
  }
  return UnknownOption(key, kProjectKeys);
}

std::string_view NameOf(const json::Value::Member &member) {
  return {member.name.GetString(), member.name.GetStringLength()};
}

// https://www.w3.org/TR/trace-context/#traceparent-header: version 00, as all that is there.
bool IsTraceparent(std::string_view text) {
  constexpr std::string_view kForm = "00-################################-################-##";
  if (text.size() != kForm.size()) return false;
  for (size_t n = 0; n < kForm.size(); ++n) {
    const char c = text[n];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (kForm[n] == '#' ? !hex : c != kForm[n]) return false;
  }
  const auto some = [&](size_t at, size_t length) {
    return text.substr(at, length).find_first_not_of('0') != std::string_view::npos;
  };
  return some(3, 32) && some(36, 16);
}

Status CheckTraceparent(const json::Value &value) {
  if (!value.IsString()) return WrongType("traceparent", "a string", value);
  const std::string_view text(value.GetString(), value.GetStringLength());
  if (IsTraceparent(text)) return {};
  return Status::Error(kInvalidValue, "invalid value of option \"traceparent\"",
                       "It is " + Quoted(text) + ".",
                       "Give a W3C traceparent of version 00, such as "
                       "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\".");
}

}  // namespace

Result<ProjectOptions> CheckProjectOptions(std::string_view text) {
  json::Document document;
  if (Status status = Parse(text, &document); !status.ok()) return status;
  ProjectOptions seen;
  for (const auto &member : document.GetObject()) {
    Status status = CheckProjectOption(NameOf(member), member.value, &seen);
    if (!status.ok()) return status;
  }
  Status status = CheckComputeOrder(NumberOr(document, "min_cu", kDefaultMinCu),
                                    NumberOr(document, "max_cu", kDefaultMaxCu));
  if (!status.ok()) return status;
  return seen;
}

Status CheckSessionOptions(std::string_view text, std::string_view project_text) {
  json::Document document;
  if (Status status = Parse(text, &document); !status.ok()) return status;
  for (const auto &member : document.GetObject()) {
    const std::string_view key = NameOf(member);
    if (key == "traceparent") {
      if (Status status = CheckTraceparent(member.value); !status.ok()) return status;
      continue;
    }
    if (key != "min_cu" && key != "max_cu") return UnknownOption(key, kSessionKeys);
    if (Status status = CheckComputeSize(key, member.value); !status.ok()) return status;
  }
  if (document.MemberCount() == 0) return {};
  json::Document project;
  if (Status status = Parse(project_text, &project); !status.ok()) return status;
  const double min_cu = NumberOr(project, "min_cu", kDefaultMinCu);
  const double max_cu = NumberOr(project, "max_cu", kDefaultMaxCu);
  return CheckComputeOrder(NumberOr(document, "min_cu", min_cu),
                           NumberOr(document, "max_cu", max_cu));
}

Status CheckFunctionName(std::string_view text) {
  size_t dots = 0;
  bool plain =
      !text.empty() && text.size() <= 2 * 63 + 1 && text.front() != '.' && text.back() != '.';
  for (char c : text) {
    if (c == '.') ++dots;
    plain = plain && (c == '.' || c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
  }
  if (plain && dots <= 1) return {};
  return Status::Error(kInvalidValue, "invalid value of option \"fixer_function\"",
                       "It is " + agent_branch::Quoted(text) + ".",
                       "Give the name of a function (jsonb) returns text in the control database, "
                       "with its schema, in small letters and without quotes.");
}

std::optional<std::string> TextOption(std::string_view text, const char *key) {
  json::Document document;
  if (!Parse(text, &document).ok()) return std::nullopt;
  const auto member = document.FindMember(key);
  if (member == document.MemberEnd() || !member->value.IsString()) return std::nullopt;
  return std::string(member->value.GetString(), member->value.GetStringLength());
}

std::string ParentAccess(std::string_view text) {
  const std::optional<std::string> given = TextOption(text, "parent_access");
  if (given) return *given;
  json::Document document;
  if (!Parse(text, &document).ok()) return "none";
  // Who wants no roles to be made on a branch wants none on the parent.
  const auto isolate = document.FindMember("isolate_role");
  const bool off = isolate != document.MemberEnd() && isolate->value.IsFalse();
  return off ? "none" : "read_only";
}

Result<MergeChoice> ChooseMerge(const MergeWishes &wanted, std::string_view project_json) {
  const auto choose = [&](const std::optional<std::string> &given, const char *key,
                          const char *otherwise) {
    return given ? *given : TextOption(project_json, key).value_or(otherwise);
  };
  MergeChoice choice;
  choice.strategy = choose(wanted.strategy, "merge_strategy", "auto");
  choice.on_drift = choose(wanted.on_drift, "on_drift", "fail");
  choice.on_unrecorded = choose(wanted.on_unrecorded, "on_unrecorded", "fail");
  if (Status status = CheckStrategy(choice.strategy); !status.ok()) return status;
  if (Status status = CheckOnDrift(choice.on_drift); !status.ok()) return status;
  if (Status status = CheckOnUnrecorded(choice.on_unrecorded); !status.ok()) return status;
  return choice;
}

}  // namespace agent_branch
