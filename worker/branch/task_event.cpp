// The events that the answers to a task's texts become.
#include <algorithm>
#include <utility>

#include "worker/branch/catalog_version.hpp"
#include "worker/branch/fingerprint_answer.hpp"
#include "worker/branch/task_text.hpp"

namespace agent_branch {
namespace {

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

std::optional<BranchEvent> ReadyToCommit(const BranchTask &task, const Reply &reply,
                                         const std::string &token, int64_t rows) {
  const size_t columns = task.record ? 3 : 2;
  if (reply.failed || reply.last_row.size() != columns || reply.last_row[0] != token) return {};
  BranchEvent event = Finished(task.id, BranchOutcome::kDone);
  event.kind = BranchEvent::Kind::kReadyToCommit;
  event.transaction_id = reply.last_row[1];
  event.rows = rows;
  if (task.record) event.record = reply.last_row[2];
  return event;
}

BranchEvent Done(uint64_t id, int64_t rows) {
  BranchEvent event = Finished(id, BranchOutcome::kDone);
  event.rows = rows;
  return event;
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

BranchEvent Lost(uint64_t id, const ConnectionFailure &failure, bool sent, bool commit_sent) {
  BranchEvent event =
      Finished(id, commit_sent ? BranchOutcome::kCommitUnknown : BranchOutcome::kNotRun);
  event.error = Status::Error(failure.sqlstate.empty() ? "08006" : failure.sqlstate,
                              commit_sent ? "connection was lost while the transaction committed"
                                          : "connection to the branch's database was lost",
                              failure.text);
  event.sent = sent;
  return event;
}

BranchEvent RejectedScript(const BranchTask &task, const Connection &connection,
                           const Prologue &prologue, size_t script) {
  const Reply &reply = connection.reply();
  if (reply.copied) {
    ServerError error;
    error.sqlstate = "0A000";
    error.message = "COPY from or to the client is not possible in a migration";
    error.hint = "Use INSERT for the rows that a migration brings.";
    return Rejected(task.id, error);
  }
  ServerError error = reply.error.fields;
  const int before = CharactersIn(prologue.text, connection.CountsBytes());
  const TextPlace place = PlaceInText(script == 0 ? task.sql : task.more[script - 1].sql,
                                      reply.error.position - before, connection.CountsBytes());
  error.line = place.line;
  error.column = place.column;
  BranchEvent event = Rejected(task.id, error);
  event.completed = reply.completed - prologue.statements;
  event.script = script;
  return event;
}

BranchEvent RejectedByRollback(uint64_t id) {
  ServerError error;
  error.sqlstate = "40000";
  error.message = "the server rolled the transaction back instead of committing it";
  return Rejected(id, error);
}

BranchEvent RejectedOverdue(const BranchTask &task) {
  ServerError error;
  error.sqlstate = "57014";
  error.message = "canceling statement because the server did not answer in time";
  error.detail = "Each statement has " + std::to_string(task.statement_timeout.count()) +
                 " ms, and all of them together " + std::to_string(task.script_timeout.count()) +
                 " ms.";
  error.hint = "Do less in one statement, or have the project's statement_timeout raised.";
  return Rejected(task.id, error);
}

BranchEvent RejectedForEndingItsTransaction(uint64_t id, bool committed, const ServerError &after) {
  ServerError error;
  error.sqlstate = "2D000";
  error.message = "transaction control is not allowed in a migration";
  error.detail = committed ? "The script committed a part of itself, which stays in effect."
                           : "The script rolled back its own transaction, or reset all settings.";
  if (!after.message.empty()) {
    error.detail = CutText(error.detail + " It failed later: " + after.message);
  }
  error.hint = "Remove BEGIN, COMMIT, ROLLBACK, PREPARE TRANSACTION and RESET ALL from the script.";
  return Rejected(id, error);
}

BranchEvent RejectedForItsRole(uint64_t id, const std::string &role) {
  ServerError error;
  error.sqlstate = "0A000";
  error.message = "a migration cannot change the role that it runs as";
  error.detail = "It ended as role \"" + role + "\".";
  error.hint =
      "A migration runs as the branch's role; owners are changed with ALTER … OWNER TO. Set the "
      "role back before the end, or leave it alone.";
  return Rejected(id, error);
}

bool TakeFingerprint(const Reply &reply, BranchEvent *event) {
  if (reply.pages.empty()) return false;
  std::vector<std::string> pages = reply.pages;
  event->answer = std::move(pages.back());
  pages.pop_back();
  std::optional<FingerprintAnswer> described = ReadFingerprint(pages);
  if (!described || described->digits.size() != 32) return false;
  event->fingerprint = std::move(described->digits);
  event->objects = std::move(described->objects);
  return true;
}

BranchEvent RejectedForBackslash(uint64_t id) {
  ServerError error;
  error.sqlstate = "22P06";
  error.message = "nonstandard use of \\ in a string constant";
  error.detail =
      "On the branch standard_conforming_strings is off, so a backslash in a plain "
      "constant decides where it ends.";
  error.hint = "Write the constant as E'…', or set standard_conforming_strings on.";
  return Rejected(id, error);
}

namespace {

BranchEvent FinishedFingerprint(uint64_t id, const Reply &reply) {
  BranchEvent event = Finished(id, BranchOutcome::kDone);
  return TakeFingerprint(reply, &event) ? event : Rejected(id, Malformed());
}

BranchEvent FinishedVersion(uint64_t id, const Reply &reply) {
  const std::optional<CatalogVersion> version = ReadCatalogVersion(reply.pages);
  if (!version || version->digits.size() != 32) return Rejected(id, Malformed());
  BranchEvent event = Finished(id, BranchOutcome::kDone);
  event.fingerprint = version->digits;
  event.answer = version->newest;
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

BranchEvent FinishedLook(uint64_t id, const Reply &reply) {
  if (reply.last_row.size() != 1) return Rejected(id, Malformed());
  BranchEvent event = Finished(id, BranchOutcome::kDone);
  event.answer = reply.last_row[0];
  return event;
}

}  // namespace

BranchEvent FinishedQuery(const BranchTask &task, const Reply &reply) {
  switch (task.kind) {
    case BranchTaskKind::kTransactionStatus:
      return FinishedTransactionStatus(task.id, reply);
    case BranchTaskKind::kExcerpt:
    case BranchTaskKind::kGate:
    case BranchTaskKind::kInspectOutsideTransaction:
    case BranchTaskKind::kRisks:
    case BranchTaskKind::kDefinitions:
    case BranchTaskKind::kStandpoint:
    case BranchTaskKind::kUnrecorded:
    case BranchTaskKind::kMakeRole:
    case BranchTaskKind::kDropRoles:
    case BranchTaskKind::kWhoAmI:
      return FinishedLook(task.id, reply);
    case BranchTaskKind::kCatalogVersion:
      return FinishedVersion(task.id, reply);
    default:
      return FinishedFingerprint(task.id, reply);
  }
}

}  // namespace agent_branch
