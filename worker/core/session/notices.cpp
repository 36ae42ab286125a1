#include "worker/core/session/notices.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/script/sql_literal.hpp"

namespace agent_branch {
namespace {

constexpr size_t kLongestText = 4'000;
constexpr size_t kMostNames = 5;
constexpr char kSkips[] = ", skipping";

// A relation, a column, or a schema, type, constraint, … of that name is there already; and
// privileges that are not there to be granted or revoked.
constexpr std::array<std::string_view, 4> kTaken = {"42P07", "42701", "42710", "42P06"};
constexpr std::array<std::string_view, 2> kWithoutRight = {"01007", "01006"};

template <size_t N>
bool IsAmong(const std::string &sqlstate, const std::array<std::string_view, N> &list) {
  return std::find(list.begin(), list.end(), sqlstate) != list.end();
}

bool DidNothing(const ServerNotice &notice) {
  const std::string &text = notice.message;
  const size_t tail = sizeof(kSkips) - 1;
  const bool skips = text.size() > tail && text.compare(text.size() - tail, tail, kSkips) == 0;
  return skips || IsAmong(notice.sqlstate, kWithoutRight);
}

// The names in double quotes, which are so in every language of the server's messages but few.
std::vector<std::string> QuotedIn(const std::string &text) {
  std::vector<std::string> names;
  for (size_t at = 0; (at = text.find('"', at)) != std::string::npos;) {
    const size_t end = text.find('"', at + 1);
    if (end == std::string::npos) break;
    names.push_back(text.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return names;
}

// The relation under whose name something is there: of a column, the table that has it.
std::string RelationOf(const ServerNotice &notice) {
  if (notice.sqlstate != "42P07" && notice.sqlstate != "42701") return {};
  const std::vector<std::string> names = QuotedIn(notice.message);
  return names.empty() ? std::string() : names.back();
}

bool IsNamed(const std::string &mention, const std::string &name) {
  if (mention == name) return true;
  return mention.size() > name.size() && mention[mention.size() - name.size() - 1] == '.' &&
         mention.compare(mention.size() - name.size(), name.size(), name) == 0;
}

template <typename Test>
size_t OnlyOne(size_t first, size_t last, Test test) {
  size_t found = 0;
  for (size_t number = first; number <= last; ++number) {
    if (!test(number)) continue;
    if (found > 0) return 0;
    found = number;
  }
  return found;
}

// The only statement of those that it may belong to that mentions what the notice names, or that is
// a DO block as it says; 0: it is not known.
size_t StatementOf(const Script &script, const Segment &segment, const ServerNotice &notice) {
  const bool is_between = notice.first > 0 && static_cast<size_t>(notice.last) <= segment.count;
  const size_t first = segment.first + (is_between ? static_cast<size_t>(notice.first) : 1);
  const size_t last =
      segment.first + (is_between ? static_cast<size_t>(notice.last) : segment.count);
  if (first == last) return first;
  if (last > script.statements.size()) return 0;
  const std::vector<std::string> names = QuotedIn(notice.message);
  const size_t named = OnlyOne(first, last, [&](size_t number) {
    const std::vector<std::string> &mentions = script.statements[number - 1].mentions;
    return std::any_of(names.begin(), names.end(), [&](const std::string &name) {
      return std::any_of(mentions.begin(), mentions.end(),
                         [&](const std::string &mention) { return IsNamed(mention, name); });
    });
  });
  if (named > 0) return named;
  return OnlyOne(first, last, [&](size_t number) {
    return (script.statements[number - 1].tag == "DO") == notice.in_do_block;
  });
}

void WriteOptional(JsonWriter &writer, const char *name, const std::string &text) {
  if (!text.empty()) WriteMember(writer, name, CleanLines(text, kLongestText));
}

void WriteNotice(JsonWriter &writer, const Script &script, const ServerNotice &notice,
                 size_t statement, const std::string &there) {
  writer.StartObject();
  WriteOptional(writer, "severity", notice.severity);
  WriteOptional(writer, "sqlstate", notice.sqlstate);
  WriteMember(writer, "message", CleanLines(notice.message, kLongestText));
  WriteOptional(writer, "detail", notice.detail);
  WriteOptional(writer, "hint", notice.hint);
  if (statement > 0) {
    writer.Key("statement");
    writer.Uint64(statement);
  }
  if (statement > 0 && statement <= script.statements.size()) {
    writer.Key("line");
    writer.Int(script.statements[statement - 1].line);
  }
  if (DidNothing(notice)) {
    writer.Key("nothing");
    writer.Bool(true);
  }
  WriteOptional(writer, "there", there);
  writer.EndObject();
}

}  // namespace

std::string NoticesJson(const Script &script, const Segment &segment, const BranchEvent &event,
                        const std::string &there) {
  if (event.notices.empty()) return {};
  Result<JsonDocument> answer = ParseJson(there);
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  for (const ServerNotice &notice : event.notices) {
    const std::string name = DidNothing(notice) ? RelationOf(notice) : std::string();
    const bool told = answer.ok() && answer->IsObject() && !name.empty();
    WriteNotice(writer, script, notice, StatementOf(script, segment, notice),
                told ? JsonString(&answer.value(), name.c_str()) : std::string());
  }
  if (event.notices_dropped > 0) {
    writer.StartObject();
    WriteMember(writer, "message", std::to_string(event.notices_dropped) + " more are not kept");
    writer.EndObject();
  }
  writer.EndArray();
  return std::string(buffer.GetString(), buffer.GetSize());
}

std::string ThereFacts(const BranchEvent &event) {
  std::vector<std::string> names;
  for (const ServerNotice &notice : event.notices) {
    const std::string name = DidNothing(notice) ? RelationOf(notice) : std::string();
    const bool known = std::find(names.begin(), names.end(), name) != names.end();
    if (!name.empty() && !known && names.size() < kMostNames) names.push_back(name);
  }
  if (names.empty()) return {};
  std::string list;
  for (const std::string &name : names)
    list += (list.empty() ? "" : ", ") + SqlLiteral(name);
  return "(SELECT jsonb_object_agg(relname, there)::text FROM (SELECT DISTINCT ON (c.relname) "
         "c.relname, left(CASE WHEN c.relkind IN ('i', 'I') THEN pg_get_indexdef(c.oid) || "
         "CASE WHEN x.indisvalid THEN '' ELSE ' (invalid)' END ELSE concat(CASE c.relkind "
         "WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' "
         "ELSE 'table' END, ' ', c.oid::regclass, ' (', (SELECT string_agg(concat(quote_ident("
         "a.attname), ' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN "
         "' NOT NULL' END), ', ' ORDER BY a.attnum) FROM pg_attribute AS a WHERE a.attrelid = "
         "c.oid AND a.attnum > 0 AND NOT a.attisdropped), ')') END, 1000) AS there FROM pg_class "
         "AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_index AS x ON "
         "x.indexrelid = c.oid WHERE n.nspname !~ '^pg_' AND c.relname IN (" +
         list + ") ORDER BY c.relname, n.nspname <> 'public', c.oid) AS t)";
}

std::string WithNotices(const std::string &record, int attempt, const std::string &notices) {
  Result<JsonDocument> json = ParseJson(record);
  if (notices.empty() || !json.ok() || !json->IsObject()) return record;
  json->RemoveMember("attempt");
  json->RemoveMember("notices");
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("attempt");
  writer.Int(attempt);
  writer.Key("notices");
  writer.RawValue(notices.data(), notices.size(), rapidjson::kArrayType);
  for (const auto &member : json->GetObject()) {
    writer.Key(member.name.GetString(), member.name.GetStringLength());
    member.value.Accept(writer);
  }
  writer.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize());
}

Status InvalidIndex(const std::string &name) {
  return Status::Error("55000", "index \"" + name + "\" is there already, but it is invalid",
                       "A build of it was broken off. IF NOT EXISTS leaves it as it is, and no "
                       "query uses it.",
                       "Drop it before it is created, with DROP INDEX CONCURRENTLY IF EXISTS.");
}

Status RefuseInvalidIndex(const BranchEvent &event, const std::string &record) {
  Result<JsonDocument> json = ParseJson(record);
  const JsonValue *invalid = json.ok() ? JsonArray(&json.value(), "invalid") : nullptr;
  if (invalid == nullptr) return {};
  for (const ServerNotice &notice : event.notices) {
    if (notice.sqlstate != "42P07" || !DidNothing(notice)) continue;
    for (const JsonValue &index : invalid->GetArray()) {
      if (index.IsString() && RelationOf(notice) == index.GetString())
        return InvalidIndex(index.GetString());
    }
  }
  return {};
}

}  // namespace agent_branch
