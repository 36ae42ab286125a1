// What a migration's text is made of: its statements, and what is known of each before it runs.
//
// A ScriptReader makes the values, by PostgreSQL's own parser; nothing here looks at a database.
// Text that cannot be parsed here is one statement without a tag: the branch's server is the judge,
// and may be of another version.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/status.hpp"

namespace agent_branch {

// Why a statement cannot stand in a transaction, and with that how it is found out after a lost
// answer whether it had its effect.
enum class NonTransactional {
  kNo,
  kRepeatable,       // VACUUM and its like: running it twice does no harm
  kReindex,          // CONCURRENTLY: the same, but cut off it leaves an index behind
  kCreateIndex,      // CONCURRENTLY: the index is there and valid
  kDropIndex,        // CONCURRENTLY: the index is gone
  kDetachPartition,  // CONCURRENTLY: the partition is one no more
  kOnce,             // a procedure or block that commits as it goes: nothing tells afterwards
};

// A statement that bounds transactions, and is not sent: see transactions.hpp.
enum class Boundary { kNone, kBegin, kCommit };

enum class RiskKind {
  kDrop,        // takes an object away, and what is stored in it
  kTruncate,    // takes all rows away
  kRewrite,     // writes the whole table anew, under a lock that keeps everybody out
  kLock,        // keeps others out for as long as it reads or builds something
  kNotNull,     // cannot be done while a row has no value
  kNotValid,    // looks at every row under a lock, which NOT VALID would not
  kRename,      // takes a name away from whoever uses it
  kUnfiltered,  // DELETE or UPDATE of all rows
  kInvisible,   // a character that cannot be seen has become part of a name
  kDown,        // what takes the migration back stands in the same text, and runs with it
  kUnknown,     // what it does is not known before it is done; refused with any other kind
};

std::string_view RiskKindName(RiskKind kind);
bool IsRiskKind(std::string_view name);
std::optional<RiskKind> RiskKindNamed(std::string_view name);

// What may be a risk, as far as the text tells: how many rows it is about is the branch's to say.
struct StatementRisk {
  RiskKind kind = RiskKind::kDrop;
  std::string object_type;  // "table", "column", "function", …
  std::string object;       // as written, quoted where SQL would want it
  std::string relation;     // whose rows and bytes count; empty: nobody's
  std::string column;       // of it, where one is concerned
  // The name of what is no relation, or of a part of `relation`: to see whether it is there at all.
  std::string lookup;
  // The text itself renames, moves or looks for names elsewhere before this: that the branch does
  // not find it now says nothing.
  bool moved = false;
  bool cascades = false;  // takes rows of other relations, too
  std::string lock;       // as PostgreSQL names it; empty: none that matters
  std::string why;
};

// What a statement does, to be held against what another one does.
struct Effect {
  std::string kind;
  std::string object;
  std::string detail;
};

struct ScriptStatement {
  // Bytes of the text, without the blanks and comments before it and without its semicolon.
  size_t offset = 0;
  size_t length = 0;
  int line = 1;     // of its first character
  int column = 1;   // counted in characters
  std::string tag;  // PostgreSQL's command tag; empty when the text was not parsed

  NonTransactional non_transactional = NonTransactional::kNo;
  std::string alone_reason;
  std::string alone_object;  // kCreateIndex, kDropIndex: the index; kDetachPartition: the partition
  std::string alone_relation;  // kCreateIndex, kReindex: the table; kDetachPartition: its parent
  // A new value of an enum: a later statement may use it, which it can once this is committed.
  bool commit_after = false;
  // The statement itself, where it changes a setting of the session for what comes after it.
  std::string setting;
  // kBegin: `setting` is of this transaction only, such as its isolation level; empty: none.
  Boundary boundary = Boundary::kNone;

  // Relations of which it changes all rows rightly: it fills columns that the text itself adds, or
  // brings rows that it lists.
  std::vector<std::string> fills;
  std::vector<std::string> mentions;  // relations, functions and types, as written
  std::vector<StatementRisk> risks;
  std::vector<Effect> effects;
};

struct Script {
  bool parsed = false;
  // Why it was not: the parser's error, its place in the detail. Its judge is the branch's server.
  Status unread;
  size_t length = 0;  // bytes of the text
  std::vector<ScriptStatement> statements;
  // Why nothing of it may run; its detail names the line. refused: the statement's number, from 1.
  Status refusal;
  size_t refused = 0;
};

class ScriptReader {
 public:
  virtual ~ScriptReader() = default;
  virtual Script Read(const std::string &sql) = 0;
};

// The script as a JSON object, as agent_branch.read_script() shows it.
std::string ScriptJson(const Script &script);

}  // namespace agent_branch
