#include "postgres/script_reader.hpp"

#include <set>

#include "postgres/effects.hpp"
#include "postgres/guard.hpp"
#include "postgres/scratch_context.hpp"
#include "postgres/script_parts.hpp"
#include "postgres/tree_names.hpp"
#include "worker/core/script/script_text.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMostMentions = 200;

std::vector<std::string> MentionsOf(Node *statement) {
  List *names = NIL;
  try {
    CallPg([&] { CollectNames(statement, &names); });
  } catch (const PgException &) {
    // An expression that is nested too deep: what was found so far.
  }
  std::set<std::string> mentions;
  for (int n = 0; n < list_length(names) && mentions.size() < kMostMentions; ++n) {
    const auto *node = static_cast<const Node *>(list_nth(names, n));
    std::string name =
        IsA(node, FuncCall)   ? NameOf(reinterpret_cast<const FuncCall *>(node)->funcname)
        : IsA(node, TypeName) ? NameOf(reinterpret_cast<const TypeName *>(node)->names)
                              : NameOfObject(node);
    if (!name.empty() && name.compare(0, 11, "pg_catalog.") != 0) mentions.insert(std::move(name));
  }
  return {mentions.begin(), mentions.end()};
}

// The one statement that a text is which cannot be read.
Script Unread(const std::string &sql) {
  Script script;
  script.length = sql.size();
  const TextRefusal refused = FindRefusedText(sql);
  script.refusal = refused.status;
  const size_t offset = SkipBlanks(sql, 0);
  if (offset == sql.size()) return script;
  script.refused = refused.status.ok() ? 0 : 1;
  ScriptStatement statement;
  const TextPosition place = PlaceFinder(sql).At(offset);
  statement.offset = offset;
  statement.length = TrimEnd(sql, offset, sql.size()) - offset;
  statement.line = place.line;
  statement.column = place.column;
  script.statements.push_back(std::move(statement));
  return script;
}

// Whether the text from `from` on has `value`, as a literal or in a function's body.
bool SaysLater(const std::string &sql, size_t from, const std::string &value) {
  return sql.find(value, from) != std::string::npos;
}

class Reading {
 public:
  explicit Reading(const std::string &sql) : sql_(sql), places_(sql) {
    script_.parsed = true;
    script_.length = sql.size();
  }

  void Add(RawStmt *raw) {
    ScriptStatement statement;
    const auto begin = static_cast<size_t>(raw->stmt_location);
    const size_t end = raw->stmt_len > 0 ? begin + static_cast<size_t>(raw->stmt_len) : sql_.size();
    statement.offset = SkipBlanks(sql_, begin);
    statement.length = TrimEnd(sql_, statement.offset, end) - statement.offset;
    const TextPosition place = places_.At(statement.offset);
    statement.line = place.line;
    statement.column = place.column;
    const char *tag = CallPg([&] { return GetCommandTagName(CreateCommandTag(raw->stmt)); });
    statement.tag = tag;
    Refuse(FindRefusal(raw->stmt, place.line));
    DescribeAlone(raw->stmt, &statement);
    const char *value = NewEnumValue(raw->stmt);
    statement.commit_after = value != nullptr && SaysLater(sql_, end, value);
    if (IsSetting(raw->stmt)) statement.setting = sql_.substr(statement.offset, statement.length);
    statement.risks = FindRisks(raw->stmt);
    statement.mentions = MentionsOf(raw->stmt);
    statement.effects =
        FindEffects(raw->stmt, std::string_view(sql_).substr(statement.offset, statement.length),
                    statement.offset);
    script_.statements.push_back(std::move(statement));
  }

  Script Take() { return std::move(script_); }

 private:
  void Refuse(Status why) {
    if (why.ok() || script_.refused > 0) return;
    script_.refusal = std::move(why);
    script_.refused = script_.statements.size() + 1;
  }

  const std::string &sql_;
  PlaceFinder places_;
  Script script_;
};

}  // namespace

Script PostgresScriptReader::Read(const std::string &sql) {
  ScratchContext scratch;
  try {
    List *tree = CallPg([text = sql.c_str()] { return raw_parser(text, RAW_PARSE_DEFAULT); });
    Reading reading(sql);
    for (int n = 0; n < list_length(tree); ++n)
      reading.Add(static_cast<RawStmt *>(list_nth(tree, n)));
    return reading.Take();
  } catch (const PgException &) {
    return Unread(sql);
  }
}

}  // namespace agent_branch
