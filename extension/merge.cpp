// agent_merge, agent_merge_preview, agent_merge_undo and agent_rebase.
#include "extension/arguments.hpp"
#include "extension/requests.hpp"
#include "extension/session_operations.hpp"
#include "extension/waiting.hpp"
#include "postgres/shared_previews.hpp"
#include "postgres/shared_state.hpp"
#include "worker/core/base/json.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

[[noreturn]] void RaiseFailed(const Session &session) {
  const Rows rows = RunQuery(
      "SELECT m.ordinal, t.message FROM agent_branch.migration AS m "
      "JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id AND t.number = m.attempt "
      "WHERE m.session_id = $1 AND m.status = 'failed' ORDER BY m.ordinal DESC LIMIT 1",
      {session.id}, Snapshot::kLatest);
  std::string detail = session.error;
  if (!rows.empty()) detail = "Migration " + rows[0].Text(0) + " failed: " + rows[0].Text(1);
  Raise("55000", "session " + Quoted(session.name) + " has failed", detail,
        "Go on with agent_migrate(), or give it up with agent_discard().");
}

void RequireMergeable(const Session &session) {
  RequireUnfinished(session);
  RequireNotPaused(session);
  if (session.state == "merging" || session.goal == "merge" || session.merge_requested)
    Raise("55006", "a merge of session " + Quoted(session.name) + " has been asked for already", {},
          "Wait for it with agent_wait().");
  if (session.goal == "rebase" || session.rebase_requested)
    Raise("55006", "session " + Quoted(session.name) + " is being rebased", {},
          "Wait for it with agent_wait(), then merge.");
  RequireUnexpired(session);
  if (session.state == "failed") RaiseFailed(session);
  if (session.open_migrations || session.state == "migrating")
    Raise("55006", "session " + Quoted(session.name) + " has migrations that have not run yet", {},
          "Wait for them with agent_wait(), then merge.");
}

Datum Merge(FunctionCallInfo fcinfo) {
  RequireWritable("agent_merge");
  const std::string name = RequiredText(fcinfo, 0, "session");
  MergeWishes wanted;
  wanted.strategy = OptionalText(fcinfo, 1);
  wanted.on_drift = OptionalText(fcinfo, 2);
  const auto project = OptionalText(fcinfo, 3);
  wanted.on_unrecorded = OptionalText(fcinfo, 4);
  if (auto choice = ChooseMerge(wanted, "{}"); !choice.ok()) RaiseStatus(choice.status());
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    const Session session = FindAndLockSession(caller, name, project);
    RequireCommitted(session);
    RequestMerge(caller, session, wanted);
  }
  PG_RETURN_VOID();
}

// The merge's own state is looked at: nothing is asked for that would have to be committed.
void RequirePreviewable(const Session &session) {
  RequireMergeable(session);
  if (session.has_branch && (session.state == "ready" || session.state == "conflict")) return;
  Raise("55000", "session " + Quoted(session.name) + " is not ready",
        "Its state is \"" + session.state + "\".", "Wait for it with agent_wait().");
}

PreviewQuestion QuestionAbout(const Session &session) {
  const Result<MergeChoice> choice = ChooseMerge({}, session.project_options);
  if (!choice.ok()) RaiseStatus(choice.status());
  PreviewQuestion question{};
  while (question.ticket <= 0) {
    if (!pg_strong_random(&question.ticket, sizeof(question.ticket)))
      Raise("58000", "there are no random numbers", {}, "Try again later.");
    question.ticket &= PG_INT64_MAX;
  }
  question.database = MyDatabaseId;
  question.session_id = session.id;
  strlcpy(question.strategy, choice->strategy.c_str(), sizeof(question.strategy));
  strlcpy(question.on_drift, choice->on_drift.c_str(), sizeof(question.on_drift));
  strlcpy(question.on_unrecorded, choice->on_unrecorded.c_str(), sizeof(question.on_unrecorded));
  return question;
}

