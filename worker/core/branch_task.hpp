// Work on a branch's own database as values: what the core asks for and what it is told.
//
// branch/ carries the tasks out over libpq. A task never blocks the loop; it ends with exactly one
// BranchEvent of kind kFinished, unless it was cancelled, which reports nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "worker/core/secret.hpp"
#include "worker/core/status.hpp"

namespace agent_branch {

enum class BranchTaskKind {
  kCatalogVersion,     // which versions of rows the system catalogs hold
  kFingerprint,        // describe every object of the schema
  kMigrate,            // run `sql` in one transaction, halting before its COMMIT (see BranchRunner)
  kTransactionStatus,  // pg_xact_status() of `transaction_id`
};

struct BranchTask {
  uint64_t id = 0;  // the caller's, unique among the tasks under way
  BranchTaskKind kind = BranchTaskKind::kFingerprint;
  // Tasks with one key run one after the other on one connection, which stays open for a short
  // while after the last of them: a session's branch, or a project's parent.
  std::string connection_key;
  Secret uri;                  // the direct one; postgresql://…
  std::string sql;             // kMigrate
  std::string transaction_id;  // kTransactionStatus: an xid8 in decimal
  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::milliseconds statement_timeout{600'000};
  std::chrono::milliseconds lock_timeout{30'000};
};

// A server's ERROR, field by field, as libpq's PQresultErrorField gives it. Texts are cut to 8 kB.
struct ServerError {
  std::string sqlstate;  // empty: the server reported no error
  std::string message;
  std::string detail;
  std::string hint;
  std::string context;
  int line = 0;    // 1-based position of the error in the migration's text, 0 when not known
  int column = 0;  // counted in characters
};

enum class BranchOutcome {
  kDone,
  kRejected,       // the server said ERROR; its transaction is rolled back
  kNotRun,         // no connection, or it was lost before COMMIT was sent: nothing happened
  kCommitUnknown,  // the connection was lost after COMMIT was sent and before its answer
};

enum class TransactionFate { kCommitted, kAborted, kInProgress, kTooOld };

struct BranchEvent {
  enum class Kind {
    kReadyToCommit,  // kMigrate only: all statements ran; Commit() or Cancel() goes on from here
    kFinished,
  };
  uint64_t id = 0;
  Kind kind = Kind::kFinished;
  BranchOutcome outcome = BranchOutcome::kNotRun;  // kFinished
  Status error;              // says why, unless kDone; never holds the URI or the password
  ServerError server_error;  // when kRejected
  // kMigrate at kReadyToCommit: the transaction's xid8, empty when it wrote nothing.
  std::string transaction_id;
  TransactionFate fate = TransactionFate::kInProgress;  // kTransactionStatus
  // kFingerprint: 32 hexadecimal digits over all of `objects`. kCatalogVersion: over the places and
  // transactions of the catalogs' rows.
  std::string fingerprint;
  std::string objects;  // kFingerprint: a JSON object, "kind identity" → hash of its definition
};

class BranchRunner {
 public:
  virtual ~BranchRunner() = default;
  virtual void Start(BranchTask task) = 0;
  // Lets a migration that reported kReadyToCommit commit. The caller has noted its transaction id
  // durably before: that is what makes a lost answer decidable.
  virtual void Commit(uint64_t id) = 0;
  // Ends a task wherever it is: a running statement is cancelled at the server, its transaction
  // rolls back, the connection is closed.
  virtual void Cancel(uint64_t id) = 0;
  // Closes the idle connection of this key now, if there is one.
  virtual void Close(const std::string &connection_key) = 0;
};

}  // namespace agent_branch
