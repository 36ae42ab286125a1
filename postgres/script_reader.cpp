#include "postgres/script_reader.hpp"

#include <optional>
#include <set>

#include "postgres/effects.hpp"
#include "postgres/guard.hpp"
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

// The tree of a large migration is large: what parsing allocates goes with this, also after an
// error.
class ScratchContext {
 public:
  ScratchContext() : caller_(CurrentMemoryContext) {
    scratch_ = CallPg([this] {
      return AllocSetContextCreate(caller_, "agent_branch statements", ALLOCSET_DEFAULT_SIZES);
    });
    MemoryContextSwitchTo(scratch_);
  }
  ~ScratchContext() {
    MemoryContextSwitchTo(caller_);
    MemoryContextDelete(scratch_);
  }
  ScratchContext(const ScratchContext &) = delete;
  ScratchContext &operator=(const ScratchContext &) = delete;

 private:
  MemoryContext caller_;
  MemoryContext scratch_ = nullptr;
};

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
    statement.boundary = BoundaryOf(raw->stmt);
    DescribeAlone(raw->stmt, &statement);
    statement.commit_after |= EndsForEnum(raw->stmt, end);
    const std::string text = sql_.substr(statement.offset, statement.length);
    if (statement.boundary == Boundary::kBegin) statement.setting = TransactionSetting(text);
    if (IsSetting(raw->stmt)) statement.setting = text;
    statement.risks = FindRisks(raw->stmt);
    statement.mentions = MentionsOf(raw->stmt);
    statement.effects =
        FindEffects(raw->stmt, std::string_view(sql_).substr(statement.offset, statement.length),
                    statement.offset);
    script_.statements.push_back(std::move(statement));
  }

  Script Take() {
    PairTransactions(&script_);
    return std::move(script_);
  }

 private:
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

}  // namespace agent_branch
