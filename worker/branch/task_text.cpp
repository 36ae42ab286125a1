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

std::string SettingsOf(const BranchTask &task) {
  std::string text;
  for (const std::string &setting : task.settings)
    text += setting + "; ";
  return text;
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
  if (baseline.size() == 5) {
    if (baseline[0] == "on") statements.emplace_back("SET LOCAL track_counts = on");
    const char *const notes[] = {"files", "sequences", "role"};
    for (size_t n = 0; n < 3; ++n) {
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
  return {NonTransactionalMark(task.non_transactional) + " ", 0};
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

std::string Joined(const std::vector<std::string> &statements) {
  std::string text;
  for (const std::string &statement : statements)
    text += (text.empty() ? "" : "; ") + statement;
  return text;
}

// The rows of the fingerprint, and the text of task.facts as the last one.
std::string WithFacts(const BranchTask &task, int server_version) {
  return Joined(FingerprintStatements(server_version)) + "; SELECT " +
         (task.facts.empty() ? "NULL" : task.facts);
}

std::string DescribingQuery(const BranchTask &task, int server_version) {
  switch (task.kind) {
    case BranchTaskKind::kCatalogVersion:
      return Joined(CatalogVersionStatements(server_version));
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
         (task.kind == BranchTaskKind::kRisks ? RiskQuery(task.sql)
                                              : NonTransactionalQuery(task.non_transactional)) +
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
  const std::string token = "pg_catalog.current_setting('agent_branch_migration.token', true)";
  const std::string id = ", pg_catalog.pg_current_xact_id_if_assigned()";
  if (!task.record) return "SELECT " + token + id;
  // set_config() and functions change the role where SET ROLE is refused.
  const std::string columns =
      "SELECT CASE WHEN current_user <> pg_catalog.current_setting('agent_branch_migration.role', "
      "true) AND " +
      token + " <> '' THEN '" + std::string(kOtherRole) + "' || current_user ELSE " + token +
      " END" + id;
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
    case BranchTaskKind::kInspectOutsideTransaction:
    case BranchTaskKind::kRisks:
      return LookText(task);
    default:
      return FingerprintText(task, server_version);
  }
}

}  // namespace agent_branch
