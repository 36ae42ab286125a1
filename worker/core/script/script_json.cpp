#include "worker/core/script/script_json.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/script/text_bounds.hpp"
#include "worker/core/script/transactions.hpp"

namespace agent_branch {
namespace {

constexpr int64_t kForm = 1;
constexpr size_t kMostRisks = 100'000;

// In the order of Alone and of Boundary.
constexpr std::array<std::string_view, 7> kAlone = {
    "", "repeatable", "reindex", "create_index", "drop_index", "detach_partition", "once"};
constexpr std::array<std::string_view, 3> kBoundaries = {"", "begin", "commit"};

template <size_t N>
std::optional<size_t> IndexOf(const std::array<std::string_view, N> &names,
                              const std::string &name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<size_t>(found - names.begin());
}

// What a member of this name holds, in an object that is written sparsely.
void WriteText(JsonWriter &writer, const char *name, std::string_view text) {
  if (!text.empty()) WriteMember(writer, name, text);
}

void WriteFlag(JsonWriter &writer, const char *name, bool set) {
  if (!set) return;
  writer.Key(name);
  writer.Bool(true);
}

void WriteCount(JsonWriter &writer, const char *name, size_t count) {
  writer.Key(name);
  writer.Uint64(count);
}

void WriteStatus(JsonWriter &writer, const char *name, const Status &status) {
  if (status.ok()) return;
  writer.Key(name);
  writer.StartObject();
  WriteMember(writer, "sqlstate", status.sqlstate());
  WriteText(writer, "message", status.message());
  WriteText(writer, "detail", status.detail());
  WriteText(writer, "hint", status.hint());
  writer.EndObject();
}

void WriteRisk(JsonWriter &writer, const StatementRisk &risk) {
  writer.StartObject();
  WriteMember(writer, "kind", RiskKindName(risk.kind));
  WriteText(writer, "type", risk.object_type);
  WriteText(writer, "object", risk.object);
  WriteText(writer, "relation", risk.relation);
  WriteText(writer, "column", risk.column);
  WriteText(writer, "lookup", risk.lookup);
  WriteText(writer, "lock", risk.lock);
  WriteText(writer, "why", risk.why);
  WriteFlag(writer, "moved", risk.moved);
  WriteFlag(writer, "cascades", risk.cascades);
  writer.EndObject();
}

// Enough to tell which statement a notice is about, and whose locks it waits for.
void WriteMentions(JsonWriter &writer, const std::vector<std::string> &mentions) {
  constexpr size_t kMostMentions = 10;
  if (mentions.empty()) return;
  writer.Key("mentions");
  writer.StartArray();
  for (size_t n = 0; n < mentions.size() && n < kMostMentions; ++n)
    WriteString(writer, mentions[n]);
  writer.EndArray();
}

void WriteStatement(JsonWriter &writer, const ScriptStatement &statement) {
  writer.StartObject();
  WriteCount(writer, "offset", statement.offset);
  WriteCount(writer, "length", statement.length);
  WriteCount(writer, "line", static_cast<size_t>(statement.line));
  WriteCount(writer, "column", static_cast<size_t>(statement.column));
  WriteText(writer, "tag", statement.tag);
  WriteText(writer, "alone", kAlone[static_cast<size_t>(statement.non_transactional)]);
  WriteText(writer, "alone_reason", statement.alone_reason);
  WriteText(writer, "alone_object", statement.alone_object);
  WriteText(writer, "alone_relation", statement.alone_relation);
  WriteFlag(writer, "commit_after", statement.commit_after);
  WriteFlag(writer, "setting", !statement.setting.empty());
  WriteText(writer, "boundary", kBoundaries[static_cast<size_t>(statement.boundary)]);
  if (!statement.fills.empty()) {
    writer.Key("fills");
    writer.StartArray();
    for (const std::string &relation : statement.fills)
      WriteString(writer, relation);
    writer.EndArray();
  }
  WriteMentions(writer, statement.mentions);
  if (!statement.risks.empty()) {
    writer.Key("risks");
    writer.StartArray();
    for (const StatementRisk &risk : statement.risks)
      WriteRisk(writer, risk);
    writer.EndArray();
  }
  writer.EndObject();
}

Status NoReading() {
  return Status::Error("22023", "what is kept is no reading of the migration's text", {},
                       "Call agent_discard(), and ask for the migration anew.");
}

Status ReadStatus(const JsonValue *object) {
  if (object == nullptr) return {};
  const std::string sqlstate = JsonString(object, "sqlstate");
  return Status::Error(sqlstate.size() == 5 ? sqlstate : "XX000", JsonString(object, "message"),
                       JsonString(object, "detail"), JsonString(object, "hint"));
}

class KeptReader {
 public:
  explicit KeptReader(std::string_view sql) : sql_(sql) {}