// A question for as long as somebody waits for the answer. A worker that was started anew does not
// know what the one before it took.
class AskedPreview {
 public:
  explicit AskedPreview(const PreviewQuestion &question) : question_(question) {}
  ~AskedPreview() { ForgetPreview(question_.ticket); }
  AskedPreview(const AskedPreview &) = delete;
  AskedPreview &operator=(const AskedPreview &) = delete;

  // False: too many wait for a worker.
  bool AskOncePerWorker() {
    const auto slot = FindWorkerSlot(question_.database);
    const uint64_t worker = slot ? slot->generation : 0;
    if (asked_ == worker) return true;
    if (!AskPreview(question_)) return false;
    asked_ = worker;
    WakeWorker(question_.database, WakeReason::kRequest);
    return true;
  }

 private:
  PreviewQuestion question_;
  std::optional<uint64_t> asked_;  // in the time of which worker
};

std::string AwaitPreview(const Session &session) {
  constexpr int64_t kLongest = 600 * kMicrosecondsPerSecond;
  const PreviewQuestion question = QuestionAbout(session);
  AskedPreview asked(question);
  std::string result;
  const bool answered = WaitUntil(session.id, kLongest, [&] {
    if (!asked.AskOncePerWorker())
      Raise("53400", "too many previews are asked for at the same time", {}, "Try again later.");
    const Rows rows = RunQuery("SELECT result FROM agent_branch.preview WHERE ticket = $1",
                               {question.ticket}, Snapshot::kLatest);
    if (!rows.empty()) result = rows[0].Text(0);
    return !rows.empty();
  });
  if (answered) return result;
  Raise("AB001",
        "the preview of session " + Quoted(session.name) + " was not made within " +
            DurationText(kLongest),
        {}, "agent_worker and the server log show what the worker does; try again.");
}

void RaiseIfError(const std::string &result) {
  const Result<JsonDocument> document = ParseJson(result);
  if (!document.ok()) RaiseStatus(document.status());
  const JsonValue *error = JsonMember(&*document, "error");
  if (error == nullptr) return;
  Raise(JsonString(error, "sqlstate").c_str(), JsonString(error, "message"),
        JsonString(error, "detail"), JsonString(error, "hint"));
}

Datum MergePreview(FunctionCallInfo fcinfo) {
  RequirePrimary("agent_merge_preview");
  const std::string name = RequiredText(fcinfo, 0, "session");
  const auto project = OptionalText(fcinfo, 1);
  const Oid caller = GetUserId();
  Session session;
  LookOnly([&] {
    session = FindSession(caller, name, project, Reach::kOwnOrAdmin);
    RequireCommitted(session);
    RequireOurs(session);
    RequirePreviewable(session);
  });
  const std::string result = AwaitPreview(session);
  RaiseIfError(result);
  return CallPg([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(result.c_str())); });
}

// The session's merge that an undo is about; checks what can be known before the worker looks.
int64_t FindUndoable(const Session &session) {
  const Rows rows = RunQuery(
      "SELECT m.id, o.merge_id IS NOT NULL, o.why_not, o.undo_until < now(), o.undo_until, "
      "u.status, m.status "
      "FROM agent_branch.merge AS m LEFT JOIN agent_branch.undo_point AS o ON o.merge_id = m.id "
      "LEFT JOIN LATERAL (SELECT u.status FROM agent_branch.undo AS u WHERE u.merge_id = m.id "
      "ORDER BY u.id DESC LIMIT 1) AS u ON true "
      "WHERE m.session_id = $1 AND (m.status = 'merged' OR m.status = 'failed' "
      "AND m.pieces IS NOT NULL) ORDER BY m.id DESC LIMIT 1",
      {session.id}, Snapshot::kLatest);
  if (rows.empty())
    Raise("55000", "session " + Quoted(session.name) + " was not merged",
          "Its state is \"" + session.state + "\".",
          "There is nothing to take back; agent_merges shows the merges.");
  if (rows[0].Text(6) == "failed" && !session.finished)
    Raise("55000", "session " + Quoted(session.name) + " is not over",
          "A part of its merge is in effect on the parent.",
          "Call agent_discard() first; then agent_merge_undo() takes that part back.");
  const Row &merge = rows[0];
  const std::string what = "the merge of session " + Quoted(session.name);
  if (merge.Text(5) == "undone")
    Raise("55000", what + " has been undone already", {},
          "agent_merges.preserved_name is the branch that holds what was there before.");
  if (merge.Text(5) == "queued" || merge.Text(5) == "running" || session.undo_requested)
    Raise("55006", "an undo of " + what + " has been asked for already", {},
          "Wait for it with agent_wait().");
  if (!merge.Bool(1))
    Raise("55000", what + " cannot be undone", "No backup was kept for it.",
          "Option \"undo_window\" of the project says how long backups of merges are kept.");
  if (!merge.IsNull(2))
    Raise("55000", what + " cannot be undone", merge.Text(2) + ".",
          "Take its changes back by a migration.");
  if (merge.Bool(3))
    Raise("55000", what + " cannot be undone any more", "It could until " + merge.Text(4) + ".",
          "Option \"undo_window\" of the project says how long backups of merges are kept.");
  return merge.Int(0);
}

