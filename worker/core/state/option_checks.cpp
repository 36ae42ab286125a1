// The options of projects and sessions; see checks.hpp.
#include "worker/core/base/rapidjson.hpp"
#include "worker/core/script/script.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

namespace json = agent_branch_rapidjson;

constexpr char kInvalidValue[] = "22023";
constexpr char kWrongType[] = "42804";
constexpr char kNotSupported[] = "0A000";

constexpr char kProjectKeys[] =
    "Options are \"api_key_file\", \"fixer\", \"fixer_function\", \"lock_timeout\", \"max_cu\", "
    "\"max_parallel\", \"max_pinned\", \"merge_strategy\", \"min_cu\", \"on_drift\", "
    "\"refuse_risks\", \"statement_timeout\", \"ttl\" and "
    "\"undo_window\".";
constexpr char kSessionKeys[] = "Options of a session are \"max_cu\" and \"min_cu\".";

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
                       std::string("It is ") + TypeName(value) + ".");
}

Status UnknownOption(std::string_view key, const char *keys) {
  return Status::Error(kInvalidValue, "unknown option " + Quoted(key), {}, keys);
}

Status Parse(std::string_view text, json::Document *document) {
  document->Parse<kJsonParseFlags>(text.data(), text.size());
  if (document->HasParseError())
    return Status::Error(kInvalidValue, "options could not be read",
                         std::string("At byte ") + std::to_string(document->GetErrorOffset()) +
                             ": " + json::GetParseError_En(document->GetParseError()));
  if (!document->IsObject())
    return Status::Error(kWrongType, "options must be a JSON object",
                         std::string("They are ") + TypeName(*document) + ".");
  return {};
}

Status CheckInteger(std::string_view key, const json::Value &value, int64_t least, int64_t most) {
  if (!value.IsInt64()) return WrongType(key, "an integer", value);
  if (value.GetInt64() >= least && value.GetInt64() <= most) return {};
  return Status::Error(kInvalidValue,
                       "option " + Quoted(key) + " must be from " + std::to_string(least) + " to " +
                           std::to_string(most),
                       "It is " + std::to_string(value.GetInt64()) + ".");
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

Status CheckStrategy(std::string_view strategy) {
  if (strategy == "auto" || strategy == "restore") return {};
  if (strategy == "replay")
    return Status::Error(kNotSupported, "merge strategy \"replay\" is not supported yet", {},
                         "Use \"auto\" or \"restore\".");
  return Status::Error(kInvalidValue, "unknown merge strategy " + Quoted(strategy), {},
                       "Strategies are \"auto\" and \"restore\".");
}

Status CheckOnDrift(std::string_view on_drift) {
  if (on_drift == "fail") return {};
  if (on_drift == "rebase")
    return Status::Error(kNotSupported, "on_drift \"rebase\" is not supported yet", {},
                         "Use \"fail\".");
  return Status::Error(kInvalidValue, "unknown value of on_drift " + Quoted(on_drift), {},
                       "The only value is \"fail\".");
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

Status CheckFixerOption(std::string_view key, const json::Value &value) {
  if (!value.IsString()) return WrongType(key, "a string", value);
  const std::string_view text(value.GetString(), value.GetStringLength());
  if (key == "fixer") {
    if (text == "off" || text == "function" || text == "llm") return {};
    return Status::Error(kInvalidValue, "unknown value of option \"fixer\" " + Quoted(text), {},
                         "Values are \"off\", \"function\" and \"llm\".");
  }
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
  if (key == "undo_window") return DurationRange::kZeroOrMore;
  if (key == "statement_timeout" || key == "lock_timeout") return DurationRange::kStatementTimeout;
  return std::nullopt;
}

Status CheckTextOption(std::string_view key, std::string_view text, ProjectOptions *seen) {
  if (key == "merge_strategy") return CheckStrategy(text);
  if (key == "on_drift") return CheckOnDrift(text);
  if (key == "api_key_file") {
    seen->api_key_file = std::string(text);
    return CheckKeyFile(text);
  }
  seen->durations.push_back({std::string(key), std::string(text), *RangeOf(key)});
  return {};
}

Status CheckProjectOption(std::string_view key, const json::Value &value, ProjectOptions *seen) {
  if (key == "max_parallel") return CheckInteger(key, value, 1, 1000);
  if (key == "max_pinned") return CheckInteger(key, value, 0, 1'000'000);
  if (key == "refuse_risks") return CheckRisks(key, value);
  if (key == "min_cu" || key == "max_cu") return CheckComputeSize(key, value);
  if (key == "fixer" || key == "fixer_function") return CheckFixerOption(key, value);
  if (key == "gates")
    return Status::Error(kNotSupported, "option " + Quoted(key) + " is not supported yet", {},
                         kProjectKeys);
  if (RangeOf(key) || key == "merge_strategy" || key == "on_drift" || key == "api_key_file") {
    if (!value.IsString()) return WrongType(key, "a string", value);
    return CheckTextOption(key, {value.GetString(), value.GetStringLength()}, seen);
  }
  return UnknownOption(key, kProjectKeys);
}

std::string_view NameOf(const json::Value::Member &member) {
  return {member.name.GetString(), member.name.GetStringLength()};
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

Result<MergeChoice> ChooseMerge(const std::optional<std::string> &strategy,
                                const std::optional<std::string> &on_drift,
                                std::string_view project_json) {
  MergeChoice choice;
  choice.strategy =
      strategy ? *strategy : TextOption(project_json, "merge_strategy").value_or("auto");
  choice.on_drift = on_drift ? *on_drift : TextOption(project_json, "on_drift").value_or("fail");
  if (Status status = CheckStrategy(choice.strategy); !status.ok()) return status;
  if (Status status = CheckOnDrift(choice.on_drift); !status.ok()) return status;
  return choice;
}

}  // namespace agent_branch
