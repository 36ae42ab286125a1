#include "worker/statement_parser.hpp"

#include <algorithm>

#include "postgres/guard.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

enum class Finding { kNothing, kTransactionControl, kCopyClient };

struct Place {
  Finding finding = Finding::kNothing;
  int offset = 0;
};

Place FindForbidden(const char *sql) {
  Place place;
  ListCell *cell;
  foreach (cell, raw_parser(sql, RAW_PARSE_DEFAULT)) {
    auto *raw = lfirst_node(RawStmt, cell);
    if (IsA(raw->stmt, TransactionStmt)) place.finding = Finding::kTransactionControl;
    if (IsA(raw->stmt, CopyStmt)) {
      auto *copy = reinterpret_cast<CopyStmt *>(raw->stmt);
      if (copy->filename == nullptr) place.finding = Finding::kCopyClient;
    }
    if (place.finding == Finding::kNothing) continue;
    place.offset = raw->stmt_location;
    break;
  }
  return place;
}

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

}  // namespace

Status StatementParser::Check(const std::string &sql) {
  Place place;
  ScratchContext scratch;
  try {
    place = CallPg([text = sql.c_str()] { return FindForbidden(text); });
  } catch (const PgException &) {
    return Status();  // a syntax error, by this server's grammar
  }
  auto start = sql.begin() + std::min<size_t>(static_cast<size_t>(place.offset), sql.size());
  std::string line = std::to_string(1 + std::count(sql.begin(), start, '\n'));
  switch (place.finding) {
    case Finding::kNothing:
      return Status();
    case Finding::kTransactionControl:
      return Status::Error("2D000", "transaction control is not allowed in a migration",
                           "A statement that begins at or after line " + line + " is one.",
                           "Each migration runs in a transaction of its own: leave BEGIN, COMMIT, "
                           "ROLLBACK and SAVEPOINT out, or use several migrations.");
    case Finding::kCopyClient:
      return Status::Error("0A000", "COPY from or to the client is not possible in a migration",
                           "A statement that begins at or after line " + line + " is one.",
                           "Use INSERT, or COPY with a file of the branch's server.");
  }
  return Status();
}

}  // namespace agent_branch