  Result<Script> Read(std::string_view json) {
    Result<JsonDocument> document = ParseJson(json);
    if (!document.ok()) return NoReading();
    const JsonValue *root = &document.value();
    const JsonValue *statements = JsonArray(root, "statements");
    const bool known = JsonInteger(root, "form") == kForm && statements != nullptr &&
                       JsonInteger(root, "length") == static_cast<int64_t>(sql_.size()) &&
                       statements->Size() <= kMostStatements;
    if (!known) return NoReading();
    script_.parsed = JsonBool(root, "parsed");
    script_.length = sql_.size();
    script_.unread = ReadStatus(JsonMember(root, "unread"));
    script_.refusal = ReadStatus(JsonMember(root, "refusal"));
    for (const JsonValue &statement : statements->GetArray()) {
      if (!Statement(&statement)) return NoReading();
    }
    const auto refused = JsonInteger(root, "refused").value_or(0);
    if (refused < 0 || refused > static_cast<int64_t>(script_.statements.size()))
      return NoReading();
    script_.refused = static_cast<size_t>(refused);
    return std::move(script_);
  }

 private:
  // A number of at least `least` and at most `most`.
  static std::optional<size_t> Count(const JsonValue *object, const char *name, size_t least,
                                     size_t most) {
    const auto number = JsonInteger(object, name);
    if (!number || *number < static_cast<int64_t>(least) || *number > static_cast<int64_t>(most))
      return std::nullopt;
    return static_cast<size_t>(*number);
  }

  bool Statement(const JsonValue *object) {
    const auto offset = Count(object, "offset", end_, sql_.size());
    if (!offset) return false;
    const auto length = Count(object, "length", 0, sql_.size() - *offset);
    const auto line = Count(object, "line", 1, sql_.size() + 1);
    const auto column = Count(object, "column", 1, sql_.size() + 1);
    const auto alone = IndexOf(kAlone, JsonString(object, "alone"));
    const auto boundary = IndexOf(kBoundaries, JsonString(object, "boundary"));
    if (!length || !line || !column || !alone || !boundary) return false;
    end_ = *offset + *length;
    ScriptStatement statement;
    statement.offset = *offset;
    statement.length = *length;
    statement.line = static_cast<int>(*line);
    statement.column = static_cast<int>(*column);
    statement.tag = JsonString(object, "tag");
    statement.non_transactional = static_cast<NonTransactional>(*alone);
    statement.alone_reason = JsonString(object, "alone_reason");
    statement.alone_object = JsonString(object, "alone_object");
    statement.alone_relation = JsonString(object, "alone_relation");
    statement.commit_after = JsonBool(object, "commit_after");
    statement.boundary = static_cast<Boundary>(*boundary);
    if (JsonBool(object, "setting")) statement.setting = SettingOf(statement);
    Names(JsonArray(object, "fills"), &statement.fills);
    Names(JsonArray(object, "mentions"), &statement.mentions);
    script_.statements.push_back(std::move(statement));
    return Risks(JsonArray(object, "risks"));
  }

  static void Names(const JsonValue *list, std::vector<std::string> *names) {
    if (list == nullptr) return;
    for (const JsonValue &name : list->GetArray()) {
      if (name.IsString()) names->emplace_back(name.GetString(), name.GetStringLength());
    }
  }

  // Out of the text, and never out of what is kept: it is sent to the branch.
  std::string SettingOf(const ScriptStatement &statement) const {
    const std::string_view text = sql_.substr(statement.offset, statement.length);
    return statement.boundary == Boundary::kBegin ? TransactionSetting(text) : std::string(text);
  }

  bool Risks(const JsonValue *risks) {
    if (risks == nullptr) return true;
    for (const JsonValue &object : risks->GetArray()) {
      const std::string kind = JsonString(&object, "kind");
      if (!IsRiskKind(kind) || ++risks_ > kMostRisks) return false;
      StatementRisk risk;
      risk.kind = *RiskKindNamed(kind);
      risk.object_type = JsonString(&object, "type");
      risk.object = JsonString(&object, "object");
      risk.relation = JsonString(&object, "relation");
      risk.column = JsonString(&object, "column");
      risk.lookup = JsonString(&object, "lookup");
      risk.lock = JsonString(&object, "lock");
      risk.why = JsonString(&object, "why");
      risk.moved = JsonBool(&object, "moved");
      risk.cascades = JsonBool(&object, "cascades");
      script_.statements.back().risks.push_back(std::move(risk));
    }
    return true;
  }

  std::string_view sql_;
  size_t end_ = 0;  // of the statement before
  size_t risks_ = 0;
  Script script_;
};

}  // namespace

std::string KeptScript(const Script &script, std::string_view sql, std::string_view parser) {
  if (!IsUtf8(sql)) return {};
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  WriteCount(writer, "form", kForm);
  WriteMember(writer, "parser", parser);
  WriteCount(writer, "length", script.length);
  WriteFlag(writer, "parsed", script.parsed);
  WriteStatus(writer, "unread", script.unread);
  WriteStatus(writer, "refusal", script.refusal);
  WriteCount(writer, "refused", script.refused);
  writer.Key("statements");
  writer.StartArray();
  for (const ScriptStatement &statement : script.statements)
    WriteStatement(writer, statement);
  writer.EndArray();
  writer.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize());
}

Result<Script> ReadKeptScript(std::string_view json, std::string_view sql) {
  return KeptReader(sql).Read(json);
}

}  // namespace agent_branch
