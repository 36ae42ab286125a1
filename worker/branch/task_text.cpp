#include "worker/branch/task_text.hpp"

#include <algorithm>
#include <limits>

#include "worker/branch/catalog_version.hpp"
#include "worker/branch/fingerprint.hpp"
#include "worker/branch/gate_query.hpp"
#include "worker/branch/look_query.hpp"
#include "worker/branch/measure.hpp"
#include "worker/branch/record.hpp"
#include "worker/branch/schema_excerpt.hpp"
#include "worker/branch/standpoint.hpp"
#include "worker/core/script/risks.hpp"

namespace agent_branch {
namespace {

std::string SetTimeout(std::string_view name, std::chrono::milliseconds timeout,
                       std::string_view set = "SET LOCAL ") {
  // Zero would mean none.
  const long long most = std::numeric_limits<int>::max();
  const long long count = std::clamp<long long>(timeout.count(), 1, most);
  return std::string(set) + std::string(name) + " = " + std::to_string(count) + "; ";
}

BranchEvent Finished(uint64_t id, BranchOutcome outcome) {
  BranchEvent event;
  event.id = id;
  event.outcome = outcome;
  return event;
}

std::string SettingsOf(const BranchTask &task) {
  std::string text;
  for (const std::string &setting : task.settings)
    text += setting + "; ";
  return text;
}

ServerError Malformed() {
  ServerError error;
  error.sqlstate = "08P01";
  error.message = "the server gave an answer of another form than was asked for";
  return error;
}

}  // namespace

Prologue MigrationPrologue(const BranchTask &task, const RunnerOptions &options,
                           const std::string &token) {
  constexpr int kOwnStatements = 5;
  return {"BEGIN; " + SetTimeout("statement_timeout", task.statement_timeout) +
              SetTimeout("lock_timeout", task.lock_timeout) +
              SetTimeout("idle_in_transaction_session_timeout", options.ready_timeout) +
              "SET LOCAL agent_branch_migration.token = '" + token + "'; " + SettingsOf(task),
          kOwnStatements + static_cast<int>(task.settings.size())};
}

std::string BetweenScripts() {
  return "SET LOCAL search_path = pg_catalog, pg_temp; "
         "SELECT current_setting('agent_branch_migration.token', true), "
         "coalesce(string_agg(name, ', '), ''), "
         "coalesce(string_agg(name, ', ') FILTER (WHERE condeferred), '') "
         "FROM (SELECT DISTINCT format('%I.%I', n.nspname, c.conname) AS name, c.condeferred "
         "FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace "
         "WHERE c.condeferrable) d";
}

std::optional<DeferrableConstraints> ReadDeferrable(const Reply &reply, const std::string &token) {
  const bool told = !reply.failed && reply.last_row.size() == 3 && reply.last_row[0] == token;
  if (!told) return {};
  return DeferrableConstraints{reply.last_row[1], reply.last_row[2]};
}

Prologue NextPrologue(const BranchTask &task, const RunnerOptions &options,
                      const std::string &token, const DeferrableConstraints &constraints,
                      const std::vector<std::string> &baseline) {
  std::vector<std::string> statements;
  if (!constraints.all.empty())
    statements.push_back("SET CONSTRAINTS " + constraints.all + " IMMEDIATE");
  if (!constraints.initially_deferred.empty())
    statements.push_back("SET CONSTRAINTS " + constraints.initially_deferred + " DEFERRED");
  for (const char *discard :
       {"CLOSE ALL", "SET SESSION AUTHORIZATION DEFAULT", "RESET ALL", "DEALLOCATE ALL",
        "UNLISTEN *", "DISCARD PLANS", "DISCARD TEMP", "DISCARD SEQUENCES"})
    statements.emplace_back(discard);
  statements.push_back(SetTimeout("statement_timeout", task.statement_timeout));
  statements.push_back(SetTimeout("lock_timeout", task.lock_timeout));
  statements.push_back(SetTimeout("idle_in_transaction_session_timeout", options.ready_timeout));
  statements.push_back("SET LOCAL agent_branch_migration.token = '" + token + "'");
  if (baseline.size() == 4) {
    if (baseline[0] == "on") statements.emplace_back("SET LOCAL track_counts = on");
    const char *const notes[] = {"files", "sequences"};
    for (size_t n = 0; n < 2; ++n) {
      statements.push_back("SET LOCAL agent_branch_migration." + std::string(notes[n]) + " = " +
                           Literal(baseline[n + 2]));
    }
  }
  Prologue prologue;
  for (const std::string &statement : statements) {
    prologue.text += statement;
    if (statement.back() != ' ') prologue.text += "; ";
  }
  prologue.statements = static_cast<int>(statements.size());
  return prologue;
}

std::string AloneSettings(const BranchTask &task, const RunnerOptions &options) {
  return SetTimeout("statement_timeout", task.statement_timeout, "SET ") +
         SetTimeout("lock_timeout", task.lock_timeout, "SET ") +
         SetTimeout("idle_in_transaction_session_timeout", options.ready_timeout, "SET ") +
         SettingsOf(task);
}

Prologue AlonePrologue(const BranchTask &task) {
  return {AloneMark(task.alone) + " ", 0};
}

namespace {

// The session's settings decide how expressions are written out, so the ones that matter are what
// pg_dump sets, too. jit would compile for longer than the query runs, and a
// thousand tables' objects would be sorted on disk.
constexpr char kDescribing[] =
    "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL datestyle = ISO, MDY; "
    "SET LOCAL intervalstyle = postgres; SET LOCAL timezone = 'UTC'; "
    "SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = hex; "
    "SET LOCAL quote_all_identifiers = off; SET LOCAL standard_conforming_strings = on; "
    "SET LOCAL xmloption = content; SET LOCAL lc_monetary = 'C'; SET LOCAL jit = off; "
    "SET LOCAL work_mem = '32MB'; ";

// The columns of the fingerprint, and the text of task.facts.
std::string WithFacts(const BranchTask &task, int server_version) {
  const std::string facts = task.facts.empty() ? "NULL" : task.facts;
  return "SELECT f.*, " + facts + " FROM (" + FingerprintQuery(server_version) + ") AS f";
}

std::string DescribingQuery(const BranchTask &task, int server_version) {
  switch (task.kind) {
    case BranchTaskKind::kCatalogVersion:
      return CatalogVersionQuery(server_version);
    case BranchTaskKind::kDefinitions:
      return DefinitionsQuery(server_version, task.sql);
    case BranchTaskKind::kStandpoint:
      return StandpointQuery();
    case BranchTaskKind::kUnrecorded:
      return UnrecordedQuery(task.transaction_id, task.sql);
    default:
      return WithFacts(task, server_version);
  }
}

std::string FingerprintText(const BranchTask &task, int server_version) {
  return "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; " +
         SetTimeout("statement_timeout", task.statement_timeout) +
         SetTimeout("lock_timeout", task.lock_timeout) + kDescribing +
         DescribingQuery(task, server_version) + "; COMMIT";
}

Status CheckTransactionId(const std::string &id) {
  const bool number =
      !id.empty() && id.size() <= 20 &&
      std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number ? Status() : Status::Error("22P02", "transaction id is not a number");
}

Result<std::string> TransactionStatusText(const BranchTask &task) {
  const std::string &id = task.transaction_id;
  const Status status = CheckTransactionId(id);
  if (!status.ok()) return status;
  return "SELECT pg_catalog.pg_xact_status('" + id + "'::pg_catalog.xid8)";
}

// Settings of the migration decide what a name means; they are gone with the transaction.
std::string LookText(const BranchTask &task) {
  return "BEGIN READ ONLY; " + SetTimeout("statement_timeout", task.statement_timeout) +
         SetTimeout("lock_timeout", task.lock_timeout) + SettingsOf(task) +
         "SET LOCAL standard_conforming_strings = on; " +
         (task.kind == BranchTaskKind::kRisks ? RiskQuery(task.sql) : AloneQuery(task.alone)) +
         "; ROLLBACK";
}

std::string ExcerptText(const BranchTask &task) {
  return "BEGIN READ ONLY; " + SetTimeout("statement_timeout", task.statement_timeout) +
         SetTimeout("lock_timeout", task.lock_timeout) + kDescribing +
         (task.facts.empty() ? SchemaExcerptQuery(task.sql) : "SELECT " + task.facts) +
         "; ROLLBACK";
}

std::string GateText(const BranchTask &task) {
  return "BEGIN READ ONLY; " + SetTimeout("statement_timeout", task.statement_timeout) +
         SetTimeout("lock_timeout", task.lock_timeout) + GateScript(task.sql) + "; ROLLBACK";
}

}  // namespace

bool IsMeasured(const BranchTask &task) {
  return task.record && std::find(task.settings.begin(), task.settings.end(), kMeasureSetting) !=
                            task.settings.end();
}

std::string BaselineText(const BranchTask &task) {
  if (!IsMeasured(task)) return RecordBaseline();
  return MeasureBaseline(task.lock_timeout) + RecordBaseline() + ", " + BaselineExpression();
}

// Deferred triggers would fire at COMMIT, after the record is taken.
std::string MigrationCheck(const BranchTask &task, const std::string &before) {
  std::string columns =
      "SELECT pg_catalog.current_setting('agent_branch_migration.token', true),"
      " pg_catalog.pg_current_xact_id_if_assigned()";
  if (!task.record) return columns;
  return "SET CONSTRAINTS ALL IMMEDIATE; SAVEPOINT agent_branch_record; SET LOCAL search_path = "
         "pg_catalog, pg_temp; SET LOCAL jit = off; " +
         RecordPreparation() + "; " + (IsMeasured(task) ? MeasureStatements(before) + "; " : "") +
         columns + ", " + RecordExpression(IsMeasured(task)) +
         "; ROLLBACK TO SAVEPOINT agent_branch_record; RELEASE SAVEPOINT agent_branch_record";
}

std::string ProofText(const BranchTask &task, int server_version) {
  return std::string("SAVEPOINT agent_branch_proof; ") + kDescribing +
         WithFacts(task, server_version) +
         "; ROLLBACK TO SAVEPOINT agent_branch_proof; RELEASE SAVEPOINT agent_branch_proof";
}

Result<std::string> QueryText(const BranchTask &task, int server_version) {
  switch (task.kind) {
    case BranchTaskKind::kTransactionStatus:
      return TransactionStatusText(task);
    case BranchTaskKind::kUnrecorded: {
      const Status status = CheckTransactionId(task.transaction_id);
      if (!status.ok()) return status;
      return FingerprintText(task, server_version);
    }
    case BranchTaskKind::kExcerpt:
      return ExcerptText(task);
    case BranchTaskKind::kGate:
      return GateText(task);
    case BranchTaskKind::kLookAlone:
    case BranchTaskKind::kRisks:
      return LookText(task);
    default:
      return FingerprintText(task, server_version);
  }
}

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
                           : "The script rolled back its own transaction.";
  if (!after.message.empty()) {
    error.detail = CutText(error.detail + " It failed later: " + after.message);
  }
  error.hint = "Remove BEGIN, COMMIT, ROLLBACK and PREPARE TRANSACTION from the script.";
  return Rejected(id, error);
}

