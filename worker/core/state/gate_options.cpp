#include "worker/core/state/gate_options.hpp"

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

constexpr char kInvalidValue[] = "22023";
constexpr char kWrongType[] = "42804";
constexpr rapidjson::SizeType kMostGates = 100;
constexpr rapidjson::SizeType kMostBytes = 64 * 1024;
constexpr size_t kLongestName = 100;
constexpr char kForm[] =
    "A gate is a query, or an object with \"sql\" (and \"on\" and \"timeout\"), or with limits: "
    "\"max_tables\", \"max_rows_rewritten\", \"max_rows_deleted\", \"strongest_lock\", "
    "\"longest_lock\".";
constexpr int64_t kMostCounted = 1'000'000'000'000;

std::string TextOf(const rapidjson::Value &value) {
  return {value.GetString(), value.GetStringLength()};
}

Status Invalid(const std::string &name, const std::string &what, const std::string &detail,
               const char *hint = kForm) {
  return Status::Error(kInvalidValue, "gate " + Quoted(name) + " " + what, detail, hint);
}

Status CheckName(const std::string &name) {
  const bool plain = CleanText(name, kLongestName) == name;
  if (!name.empty() && plain) return {};
  return Status::Error(kInvalidValue, "invalid name of a gate " + Quoted(name),
                       "It has " + std::to_string(name.size()) + " bytes.",
                       "A name has from 1 to 100 bytes, and no control characters.");
}

Status CheckSql(const std::string &name, const std::string &sql, ProjectOptions *seen) {
  if (GateQuery(sql).empty()) return Invalid(name, "has no query", {});
  if (sql.size() > kMostBytes || sql.find('\0') != std::string::npos)
    return Invalid(name, "cannot be kept",
                   "Its query has " + std::to_string(sql.size()) + " bytes.",
                   "A query has 64 kB at most, and no zero byte.");
  seen->gates.push_back({name, sql});
  return {};
}

Status WrongType(const std::string &name, const std::string &key, const char *wanted) {
  return Status::Error(kWrongType,
                       "key " + Quoted(key) + " of gate " + Quoted(name) + " must be " + wanted,
                       "It is of another type.", kForm);
}

bool IsCount(const std::string &key) {
  return key == "max_tables" || key == "max_rows_rewritten" || key == "max_rows_deleted";
}

Status CheckCount(const std::string &name, const std::string &key, const rapidjson::Value &value) {
  if (!value.IsInt64()) return WrongType(name, key, "a whole number");
  if (value.GetInt64() >= 0 && value.GetInt64() <= kMostCounted) return {};
  return Invalid(name, "has a limit out of range",
                 "Key " + Quoted(key) + " is " + std::to_string(value.GetInt64()) + ".",
                 "A limit is from 0 to 1000000000000.");
}

Status CheckMember(const std::string &name, const std::string &key, const rapidjson::Value &value,
                   ProjectOptions *seen) {
  if (IsCount(key)) return CheckCount(name, key, value);
  const bool known = key == "sql" || key == "on" || key == "timeout" || key == "strongest_lock" ||
                     key == "longest_lock";
  if (!known) return Invalid(name, "has an unknown key " + Quoted(key), {});
  if (!value.IsString()) return WrongType(name, key, "a string");
  const std::string text = TextOf(value);
  if (key == "sql") return CheckSql(name, text, seen);
  if (key == "timeout") {
    seen->durations.push_back({"timeout of gate " + name, text, DurationRange::kStatementTimeout});
    return {};
  }
  if (key == "longest_lock") {
    seen->durations.push_back({"longest_lock of gate " + name, text, DurationRange::kZeroOrMore});
    return {};
  }
  if (key == "strongest_lock") {
    if (LockStrength(text) > 0) return {};
    return Invalid(name, "names an unknown lock " + Quoted(text), {},
                   "Locks are named as in pg_locks: \"ShareUpdateExclusiveLock\", \"ShareLock\", "
                   "\"AccessExclusiveLock\" and so on.");
  }
  if (text == "branch" || text == "parent") return {};
  return Invalid(name, "cannot be asked of " + Quoted(text), {},
                 "\"on\" is \"branch\" (which a candidate is, too) or \"parent\".");
}

