#include "worker/core/script/script.hpp"

#include <algorithm>
#include <array>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/script/segments.hpp"

namespace agent_branch {
namespace {

constexpr size_t kLongestName = 1'000;

// In the order of RiskKind.
constexpr std::array<std::string_view, 11> kRiskKinds = {
    "drop",   "truncate",   "rewrite",   "lock", "not_null", "not_valid",
    "rename", "unfiltered", "invisible", "down", "unknown"};

void WriteNumber(JsonWriter &writer, const char *name, size_t value) {
  writer.Key(name);
  writer.Uint64(value);
}

// Names come out of a text of any encoding, and JSON has only one.
void WriteClean(JsonWriter &writer, const char *name, std::string_view text) {
  WriteMember(writer, name, CleanLines(text, kLongestName));
}

void WriteOptional(JsonWriter &writer, const char *name, std::string_view text) {
  if (!text.empty()) WriteClean(writer, name, text);
}

void WriteRefusal(JsonWriter &writer, const Script &script) {
  writer.Key("refusal");
  if (script.refusal.ok()) {
    writer.Null();
    return;
  }
  writer.StartObject();
  if (script.refused > 0) WriteNumber(writer, "statement", script.refused);
  WriteMember(writer, "sqlstate", script.refusal.sqlstate());
  WriteClean(writer, "message", script.refusal.message());
  WriteOptional(writer, "detail", script.refusal.detail());
  WriteOptional(writer, "hint", script.refusal.hint());
  writer.EndObject();
}

void WriteRisks(JsonWriter &writer, const std::vector<StatementRisk> &risks) {
  writer.Key("risks");
  writer.StartArray();
  for (const StatementRisk &risk : risks) {
    writer.StartObject();
    WriteMember(writer, "kind", RiskKindName(risk.kind));
    WriteClean(writer, "object", risk.object_type + " " + risk.object);
    WriteOptional(writer, "lock", risk.lock);
    WriteClean(writer, "why", risk.why);
    writer.EndObject();
  }
  writer.EndArray();
}

void WriteEffects(JsonWriter &writer, const std::vector<Effect> &effects) {
  writer.Key("effects");
  writer.StartArray();
  for (const Effect &effect : effects) {
    writer.StartObject();
    WriteClean(writer, "kind", effect.kind);
    WriteClean(writer, "object", effect.object);
    WriteOptional(writer, "detail", effect.detail);
    writer.EndObject();
  }
  writer.EndArray();
}

void WriteStatement(JsonWriter &writer, const ScriptStatement &statement, size_t number,
                    size_t segment) {
  writer.StartObject();
  WriteNumber(writer, "statement", number);
  WriteNumber(writer, "line", static_cast<size_t>(statement.line));
  WriteNumber(writer, "column", static_cast<size_t>(statement.column));
  writer.Key("tag");
  if (statement.tag.empty()) {
    writer.Null();
  } else {
    WriteString(writer, statement.tag);
  }
  WriteNumber(writer, "segment", segment);
  writer.Key("alone");
  writer.Bool(statement.non_transactional != NonTransactional::kNo);
  WriteOptional(writer, "alone_because", statement.alone_reason);
  writer.Key("mentions");
  writer.StartArray();
  for (const std::string &name : statement.mentions)
    WriteString(writer, CleanText(name, kLongestName));
  writer.EndArray();
  WriteRisks(writer, statement.risks);
  WriteEffects(writer, statement.effects);
  writer.EndObject();
}

}  // namespace

std::string_view RiskKindName(RiskKind kind) {
  return kRiskKinds[static_cast<size_t>(kind)];
}

bool IsRiskKind(std::string_view name) {
  return RiskKindNamed(name).has_value();
}

std::optional<RiskKind> RiskKindNamed(std::string_view name) {
  const auto found = std::find(kRiskKinds.begin(), kRiskKinds.end(), name);
  if (found == kRiskKinds.end()) return std::nullopt;
  return static_cast<RiskKind>(found - kRiskKinds.begin());
}

std::string ScriptJson(const Script &script) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("parsed");
  writer.Bool(script.parsed);
  WriteRefusal(writer, script);
  writer.Key("statements");
  writer.StartArray();
  const std::vector<Segment> segments = SplitIntoSegments(script);
  size_t segment = 0;
  for (size_t number = 0; number < script.statements.size(); ++number) {
    while (segment + 1 < segments.size() && segments[segment + 1].first <= number)
      ++segment;
    WriteStatement(writer, script.statements[number], number + 1, segment + 1);
  }
  writer.EndArray();
  writer.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize());
}

}  // namespace agent_branch
