// Work on a branch's own database as values: what the core asks for and what it is told.
//
// branch/ carries the tasks out over libpq. A task never blocks the loop; it ends with exactly one
// BranchEvent of kind kFinished, unless it was cancelled, which reports nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/secret.hpp"
#include "worker/core/base/status.hpp"
#include "worker/core/script/script.hpp"

namespace agent_branch {

enum class BranchTaskKind {
  kCatalogVersion,     // which versions of rows the system catalogs hold
  kFingerprint,        // describe every object of the schema
  kMigrate,            // run `sql` in one transaction, halting before its COMMIT (see BranchRunner)
  kTransactionStatus,  // pg_xact_status() of `transaction_id`
  kRunOutsideTransaction,      // run the one statement `sql` outside of a transaction
  kInspectOutsideTransaction,  // what became of such a statement: see NonTransactionalState
  kExcerpt,      // what there is of the names in `sql`, a JSON array, as text for a reader
  kRisks,        // how large the relations are that `sql`, a JSON array, names
  kDefinitions,  // what the objects say that `sql`, a JSON array of the fingerprint's keys, names
  kStandpoint,   // what any write moves on: see core/merge/standpoint.hpp
  kUnrecorded,   // which transactions committed since `transaction_id`, besides those in `sql`,
                 // a JSON array of ids; rows changed by table
  kGate,         // the first rows of the query `sql`, in a transaction that can write nothing
  // `login_role` is made, or given another password: it acts as the role that makes it, with all of
  // its rights; or, when it `only_reads`, reads everything. Tells the transaction's id.
  kMakeRole,
  // The login roles of sessions are taken from the branch, connections and all: what they own is
  // then the role's that takes them. Tells the transaction's id.
  kDropRoles,
  kWhoAmI,  // a JSON array: the role that logged in, the role whose rights it has
};

// What the names of the login roles that are ours begin with; 32 hexadecimal digits follow: of the
// session, or of the installation that reads.
inline constexpr std::string_view kSessionRolePrefix = "agent_branch_session_";
inline constexpr std::string_view kReaderRolePrefix = "agent_branch_reader_";

// A statement outside of a transaction has no id to ask after: what it was about tells.
struct NonTransactionalStatement {
  NonTransactional kind = NonTransactional::kNo;
  std::string object;  // as ScriptStatement has it
  std::string relation;
  std::string token;  // stands in the statement's text while it runs
};

// What kInspectOutsideTransaction answers in the event's `answer`, followed by the object's own
// name, if it has one.
inline constexpr std::string_view kAloneRunning = "running";  // the statement is still at work
inline constexpr std::string_view kAloneAbsent = "absent";    // no such index, or no partition
inline constexpr std::string_view kAloneThere = "there";
inline constexpr std::string_view kAloneHalf = "half";  // an invalid index, a pending detach

// One of several texts that run one after the other in one transaction, each as if it were the
// first: what the ones before it SET, made temporary or prepared is gone.
struct BranchScript {
  std::string sql;
  int statements = 1;  // how many `sql` holds, at most
};

struct BranchTask {
  uint64_t id = 0;  // the caller's, unique among the tasks under way
  BranchTaskKind kind = BranchTaskKind::kFingerprint;
  // Tasks with one key run one after the other on one connection, which stays open for a short
  // while after the last of them: a session's branch, or a project's parent.
  std::string connection_key;
  Secret uri;          // the direct one; postgresql://…
  std::string sql;     // kMigrate, kRunOutsideTransaction, kRisks, kDefinitions, kUnrecorded, kGate
  int statements = 1;  // kMigrate: how many `sql` holds, at most
  std::vector<BranchScript> more;  // kMigrate: what runs after `sql` in the same transaction
  // SET statements to be in effect for `sql`, but for none of the tasks after it.
  std::vector<std::string> settings;
  NonTransactionalStatement
      non_transactional;       // kRunOutsideTransaction, kInspectOutsideTransaction
  std::string transaction_id;  // kTransactionStatus, kUnrecorded: an xid8 in decimal
  // kMakeRole. The server is sent what proves the password, unless it takes the password alone.
  std::string login_role;
  Secret password;
  bool clear_password = false;
  bool only_reads = false;
  // kMigrate: describe every object of the schema before kReadyToCommit is reported. With that, and
  // with kFingerprint, evaluate this SQL expression of ours, unless it is empty.
  bool prove = false;
  std::string facts;
  // kMigrate: tell with kReadyToCommit what the transaction did. Constraints that are deferred are
  // checked before that, since their triggers may do something, too.
  bool record = false;
  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::milliseconds statement_timeout{600'000};
  // kMigrate: for all statements of `sql` together, or as long as one may take if that is longer.
  std::chrono::milliseconds script_timeout{3'600'000};
  std::chrono::milliseconds lock_timeout{30'000};
  // Where the project's statement_timeout is longer, this one holds.
  std::chrono::milliseconds longest_statement = std::chrono::milliseconds::max();
  // Where the project's lock_timeout is longer, this one holds.
  std::chrono::milliseconds longest_lock_wait = std::chrono::milliseconds::max();
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

// What a server said that was no error: NOTICE, WARNING, INFO and the like.
struct ServerNotice {
  std::string severity;  // not translated
  std::string sqlstate;
  std::string message;
  std::string detail;
  std::string hint;
  // Between which of the task's statements it was said, from 1: two, since libpq may hand a notice
  // out ahead of the result that came before it. 0: by none of them, or it is not known.
  int first = 0;
  int last = 0;
  bool in_do_block = false;  // so its context says
};

enum class BranchOutcome {
  kDone,
  kRejected,  // the server said ERROR; its transaction is rolled back
  kNotRun,    // no connection, or it was lost before COMMIT was sent: nothing happened
  // The connection was lost after COMMIT (or what runs alone) was sent and before its answer.
  kCommitUnknown,
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
  // kNotRun: the text of the task had been sent, so that it may be what ended the connection. What
  // the server or the network said is in `error`.
  bool sent = false;
  // kMigrate, kRunOutsideTransaction: what the server said since the task began, also at
  // kReadyToCommit. The first 100, and at most 64 kB; how many came after these is counted.
  std::vector<ServerNotice> notices;
  int64_t notices_dropped = 0;
  // kMigrate at kReadyToCommit: the transaction's xid8, empty when it wrote nothing.
  std::string transaction_id;
  TransactionFate fate = TransactionFate::kInProgress;  // kTransactionStatus
  // kFingerprint: 32 hexadecimal digits over all of `objects`. kCatalogVersion: over the places and
  // transactions of the catalogs' rows; `answer` is the newest of these, an xid8.
  std::string fingerprint;
  // kMigrate at kReadyToCommit, kRunOutsideTransaction: rows inserted, updated, deleted by it.
  int64_t rows = 0;
  // kMigrate, when kRejected: how many of its statements had been carried out; -1: not known. Of
  // several texts: which one it was, from 0, and its own statements.
  int completed = -1;
  size_t script = 0;
  // kInspectOutsideTransaction; kRisks: a JSON array; kExcerpt, `facts`: text; kDefinitions: a JSON
  // object, key → definition; kStandpoint, kUnrecorded: a JSON object. kGate: a JSON array of
  // texts, a row each. kMakeRole, kDropRoles: an xid8; kWhoAmI: a JSON array.
  std::string answer;
  std::string record;   // kMigrate at kReadyToCommit: a JSON object, see branch/record.hpp
  std::string objects;  // kFingerprint, and to prove a migration: a JSON object, "kind identity" →
                        // hash of its definition
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
