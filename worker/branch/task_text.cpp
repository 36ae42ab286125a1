#include "worker/branch/task_text.hpp"

#include <algorithm>
#include <limits>

#include "worker/branch/catalog_version.hpp"
#include "worker/branch/fingerprint.hpp"

namespace agent_branch {
namespace {

std::string SetTimeout(std::string_view name, std::chrono::milliseconds timeout) {
  // Zero would mean none.
  const long long most = std::numeric_limits<int>::max();
  const long long count = std::clamp<long long>(timeout.count(), 1, most);
  return "SET LOCAL " + std::string(name) + " = " + std::to_string(count) + "; ";
}

BranchEvent Finished(uint64_t id, BranchOutcome outcome) {
  BranchEvent event;
  event.id = id;
  event.outcome = outcome;
  return event;
}

ServerError Malformed() {
  ServerError error;
  error.sqlstate = "08P01";
  error.message = "the server gave an answer of another form than was asked for";
  return error;
}

}  // namespace

std::string MigrationPrologue(const BranchTask &task, const RunnerOptions &options,
                              const std::string &token) {
  return "BEGIN; " + SetTimeout("statement_timeout", task.statement_timeout) +
         SetTimeout("lock_timeout", task.lock_timeout) +
         SetTimeout("idle_in_transaction_session_timeout", options.ready_timeout) +
         "SET LOCAL agent_branch_migration.token = '" + token + "'; ";
}

std::string MigrationCheck() {
  return "SELECT pg_catalog.current_setting('agent_branch_migration.token', true),"
         " pg_catalog.pg_current_xact_id_if_assigned()";
}

// The session's settings decide how expressions are written out, so the ones that matter are what
// pg_dump sets, too. jit would compile for longer than the query runs.
std::string FingerprintText(const BranchTask &task, int server_version) {
  return "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; " +
         SetTimeout("statement_timeout", task.statement_timeout) +
         SetTimeout("lock_timeout", task.lock_timeout) +
         "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL datestyle = ISO, MDY; "
         "SET LOCAL intervalstyle = postgres; SET LOCAL timezone = 'UTC'; "
         "SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = hex; "
         "SET LOCAL quote_all_identifiers = off; SET LOCAL standard_conforming_strings = on; "
         "SET LOCAL xmloption = content; SET LOCAL lc_monetary = 'C'; SET LOCAL jit = off; " +
         (task.kind == BranchTaskKind::kFingerprint ? FingerprintQuery(server_version)
                                                    : CatalogVersionQuery(server_version)) +
         "; COMMIT";
}

Result<std::string> TransactionStatusText(const BranchTask &task) {
  const std::string &id = task.transaction_id;
  const bool number =
      !id.empty() && id.size() <= 20 &&
      std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!number) return Status::Error("22P02", "transaction id is not a number");
  return "SELECT pg_catalog.pg_xact_status('" + id + "'::pg_catalog.xid8)";
}

BranchEvent NotRun(uint64_t id, Status why) {
  BranchEvent event = Finished(id, BranchOutcome::kNotRun);
  event.error = std::move(why);
  return event;
}

BranchEvent Rejected(uint64_t id, const ServerError &error) {
  BranchEvent event = Finished(id, BranchOutcome::kRejected);
  event.server_error = error;
  event.error = Status::Error(error.sqlstate, error.message, error.detail, error.hint);
  return event;
}

BranchEvent Lost(uint64_t id, const ConnectionFailure &failure, bool commit_sent) {
  BranchEvent event =
      Finished(id, commit_sent ? BranchOutcome::kCommitUnknown : BranchOutcome::kNotRun);
  event.error = Status::Error(failure.sqlstate.empty() ? "08006" : failure.sqlstate,
                              commit_sent ? "connection was lost while the transaction committed"
                                          : "connection to the branch's database was lost",
                              failure.text);
  return event;
}

BranchEvent RejectedScript(const BranchTask &task, const Connection &connection, size_t prologue) {
  const Reply &reply = connection.reply();
  if (reply.copied) {
    ServerError error;
    error.sqlstate = "0A000";
    error.message = "COPY from or to the client is not possible in a migration";
    error.hint = "Use INSERT for the rows that a migration brings.";
    return Rejected(task.id, error);
  }
  ServerError error = reply.error.fields;
  const TextPlace place = PlaceInText(task.sql, reply.error.position - static_cast<int>(prologue),
                                      connection.CountsBytes());
  error.line = place.line;
  error.column = place.column;
  return Rejected(task.id, error);
}

BranchEvent RejectedForEndingItsTransaction(uint64_t id, bool committed, const ServerError &after) {
  ServerError error;
  error.sqlstate = "2D000";
  error.message = "transaction control is not allowed in a migration";
  error.detail = committed ? "The script committed a part of itself, which stays in effect."
                           : "The script rolled back its own transaction.";
  if (!after.message.empty()) {
    error.detail = CutText(error.detail + " It failed later: " + after.message);
  }
  error.hint = "Remove BEGIN, COMMIT, ROLLBACK and PREPARE TRANSACTION from the script.";
  return Rejected(id, error);
}

BranchEvent FinishedFingerprint(uint64_t id, const Reply &reply) {
  if (reply.last_row.size() != 2 || reply.last_row[0].size() != 32) {
    return Rejected(id, Malformed());
  }
  BranchEvent event = Finished(id, BranchOutcome::kDone);
  event.fingerprint = reply.last_row[0];
  event.objects = reply.last_row[1];
  return event;
}

BranchEvent FinishedTransactionStatus(uint64_t id, const Reply &reply) {
  if (reply.last_row.size() != 1) return Rejected(id, Malformed());
  BranchEvent event = Finished(id, BranchOutcome::kDone);
  const std::string &word = reply.last_row[0];
  if (reply.last_row_nulls[0]) {
    event.fate = TransactionFate::kTooOld;
  } else if (word == "committed") {
    event.fate = TransactionFate::kCommitted;
  } else if (word == "aborted") {
    event.fate = TransactionFate::kAborted;
  } else if (word == "in progress") {
    event.fate = TransactionFate::kInProgress;
  } else {
    return Rejected(id, Malformed());
  }
  return event;
}

}  // namespace agent_branch