Datum MergeUndo(FunctionCallInfo fcinfo) {
  RequireWritable("agent_merge_undo");
  const std::string name = RequiredText(fcinfo, 0, "session");
  const bool force = RequiredBool(fcinfo, 1, "force");
  const auto project = OptionalText(fcinfo, 2);
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    const Session session = FindAndLockSession(caller, name, project);
    RequireCommitted(session);
    RequireNotPaused(session);
    const int64_t merge = FindUndoable(session);
    WriteRequest(caller, {"undo", std::nullopt, session.id, merge,
                          force ? "{\"force\": true}" : "{\"force\": false}"});
  }
  PG_RETURN_VOID();
}

void RequireRebasable(const Session &session) {
  RequireUnfinished(session);
  RequireNotPaused(session);
  if (session.state == "merging" || session.goal == "merge" || session.merge_requested)
    Raise("55006", "session " + Quoted(session.name) + " is being merged", {},
          "Wait for the merge with agent_wait().");
  if (session.goal == "rebase" || session.rebase_requested)
    Raise("55006", "a rebase of session " + Quoted(session.name) + " has been asked for already",
          {}, "Wait for it with agent_wait().");
  RequireUnexpired(session);
  if (session.open_migrations || session.state == "migrating")
    Raise("55006", "session " + Quoted(session.name) + " has migrations that have not run yet", {},
          "Wait for them with agent_wait(), then rebase.");
  if (session.has_branch) return;
  Raise("55000", "session " + Quoted(session.name) + " has no branch",
        "Its state is \"" + session.state + "\".", "Wait for it with agent_wait().");
}

Datum Rebase(FunctionCallInfo fcinfo) {
  RequireWritable("agent_rebase");
  const std::string name = RequiredText(fcinfo, 0, "session");
  const auto project = OptionalText(fcinfo, 1);
  const Oid caller = GetUserId();
  {
    OwnerSession as_owner;
    const Session session = FindAndLockSession(caller, name, project);
    RequireCommitted(session);
    RequireRebasable(session);
    WriteRequest(caller, {"rebase", std::nullopt, session.id});
  }
  PG_RETURN_VOID();
}

}  // namespace

void RequestMerge(Oid caller, const Session &session, const MergeWishes &wanted) {
  RequireMergeable(session);
  const Result<MergeChoice> choice = ChooseMerge(wanted, session.project_options);
  if (!choice.ok()) RaiseStatus(choice.status());
  const Rows arguments =
      RunQuery("SELECT jsonb_build_object('strategy', $1, 'on_drift', $2, 'on_unrecorded', $3)",
               {choice->strategy, choice->on_drift, choice->on_unrecorded}, Snapshot::kLatest);
  WriteRequest(caller, {"merge", std::nullopt, session.id, std::nullopt, arguments[0].Text(0)});
}

}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_merge, agent_branch::Merge)
AGENT_BRANCH_FUNCTION(agent_merge_preview, agent_branch::MergePreview)
AGENT_BRANCH_FUNCTION(agent_merge_undo, agent_branch::MergeUndo)
AGENT_BRANCH_FUNCTION(agent_rebase, agent_branch::Rebase)