std::string JoinPages(const std::vector<std::string> &pages) {
  if (pages.size() == 1) return pages.front();
  std::string joined = "{";
  for (const std::string &page : pages) {
    const size_t begin = page.find('{');
    const size_t end = page.rfind('}');
    if (begin == std::string::npos || end < begin) return {};
    if (joined.size() > 1) joined += ',';
    joined.append(page, begin + 1, end - begin - 1);
  }
  return joined + "}";
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
  if (reply.last_row.size() < 2 || reply.last_row[0].size() != 32) {
    return Rejected(id, Malformed());
  }
  BranchEvent event = Finished(id, BranchOutcome::kDone);
  event.fingerprint = reply.last_row[0];
  event.objects = JoinPages(reply.pages);
  if (reply.last_row.size() > 2) event.answer = reply.last_row[2];
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
    case BranchTaskKind::kLookAlone:
    case BranchTaskKind::kRisks:
    case BranchTaskKind::kDefinitions:
    case BranchTaskKind::kStandpoint:
    case BranchTaskKind::kUnrecorded:
    case BranchTaskKind::kMakeRole:
    case BranchTaskKind::kDropRoles:
    case BranchTaskKind::kWhoAmI:
      return FinishedLook(task.id, reply);
    default:
      return FinishedFingerprint(task.id, reply);
  }
}

}  // namespace agent_branch
