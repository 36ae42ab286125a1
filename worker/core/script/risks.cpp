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
  size_t statement;  // from 1; 0: measured
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
      return risk.cascades || HasRows(size);
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
    // The branch does not have it: it has no effect, unless it is there under another name or in
    // another schema by the time that the statement runs.
    const bool asked = !risk.relation.empty() || !risk.lookup.empty();
    if (!answer.empty() && !known && asked && !risk.moved) return;
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
    // What was measured is the work of all statements together.
    const bool placed = one.statement > 0;
    WriteNumber(writer, "statement", placed ? std::optional<int64_t>(one.statement) : std::nullopt);
    WriteNumber(writer, "line", placed ? std::optional<int64_t>(one.line) : std::nullopt);
    WriteMember(writer, "why", CleanText(one.risk->why, kLongestText));
    writer.EndObject();
  }
  writer.EndArray();
  return std::string(buffer.GetString(), buffer.GetSize());
}

// What nobody can know beforehand may be of any kind that is refused.
bool IsRefused(const Found &one, const std::vector<std::string> &refused) {
  if (one.risk->kind == RiskKind::kUnknown) return !refused.empty();
  return std::find(refused.begin(), refused.end(), RiskKindName(one.risk->kind)) != refused.end();
}

std::string Sentence(const Found &one) {
  std::string text = one.statement == 0 ? "Measured before COMMIT: "
                                        : "Statement " + std::to_string(one.statement) +
                                              " in line " + std::to_string(one.line) + ": ";
  text += std::string(RiskKindName(one.risk->kind)) + " of " + NameOf(*one.risk);
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

// The parser's own error, which a fixer may mend, with why it is not the branch's to judge.
Status RefuseUnread(const Script &script) {
  const Status &unread = script.unread;
  const std::string reason =
      "The project refuses risks, and what cannot be read is not known to have none.";
  if (unread.ok()) return Status::Error("AB002", "the migration cannot be read", reason);
  return Status::Error(unread.sqlstate(), unread.message(),
                       unread.detail().empty() ? reason : unread.detail() + "\n" + reason,
                       unread.hint());
}

// Whether two names may be of one relation: a schema that is not given may be any.
bool MayBe(const std::string &written, const std::string &whole) {
  if (written == whole) return true;
  return whole.size() > written.size() && whole[whole.size() - written.size() - 1] == '.' &&
         whole.compare(whole.size() - written.size(), written.size(), written) == 0;
}

bool IsFilled(const Script &script, const std::string &table) {
  for (const ScriptStatement &statement : script.statements) {
    for (const std::string &relation : statement.fills) {
      if (MayBe(relation, table)) return true;
    }
  }
  return false;
}

// One table of the record, which lists what the migration made not.
void MeasureTable(const Script &script, const JsonValue *table, std::vector<StatementRisk> *risks,
                  std::vector<Size> *sizes) {
  const std::string name = JsonString(table, "table");
  if (name.empty() || JsonBool(table, "created") || JsonBool(table, "temporary")) return;
  const int64_t deleted = JsonInteger(table, "deleted").value_or(0);
  const int64_t updated = JsonInteger(table, "updated").value_or(0);
  const Size size{JsonInteger(table, "rows_before"), JsonInteger(table, "bytes"), false};
  const auto add = [&](RiskKind kind, const char *type, std::string why) {
    StatementRisk risk;
    risk.kind = kind;
    risk.object_type = type;
    risk.object = risk.relation = name;
    risk.lock = JsonString(table, "lock");
    risk.why = std::move(why);
    risks->push_back(std::move(risk));
    sizes->push_back(size);
  };
  const auto all = [&](int64_t rows) { return rows > 0 && rows >= size.rows.value_or(1); };
  const bool filled = IsFilled(script, name);
  if (JsonBool(table, "dropped")) add(RiskKind::kDrop, "table", "it is gone");
  if (JsonBool(table, "detached")) add(RiskKind::kDrop, "partition", "its rows left their table");
  if (JsonBool(table, "truncated") && size.rows.value_or(1) > 0)
    add(RiskKind::kTruncate, "table", "all its rows went");
  if (all(deleted) && !filled)
    add(RiskKind::kUnfiltered, "table",
        std::to_string(deleted) + " rows were deleted, which is all");
  if (all(updated) && !filled)
    add(RiskKind::kUnfiltered, "table",
        std::to_string(updated) + " rows were updated, which is all");
  if (JsonBool(table, "rewritten") && IsLarge(size))
    add(RiskKind::kRewrite, "table", "it was written anew");
}

}  // namespace

std::string RiskQuestions(const Script &script) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  bool any = false;
  writer.StartArray();
  ForEachRisk(script, [&](size_t number, size_t, const StatementRisk &risk) {
    if (risk.relation.empty() && risk.lookup.empty()) return;
    any = true;
    writer.StartObject();
    writer.Key("n");
    writer.Uint64(number);
    WriteMember(writer, "relation", CleanText(risk.relation, kLongestText));
    if (!risk.column.empty()) WriteMember(writer, "column", CleanText(risk.column, kLongestText));
    if (!risk.lookup.empty()) {
      WriteMember(writer, "type", risk.object_type);
      WriteMember(writer, "name", CleanText(risk.lookup, kLongestText));
    }
    writer.EndObject();
  });
  writer.EndArray();
  return any ? std::string(buffer.GetString(), buffer.GetSize()) : std::string();
}

Risks WeighRisks(const Script &script, const std::string &answer,
                 const std::vector<std::string> &refused) {
  const std::vector<Found> found = FindRisks(script, answer);
  if (!script.parsed && !refused.empty() && !script.statements.empty())
    return {WriteRisks(found), RefuseUnread(script), true};
  return {WriteRisks(found), Refusal(found, refused)};
}

Risks WeighRecord(const Script &script, const std::string &record,
                  const std::vector<std::string> &refused) {
  std::vector<StatementRisk> risks;
  std::vector<Size> sizes;
  Result<JsonDocument> json = ParseJson(record);
  const JsonValue *tables = json.ok() ? JsonArray(&json.value(), "tables") : nullptr;
  if (tables == nullptr) {
    if (refused.empty()) return {"[]", Status()};
    return {"[]", Status::Error("AB002", "the branch did not tell what the migration did", {},
                                "Call agent_migrate() again, or have the project's option "
                                "refuse_risks changed.")};
  }
  for (const JsonValue &table : tables->GetArray())
    MeasureTable(script, &table, &risks, &sizes);
  std::vector<Found> found;
  for (size_t n = 0; n < risks.size(); ++n)
    found.push_back({0, 0, &risks[n], sizes[n]});
  return {WriteRisks(found), Refusal(found, refused)};
}

}  // namespace agent_branch
