// CALL agent_run: a whole session in one statement, in three transactions.
#include "extension/arguments.hpp"
#include "extension/requests.hpp"
#include "extension/session_operations.hpp"
#include "extension/waiting.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

struct Run {
  Oid caller;
  std::string session;
  std::vector<MigrationText> migrations;
  std::optional<std::string> project;
  int64_t timeout;  // microseconds, for everything together
  TimestampTz started_at;
};

void RequireNonatomic(FunctionCallInfo fcinfo) {
  const Node *context = fcinfo->context;
  if (context != nullptr && IsA(context, CallContext) &&
      !reinterpret_cast<const CallContext *>(context)->atomic)
    return;
  Raise("2D000", "agent_run() cannot be called in a transaction block", "It commits as it goes.",
        "Call it outside of a transaction block, or use agent_branch_create(), agent_migrate() and "
        "agent_merge() one by one.");
}

Run ReadArguments(FunctionCallInfo fcinfo) {
  Run run;
  run.caller = GetUserId();
  run.session = RequiredText(fcinfo, 0, "session");
  const std::vector<std::string> texts = RequiredTexts(fcinfo, 1, "migrations");
  run.project = OptionalText(fcinfo, 3);
  const auto timeout = OptionalDuration(fcinfo, 4);
  RequireTimeout(timeout);
  run.timeout = *timeout;
  run.started_at = GetCurrentTimestamp();
  if (Status status = CheckMigrationCount(texts.size()); !status.ok()) RaiseStatus(status);
  for (const std::string &sql : texts) {
    if (Status status = CheckMigration(sql, std::nullopt); !status.ok()) RaiseStatus(status);
    run.migrations.push_back(ReadMigration(sql, std::nullopt));
  }
  return run;
}

int64_t TimeLeft(const Run &run) {
  return run.timeout - (GetCurrentTimestamp() - run.started_at);
}

// The session and its migrations, which begin when this is committed.
int64_t Begin(const Run &run) {
  OwnerSession as_owner;
  NewSession wanted;
  wanted.name = run.session;
  wanted.project = run.project;
  const CreatedSession created = CreateSession(run.caller, wanted);
  for (const MigrationText &text : run.migrations)
    AddMigration(run.caller, created.id, text);
  return created.id;
}

Session Read(int64_t id, const std::string &name) {
  std::optional<Session> session;
  LookOnly([&] { session = ReadSession(id); });
  if (!session)
    Raise("42704", "session " + Quoted(name) + " does not exist any more", {},
          "The extension was dropped, or its history was purged.");
  return *session;
}

void BeginMerge(const Run &run, int64_t id) {
  OwnerSession as_owner;
  LockSession(id);
  const auto session = ReadSession(id);
  if (!session)
    Raise("42704", "session " + Quoted(run.session) + " does not exist any more", {},
          "The extension was dropped, or its history was purged.");
  RequestMerge(run.caller, *session, {});
}

std::string Outcome(const Run &run, int64_t id) {
  std::string outcome;
  const int64_t milliseconds = (GetCurrentTimestamp() - run.started_at) / 1000;
  LookOnly([&] {
    const Rows rows = RunQuery(
        "SELECT jsonb_build_object('session', s.name, 'project', p.project, 'state', s.state, "
        "'branch', s.branch_name, 'error', s.error, 'duration_ms', $2, 'api_calls', s.api_calls, "
        "'migrations', coalesce((SELECT jsonb_agg(jsonb_build_object('ordinal', m.ordinal, "
        "'status', m.status, 'statements', t.statements, 'statements_done', t.statements_done, "
        "'rows', t.rows, 'risks', t.risks, 'sqlstate', t.sqlstate, 'message', t.message, "
        "'detail', t.detail, 'hint', t.hint, 'statement', t.statement, 'line', t.line, "
        "'column', t.\"column\") ORDER BY m.ordinal) FROM agent_branch.migration AS m "
        "JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id "
        "AND t.number = m.attempt WHERE m.session_id = s.id), '[]')) "
        "FROM agent_branch.session AS s JOIN agent_branch.project AS p ON p.id = s.project_id "
        "WHERE s.id = $1",
        {id, milliseconds}, Snapshot::kLatest);
    if (!rows.empty()) outcome = rows[0].Text(0);
  });
  return outcome;
}

std::string RunSession(const Run &run) {
  SpiSession procedure(SpiSession::Mode::kNonatomic);
  const int64_t id = Begin(run);
  procedure.Commit();
  const Session session = Read(id, run.session);
  const std::string state = WaitUntilSettled(session, TimeLeft(run), run.timeout);
  if (state == "ready") {
    BeginMerge(run, id);
    procedure.Commit();
    WaitUntilSettled(session, TimeLeft(run), run.timeout);
  }
  return Outcome(run, id);
}

Datum JsonResult(FunctionCallInfo fcinfo, const std::string &json) {
  return CallPg([&] {
    TupleDesc descriptor = nullptr;
    get_call_result_type(fcinfo, nullptr, &descriptor);
    Datum value = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.c_str()));
    bool null = false;
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), &value, &null));
  });
}

Datum AgentRun(FunctionCallInfo fcinfo) {
  RequireWritable("agent_run");
  RequireNonatomic(fcinfo);
  const Run run = ReadArguments(fcinfo);
  const std::string outcome = RunSession(run);
  return JsonResult(fcinfo, outcome);
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_run, agent_branch::AgentRun)
