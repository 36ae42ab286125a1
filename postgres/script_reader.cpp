#include "postgres/script_reader.hpp"

#include <optional>
#include <set>

#include "postgres/effects.hpp"
#include "postgres/guard.hpp"
#include "postgres/scratch_context.hpp"
#include "postgres/script_own.hpp"
#include "postgres/script_parts.hpp"
#include "postgres/tree_names.hpp"
#include "worker/core/script/literal_uses.hpp"
#include "worker/core/script/script_text.hpp"
#include "worker/core/script/source_text.hpp"
#include "worker/core/script/text_bounds.hpp"
#include "worker/core/script/transactions.hpp"

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

// A whole segment is read before its first statement runs.
bool SetsStringSyntax(const Node *statement) {
  if (!IsA(statement, VariableSetStmt)) return false;
  const char *name = reinterpret_cast<const VariableSetStmt *>(statement)->name;
  return name != nullptr && strcmp(name, "standard_conforming_strings") == 0;
}

Status RefuseStringSyntax(const TextPosition &place) {
  return Status::Error("0A000", "a migration cannot change how its own string constants are read",
                       "It is in line " + std::to_string(place.line) +
                           ", and the text has a constant with a backslash.",
                       "Write such a constant as E'…', and leave the setting out.");
}

// The one statement that a text is which cannot be read.
Script Unread(const std::string &sql, const Status &unread, const Status &refusal) {
  Script script;
  script.length = sql.size();
  script.unread = unread;
  TextRefusal refused;
  refused.status = refusal;
  if (refusal.ok()) refused = FindRefusedText(sql);
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
  if (refused.status.ok()) {
    StatementRisk risk;
    risk.kind = RiskKind::kUnknown;
    risk.object_type = "text";
    risk.why = "this server cannot read it, so what it does is known once the branch has run it";
    statement.risks.push_back(std::move(risk));
  }
  script.statements.push_back(std::move(statement));
  return script;
}

// What cannot be seen is named at once: the server's own error would show nothing.
Status RefuseInvisible(const std::string &sql) {
  const auto invisible = FindInvisible(sql);
  if (!invisible) return {};
  const TextPosition place = PlaceFinder(sql).At(invisible->offset);
  return Status::Error("42601", "syntax error near an invisible character",
                       invisible->name + " stands in line " + std::to_string(place.line) +
                           ", column " + std::to_string(place.column) + ", outside of any literal.",
                       "Write an ordinary blank, or nothing, in its place.");
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
    const char *tag = CallPg([&] {
      CHECK_FOR_INTERRUPTS();
      return GetCommandTagName(CreateCommandTag(raw->stmt));
    });
    statement.tag = tag;
    Refuse(FindRefusal(raw->stmt, place.line));
    if (SetsStringSyntax(raw->stmt) && HasPlainBackslash(sql_)) Refuse(RefuseStringSyntax(place));
    statement.boundary = BoundaryOf(raw->stmt);
    DescribeAlone(raw->stmt, &statement);
    statement.commit_after |= EndsForEnum(raw->stmt, end);
    const std::string text = sql_.substr(statement.offset, statement.length);
    if (statement.boundary == Boundary::kBegin) statement.setting = TransactionSetting(text);
    if (IsSetting(raw->stmt)) statement.setting = text;
    statement.risks = FindRisks(raw->stmt);
    if (statement.non_transactional == NonTransactional::kOnce)
      statement.risks.push_back(UnknownEffect(statement));
    own_.Settle(raw->stmt, script_.statements.size(), &statement);
    statement.mentions = MentionsOf(raw->stmt);
    statement.effects =
        FindEffects(raw->stmt, std::string_view(sql_).substr(statement.offset, statement.length),
                    statement.offset);
    script_.statements.push_back(std::move(statement));
  }

  Script Take() {
    PairTransactions(&script_);
    own_.Finish(&script_);
    AddTextRisks();
    return std::move(script_);
  }

 private:
  // What is committed before anybody has seen what it did.
  static StatementRisk UnknownEffect(const ScriptStatement &statement) {
    StatementRisk risk;
    risk.kind = RiskKind::kUnknown;
    risk.object_type = statement.tag;
    risk.why = "it may commit as it goes, so what it does cannot be taken back";
    return risk;
  }

  // Of the statement that holds the place, or that comes next.
  void AddTextRisk(size_t offset, RiskKind kind, const std::string &object, const char *why) {
    StatementRisk risk;
    risk.kind = kind;
    risk.object_type = kind == RiskKind::kInvisible ? "character" : "marker";
    risk.object = object;
    risk.why = why;
    for (ScriptStatement &statement : script_.statements) {
      if (statement.offset + statement.length <= offset) continue;
      statement.risks.push_back(std::move(risk));
      return;
    }
  }

  void AddTextRisks() {
    if (const auto invisible = FindInvisible(sql_))
      AddTextRisk(invisible->offset, RiskKind::kInvisible, invisible->name,
                  "it is not to be seen, and is part of a name");
    if (const auto marker = FindDownMarker(sql_))
      AddTextRisk(marker->offset, RiskKind::kDown, marker->text,
                  "what follows it is run, too, and takes back what comes before it");
  }

  // Whether a value that the statement adds to an enum is used behind it.
  bool EndsForEnum(const Node *statement, size_t end) {
    const char *value = NewEnumValue(statement);
    if (value == nullptr) return false;
    if (!literals_) literals_.emplace(sql_);
    return literals_->UsedFrom(value, end);
  }

  void Refuse(Status why) {
    if (why.ok() || script_.refused > 0) return;
    script_.refusal = std::move(why);
    script_.refused = script_.statements.size() + 1;
  }

  const std::string &sql_;
  PlaceFinder places_;
  OwnObjects own_;
  std::optional<LiteralUses> literals_;  // made when it is first asked
  Script script_;
};

}  // namespace

Script PostgresScriptReader::Read(const std::string &sql) {
  if (const Status status = CheckTextBounds(sql); !status.ok()) return Unread(sql, status, status);
  ScratchContext scratch;
  try {
    List *tree = CallPg([text = sql.c_str()] { return raw_parser(text, RAW_PARSE_DEFAULT); });
    Reading reading(sql);
    for (int n = 0; n < list_length(tree); ++n)
      reading.Add(static_cast<RawStmt *>(list_nth(tree, n)));
    return reading.Take();
  } catch (const PgException &error) {
    return Unread(sql, StatusOf(error.error()), RefuseInvisible(sql));
  }
}

std::string ParserVersion() {
  return std::to_string(PG_VERSION_NUM / 10000);
}

}  // namespace agent_branch
