#include "worker/core/merge/preview.hpp"

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMostObjects = 300;
constexpr size_t kMostTables = 300;
constexpr size_t kLongestName = 500;
constexpr size_t kLongestText = 4'000;
constexpr size_t kLongestDdl = 200'000;

// Names and texts come from a branch: they are made fit for the control database.
void WriteClean(JsonWriter &writer, const char *name, const std::string &text,
                size_t limit = kLongestText) {
  WriteMember(writer, name, CleanLines(text, limit));
}

void WriteFlag(JsonWriter &writer, const char *name, bool value) {
  writer.Key(name);
  writer.Bool(value);
}

void WriteNumber(JsonWriter &writer, const char *name, const std::optional<int64_t> &value) {
  writer.Key(name);
  if (value) {
    writer.Int64(*value);
  } else {
    writer.Null();
  }
}

void WriteTexts(JsonWriter &writer, const char *name, const std::vector<std::string> &texts) {
  writer.Key(name);
  writer.StartArray();
  for (const std::string &text : texts)
    WriteString(writer, CleanText(text, kLongestName));
  writer.EndArray();
}

void WriteStatus(JsonWriter &writer, const char *name, const Status &why) {
  writer.Key(name);
  writer.StartObject();
  WriteMember(writer, "sqlstate", why.sqlstate());
  WriteClean(writer, "message", why.message());
  WriteClean(writer, "detail", why.detail());
  WriteClean(writer, "hint", why.hint());
  writer.EndObject();
}

void WriteProof(JsonWriter &writer, const char *name, const PreviewProof &proof) {
  writer.Key(name);
  writer.StartObject();
  WriteFlag(writer, "holds", proof.holds);
  if (!proof.why.empty()) WriteClean(writer, "why", proof.why);
  writer.EndObject();
}

void WriteStrategy(JsonWriter &writer, const char *name, const PreviewStrategy &strategy) {
  writer.Key(name);
  writer.StartObject();
  WriteFlag(writer, "possible", strategy.possible);
  if (!strategy.why_not.ok()) WriteStatus(writer, "why_not", strategy.why_not);
  WriteTexts(writer, "loses", strategy.loses);
  writer.EndObject();
}

const char *ChangeOf(const std::string &before, const std::string &after) {
  if (before.empty()) return "added";
  return after.empty() ? "dropped" : "changed";
}

std::string TextOf(const std::map<std::string, std::string> &texts, const std::string &object) {
  const auto found = texts.find(object);
  return found == texts.end() ? std::string() : found->second;
}

// changes: of one side, where the other side's definition says what was there before.
void WriteChange(JsonWriter &writer, const MergePreview &preview,
                 const ObjectDifference &difference, bool by_branch) {
  const std::string &after = by_branch ? difference.branch : difference.parent;
  writer.StartObject();
  WriteClean(writer, "object", difference.object, kLongestName);
  WriteMember(writer, "change", ChangeOf(difference.base, after));
  WriteFlag(writer, "conflict", difference.change == ObjectChange::kConflict);
  const auto &texts = by_branch ? preview.branch_texts : preview.parent_texts;
  const auto &others = by_branch ? preview.parent_texts : preview.branch_texts;
  const std::string definition = TextOf(texts, difference.object);
  const std::string other = TextOf(others, difference.object);
  if (!after.empty() && !definition.empty()) WriteClean(writer, "definition", definition);
  const bool alone = by_branch ? difference.change == ObjectChange::kBranchOnly
                               : difference.change == ObjectChange::kParentOnly;
  if (!difference.base.empty() && alone && !other.empty()) WriteClean(writer, "before", other);
  writer.EndObject();
}

void WriteChanges(JsonWriter &writer, const char *name, const MergePreview &preview,
                  bool by_branch) {
  writer.Key(name);
  writer.StartArray();
  size_t told = 0;
  for (const ObjectDifference &difference : preview.differences) {
    const std::string &after = by_branch ? difference.branch : difference.parent;
    if (after == difference.base || told == kMostObjects) continue;
    ++told;
    WriteChange(writer, preview, difference, by_branch);
  }
  writer.EndArray();
}

// For people: what the branch adds and changes as it is there, what it drops as a comment.
std::string Ddl(const MergePreview &preview) {
  std::string ddl;
  for (const ObjectDifference &difference : preview.differences) {
    if (difference.branch == difference.base) continue;
    const std::string definition = TextOf(preview.branch_texts, difference.object);
    const std::string before = TextOf(preview.parent_texts, difference.object);
    ddl += "-- " + std::string(ChangeOf(difference.base, difference.branch)) + ": " +
           difference.object + "\n";
    if (!difference.base.empty() && !before.empty())
      ddl += "-- was: " + CleanText(before, 500) + "\n";
    if (!difference.branch.empty() && !definition.empty()) ddl += definition + "\n";
    if (ddl.size() > kLongestDdl) break;
  }
  return CleanLines(ddl, kLongestDdl);
}