// Something to ask, or something to measure.
bool HasSubject(const rapidjson::Value &gate) {
  for (const char *key : {"sql", "max_tables", "max_rows_rewritten", "max_rows_deleted",
                          "strongest_lock", "longest_lock"}) {
    if (gate.HasMember(key)) return true;
  }
  return false;
}

Status CheckGate(const std::string &name, const rapidjson::Value &value, ProjectOptions *seen) {
  if (Status status = CheckName(name); !status.ok()) return status;
  if (value.IsString()) return CheckSql(name, TextOf(value), seen);
  if (!value.IsObject())
    return Status::Error(kWrongType, "gate " + Quoted(name) + " must be a string or an object",
                         "It is of another type.", kForm);
  for (const auto &member : value.GetObject()) {
    Status status = CheckMember(name, TextOf(member.name), member.value, seen);
    if (!status.ok()) return status;
  }
  if (HasSubject(value)) return {};
  return Invalid(name, "has neither a query nor a limit", {});
}

}  // namespace

Status CheckGates(const rapidjson::Value &value, ProjectOptions *seen) {
  if (!value.IsObject() && !value.IsArray())
    return Status::Error(kWrongType, "option \"gates\" must be an object", "It is of another type.",
                         "Give the name of each gate, and its query.");
  const rapidjson::SizeType count = value.IsObject() ? value.MemberCount() : value.Size();
  if (count > kMostGates)
    return Status::Error(kInvalidValue, "option \"gates\" has too many elements",
                         "It has " + std::to_string(count) + "; the limit is 100.",
                         "Put several assertions into one query.");
  if (value.IsArray()) {
    for (rapidjson::SizeType n = 0; n < count; ++n) {
      Status status = CheckGate("gate " + std::to_string(n + 1), value[n], seen);
      if (!status.ok()) return status;
    }
    return {};
  }
  for (const auto &member : value.GetObject()) {
    Status status = CheckGate(TextOf(member.name), member.value, seen);
    if (!status.ok()) return status;
  }
  return {};
}

int LockStrength(std::string_view lock) {
  int strength = 0;
  for (const std::string_view mode :
       {"AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock",
        "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"}) {
    ++strength;
    if (mode == lock) return strength;
  }
  return 0;
}

std::string_view GateQuery(std::string_view sql) {
  const size_t end = sql.find_last_not_of("; \t\r\n\f\v");
  return end == std::string_view::npos ? std::string_view() : sql.substr(0, end + 1);
}

std::string GateProbe(std::string_view sql) {
  return "SELECT FROM (" + std::string(GateQuery(sql)) + "\n) AS gate";
}

std::vector<GateRow> ReadGates(std::string_view json) {
  std::vector<GateRow> gates;
  if (json.empty()) return gates;
  Result<JsonDocument> document = ParseJson(json);
  if (!document.ok() || !document->IsArray()) return gates;
  for (const JsonValue &value : document->GetArray()) {
    GateRow gate;
    gate.name = JsonString(&value, "name");
    gate.sql = JsonString(&value, "sql");
    gate.on_parent = JsonString(&value, "on") == "parent";
    const std::optional<int64_t> timeout = JsonInteger(&value, "timeout");
    if (timeout) gate.timeout = milliseconds(*timeout);
    gate.max_tables = JsonInteger(&value, "max_tables");
    gate.max_rows_rewritten = JsonInteger(&value, "max_rows_rewritten");
    gate.max_rows_deleted = JsonInteger(&value, "max_rows_deleted");
    gate.strongest_lock = JsonString(&value, "strongest_lock");
    const std::optional<int64_t> longest = JsonInteger(&value, "longest_lock");
    if (longest) gate.longest_lock = milliseconds(*longest);
    const bool asks = !gate.sql.empty() || gate.has_limits();
    if (!gate.name.empty() && asks) gates.push_back(std::move(gate));
  }
  return gates;
}

}  // namespace agent_branch
