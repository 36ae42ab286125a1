#include "worker/core/script/risks.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

constexpr size_t kLongestText = 500;
constexpr size_t kMostShown = 5;
// Milliseconds from which on a lock that keeps others out is told.
constexpr int64_t kLongLock = 1'000;

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
  const std::string name = risk.object.empty() ? "" : " " + risk.object;
  return CleanText(risk.object_type + name, kLongestText);
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

// What was measured, and what the sizes say of it.
struct Measured {
  std::vector<StatementRisk> risks;
  std::vector<Size> sizes;

  void Add(RiskKind kind, std::string type, std::string object, std::string why, Size size = {}) {
    StatementRisk risk;
    risk.kind = kind;
    risk.object_type = std::move(type);
    risk.object = std::move(object);
    risk.why = std::move(why);
    risks.push_back(std::move(risk));
    sizes.push_back(size);
  }
};

std::vector<std::string> Texts(const JsonValue *object, const char *name) {
  std::vector<std::string> texts;
  const JsonValue *list = JsonArray(object, name);
  if (list == nullptr) return texts;
  for (const JsonValue &text : list->GetArray()) {
    if (text.IsString()) texts.emplace_back(text.GetString(), text.GetStringLength());
  }
  return texts;
}

void MeasureColumns(const JsonValue *table, const std::string &name, Measured *found) {
  for (const std::string &column : Texts(table, "columns"))
    found->Add(RiskKind::kDrop, "column", name + "." + column, "its values are gone");
  for (const std::string &column : Texts(table, "not_null"))
    found->Add(RiskKind::kNotNull, "column", name + "." + column,
               "it must not be null from now on");
  for (const std::string &other : Texts(table, "renamed"))
    found->Add(RiskKind::kRename, "table", name, "there is another name now: " + other);
}

void MeasureTable(const Script &script, const JsonValue *table, int64_t milliseconds,
                  Measured *found) {
  const std::string name = JsonString(table, "table");
  const auto count = [&](const char *member) { return JsonInteger(table, member).value_or(0); };
  const Size size{std::nullopt, JsonInteger(table, "bytes"), false};
  if (JsonBool(table, "dropped")) found->Add(RiskKind::kDrop, "table", name, "it is gone");
  if (JsonBool(table, "detached"))
    found->Add(RiskKind::kDrop, "partition", name, "its rows left their table");
  if (JsonBool(table, "truncated"))
    found->Add(RiskKind::kTruncate, "table", name, "none of its rows is left");
  if (JsonBool(table, "all") && !IsFilled(script, name))
    found->Add(RiskKind::kUnfiltered, "table", name,
               "none of its rows is as it was: " + std::to_string(count("deleted")) +
                   " were deleted, " + std::to_string(count("updated")) + " updated");
  if (JsonBool(table, "rewritten") && IsLarge(size))
    found->Add(RiskKind::kRewrite, "table", name, "it was written anew", size);
  MeasureColumns(table, name, found);
  const std::string lock = JsonString(table, "lock");
  if (lock.empty() || milliseconds < kLongLock) return;
  found->Add(RiskKind::kLock, "table", name,
             "others were kept out for up to " + std::to_string(milliseconds) + " ms", size);
  found->risks.back().lock = lock;
}

void MeasureObject(const JsonValue *object, Measured *found) {
  const bool renamed = JsonBool(object, "renamed");
  found->Add(renamed ? RiskKind::kRename : RiskKind::kDrop, JsonString(object, "kind"),
             JsonString(object, "name"),
             renamed ? "it is there under another name" : "it is gone for all who use it");
}

// The tables that earlier transactions of the migration made, by their records.
std::set<std::string> MadeBefore(const std::string &earlier) {
  std::set<std::string> made;
  Result<JsonDocument> json = ParseJson("[" + earlier + "]");
  if (!json.ok() || !json->IsArray()) return made;
  for (const JsonValue &record : json->GetArray()) {
    for (std::string &name : Texts(JsonMember(&record, "done"), "made"))
      made.insert(std::move(name));
  }
  return made;
}

Status RefuseUnmeasured() {
  return Status::Error("AB002", "the branch did not tell what the migration did", {},
                       "Call agent_migrate() again, or have the project's option refuse_risks "
                       "changed.");
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
    if (!risk.relation.empty())
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

Risks WeighRecord(const Script &script, const std::string &record, const std::string &earlier,
                  const std::vector<std::string> &refused) {
  Result<JsonDocument> json = ParseJson(record);
  const JsonValue *done = json.ok() ? JsonMember(&json.value(), "done") : nullptr;
  const JsonValue *tables = JsonArray(done, "tables");
  const JsonValue *objects = JsonArray(done, "objects");
  if (tables == nullptr || objects == nullptr)
    return {"[]", refused.empty() ? Status() : RefuseUnmeasured()};
  const std::set<std::string> made = MadeBefore(earlier);
  const int64_t milliseconds = JsonInteger(&json.value(), "milliseconds").value_or(0);
  Measured measured;
  for (const JsonValue &table : tables->GetArray()) {
    if (made.count(JsonString(&table, "table")) == 0)
      MeasureTable(script, &table, milliseconds, &measured);
  }
  for (const JsonValue &object : objects->GetArray())
    MeasureObject(&object, &measured);
  std::vector<Found> found;
  for (size_t n = 0; n < measured.risks.size(); ++n)
    found.push_back({0, 0, &measured.risks[n], measured.sizes[n]});
  return {WriteRisks(found), Refusal(found, refused)};
}

std::string JoinRisks(const std::string &told, const std::string &measured) {
  Result<JsonDocument> before = ParseJson(told);
  Result<JsonDocument> after = ParseJson(measured);
  if (!after.ok() || !after->IsArray()) return told;
  if (!before.ok() || !before->IsArray()) return measured;
  std::set<std::string> kinds;
  for (const JsonValue &risk : before->GetArray())
    kinds.insert(JsonString(&risk, "kind"));
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  for (const JsonValue &risk : before->GetArray())
    risk.Accept(writer);
  for (const JsonValue &risk : after->GetArray()) {
    if (kinds.count(JsonString(&risk, "kind")) == 0) risk.Accept(writer);
  }
  writer.EndArray();
  return std::string(buffer.GetString(), buffer.GetSize());
}

}  // namespace agent_branch