void WriteTable(JsonWriter &writer, const MergePreview &preview, const TouchedTable &table) {
  writer.StartObject();
  WriteClean(writer, "table", table.table, kLongestName);
  const auto size = preview.sizes.find(table.table);
  WriteNumber(writer, "rows", size == preview.sizes.end() ? std::nullopt : size->second.rows);
  WriteNumber(writer, "bytes", size == preview.sizes.end() ? std::nullopt : size->second.bytes);
  const auto counts = preview.rows.find(table.table);
  WriteNumber(writer, "inserted", counts == preview.rows.end() ? 0 : counts->second.inserted);
  WriteNumber(writer, "updated", table.updated);
  WriteNumber(writer, "deleted", table.deleted);
  WriteFlag(writer, "rewritten", table.rewritten);
  WriteFlag(writer, "dropped", table.dropped);
  if (!table.lock.empty()) WriteMember(writer, "lock", table.lock);
  writer.EndObject();
}

void WriteRisk(JsonWriter &writer, const RecordedRisk &recorded) {
  writer.StartObject();
  WriteNumber(writer, "migration", recorded.ordinal);
  WriteNumber(writer, "statement", recorded.statement);
  WriteMember(writer, "kind", RiskKindName(recorded.risk.kind));
  if (!recorded.risk.object.empty()) {
    WriteClean(writer, "object_type", recorded.risk.object_type, kLongestName);
    WriteClean(writer, "object", recorded.risk.object, kLongestName);
  }
  if (!recorded.risk.lock.empty()) WriteMember(writer, "lock", recorded.risk.lock);
  WriteClean(writer, "why", recorded.risk.why);
  writer.EndObject();
}

}  // namespace

std::string PreviewJson(const MergePreview &preview) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  WriteMember(writer, "session", preview.session);
  WriteMember(writer, "project", preview.project);
  WriteMember(writer, "parent", preview.parent);
  WriteFlag(writer, "possible", !preview.refusal.has_value());
  if (!preview.strategy.empty()) WriteMember(writer, "strategy", preview.strategy);
  WriteClean(writer, "why", preview.why);
  if (preview.refusal) WriteStatus(writer, "refusal", preview.refusal->why);
  writer.Key("proofs");
  writer.StartObject();
  WriteProof(writer, "still", preview.still);
  WriteProof(writer, "same_schema", preview.same_schema);
  WriteProof(writer, "all_recorded", preview.all_recorded);
  WriteProof(writer, "one_piece", preview.one_piece);
  writer.EndObject();
  WriteChanges(writer, "changes", preview, true);
  WriteMember(writer, "ddl", Ddl(preview));
  WriteChanges(writer, "parent_changes", preview, false);
  WriteTexts(writer, "unrecorded", preview.unrecorded);
  writer.Key("tables");
  writer.StartArray();
  for (size_t n = 0; n < preview.tables.size() && n < kMostTables; ++n)
    WriteTable(writer, preview, preview.tables[n]);
  writer.EndArray();
  writer.Key("destructive");
  writer.StartArray();
  for (const RecordedRisk &risk : preview.risks)
    WriteRisk(writer, risk);
  writer.EndArray();
  writer.Key("gates");
  const std::string gates = GatesJson(preview.gates);
  writer.RawValue(gates.data(), gates.size(), rapidjson::kArrayType);
  writer.Key("strategies");
  writer.StartObject();
  WriteStrategy(writer, "replay", preview.replay);
  WriteStrategy(writer, "restore", preview.restore);
  WriteStrategy(writer, "candidate", preview.candidate);
  writer.EndObject();
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string PreviewError(const Status &why) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  WriteStatus(writer, "error", why);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string DefinitionQuestion(const std::vector<ObjectDifference> &differences, bool on_branch) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  size_t asked = 0;
  for (const ObjectDifference &difference : differences) {
    const std::string &there = on_branch ? difference.branch : difference.parent;
    if (there.empty() || asked == kMostObjects) continue;
    ++asked;
    WriteString(writer, difference.object);
  }
  writer.EndArray();
  return {buffer.GetString(), buffer.GetSize()};
}

std::map<std::string, std::string> ReadDefinitions(std::string_view answer) {
  std::map<std::string, std::string> definitions;
  Result<JsonDocument> document = ParseJson(answer);
  if (!document.ok() || !document->IsObject()) return definitions;
  for (const auto &member : document->GetObject()) {
    if (!member.value.IsString()) continue;
    definitions[std::string(member.name.GetString(), member.name.GetStringLength())] =
        std::string(member.value.GetString(), member.value.GetStringLength());
  }
  return definitions;
}

std::map<std::string, TableSize> ReadTableSizes(std::string_view answer,
                                                const std::vector<std::string> &tables) {
  std::map<std::string, TableSize> sizes;
  Result<JsonDocument> document = ParseJson(answer);
  if (!document.ok() || !document->IsArray()) return sizes;
  for (const JsonValue &row : document->GetArray()) {
    const std::optional<int64_t> n = JsonInteger(&row, "n");
    if (!n || *n < 0 || static_cast<size_t>(*n) >= tables.size()) continue;
    sizes[tables[static_cast<size_t>(*n)]] = {JsonInteger(&row, "rows"),
                                              JsonInteger(&row, "bytes")};
  }
  return sizes;
}

}  // namespace agent_branch
