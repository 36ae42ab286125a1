#include "worker/core/script/risks.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

constexpr size_t kLongestText = 500;
constexpr size_t kMostShown = 5;

// What the branch said of one question.
struct Size {
  std::optional<int64_t> rows;
  std::optional<int64_t> bytes;
  bool not_null = false;
};

struct Found {
  size_t statement;  // from 1
  int line;
  const StatementRisk *risk;
  Size size;
};

template <class Visit>
void ForEachRisk(const Script &script, Visit visit) {
  size_t number = 0;
  for (size_t n = 0; n < script.statements.size(); ++n) {
    for (const StatementRisk &risk : script.statements[n].risks)
      visit(number++, n, risk);
  }
}

std::map<size_t, Size> ReadSizes(const std::string &answer) {
  std::map<size_t, Size> sizes;
  Result<JsonDocument> json = ParseJson(answer);
  if (!json.ok() || !json->IsArray()) return sizes;
  for (const JsonValue &one : json->GetArray()) {
    const auto number = JsonInteger(&one, "n");
    if (!number) continue;
    sizes[static_cast<size_t>(*number)] = {JsonInteger(&one, "rows"), JsonInteger(&one, "bytes"),
                                           JsonBool(&one, "not_null")};
  }
  return sizes;
}

bool IsLarge(const Size &size) {
  if (!size.rows && !size.bytes) return true;
  return size.rows.value_or(0) >= kLargeRows || size.bytes.value_or(0) >= kLargeBytes;
}

bool HasRows(const Size &size) {
  return !size.rows || *size.rows > 0;
}

bool IsRisk(const StatementRisk &risk, const Size &size) {
  switch (risk.kind) {
    case RiskKind::kDrop:
    case RiskKind::kRename:
    case RiskKind::kInvisible:
    case RiskKind::kDown:
    case RiskKind::kUnknown:
      return true;
    case RiskKind::kTruncate:
    case RiskKind::kUnfiltered:
      return HasRows(size);
    case RiskKind::kNotNull:
      return HasRows(size) && !size.not_null;
    case RiskKind::kRewrite:
    case RiskKind::kLock:
    case RiskKind::kNotValid:
      return IsLarge(size);
  }
  return true;
}

std::vector<Found> FindRisks(const Script &script, const std::string &answer) {
  std::vector<Found> found;
  const std::map<size_t, Size> sizes = ReadSizes(answer);
  ForEachRisk(script, [&](size_t number, size_t statement, const StatementRisk &risk) {
    const auto size = sizes.find(number);
    const bool known = size != sizes.end();
    // The branch does not have it: the migration itself makes it, or it has no effect.
    if (!answer.empty() && !known && !risk.relation.empty()) return;
    Found one{statement + 1, script.statements[statement].line, &risk, {}};
    if (known) one.size = size->second;
    if (IsRisk(risk, one.size)) found.push_back(one);
  });
  return found;
}

void WriteNumber(JsonWriter &writer, const char *name, std::optional<int64_t> number) {
  writer.Key(name);
  if (number) {
    writer.Int64(*number);
  } else {
    writer.Null();
  }
}

std::string NameOf(const StatementRisk &risk) {
  return CleanText(risk.object_type + " " + risk.object, kLongestText);
}

std::string WriteRisks(const std::vector<Found> &found) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  for (const Found &one : found) {
    writer.StartObject();
    WriteMember(writer, "kind", RiskKindName(one.risk->kind));
    WriteMember(writer, "object", NameOf(*one.risk));
    WriteNumber(writer, "rows", one.size.rows);
    WriteNumber(writer, "bytes", one.size.bytes);
    writer.Key("lock");
    if (one.risk->lock.empty()) {
      writer.Null();
    } else {
      WriteString(writer, one.risk->lock);
    }
    WriteNumber(writer, "statement", static_cast<int64_t>(one.statement));
    WriteNumber(writer, "line", one.line);
    WriteMember(writer, "why", CleanText(one.risk->why, kLongestText));
    writer.EndObject();
  }
  writer.EndArray();
  return std::string(buffer.GetString(), buffer.GetSize());
}

bool IsRefused(const Found &one, const std::vector<std::string> &refused) {
  return std::find(refused.begin(), refused.end(), RiskKindName(one.risk->kind)) != refused.end();
}

std::string Sentence(const Found &one) {
  std::string text = "Statement " + std::to_string(one.statement) + " in line " +
                     std::to_string(one.line) + ": " + std::string(RiskKindName(one.risk->kind)) +
                     " of " + NameOf(*one.risk);
  if (one.size.rows) text += " (" + std::to_string(*one.size.rows) + " rows)";
  return text + ": " + CleanText(one.risk->why, kLongestText) + ".";
}

Status Refusal(const std::vector<Found> &found, const std::vector<std::string> &refused) {
  std::string detail;
  size_t count = 0;
  for (const Found &one : found) {
    if (!IsRefused(one, refused) || ++count > kMostShown) continue;
    detail += (detail.empty() ? "" : "\n") + Sentence(one);
  }
  if (count == 0) return {};
  if (count > kMostShown) detail += "\nAnd " + std::to_string(count - kMostShown) + " more.";
  std::string kinds;
  for (const std::string &kind : refused)
    kinds += (kinds.empty() ? "" : ", ") + kind;
  return Status::Error("AB002", "the project does not allow what the migration puts at risk",
                       detail,
                       "Leave it out. The project refuses these kinds of risk, by its option "
                       "refuse_risks: " +
                           kinds + ".");
}

}  // namespace

std::string RiskQuestions(const Script &script) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  bool any = false;
  writer.StartArray();
  ForEachRisk(script, [&](size_t number, size_t, const StatementRisk &risk) {
    if (risk.relation.empty()) return;
    any = true;
    writer.StartObject();
    writer.Key("n");
    writer.Uint64(number);
    WriteMember(writer, "relation", CleanText(risk.relation, kLongestText));
    if (!risk.column.empty()) WriteMember(writer, "column", CleanText(risk.column, kLongestText));
    writer.EndObject();
  });
  writer.EndArray();
  return any ? std::string(buffer.GetString(), buffer.GetSize()) : std::string();
}

Risks WeighRisks(const Script &script, const std::string &answer,
                 const std::vector<std::string> &refused) {
  const std::vector<Found> found = FindRisks(script, answer);
  return {WriteRisks(found), Refusal(found, refused)};
}

}  // namespace agent_branch
