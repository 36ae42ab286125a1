#include "worker/core/fixer/fix_flow.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/text.hpp"
#include "worker/core/fixer/effect_facts.hpp"
#include "worker/core/fixer/fix_check.hpp"
#include "worker/core/fixer/fix_facts.hpp"
#include "worker/core/fixer/fix_memory.hpp"
#include "worker/core/fixer/intent_proof.hpp"
#include "worker/core/fixer/prompt.hpp"
#include "worker/core/fixer/repairable.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxReason = 1'000;
constexpr milliseconds kCheckTimeout{10'000};
constexpr char kNoProcess[] = "53000";
constexpr char kBetween[] = "E'\\x1f'";

// What the fix is to do: what the original asked for, and what an error gave leave to. That a view
// goes and comes again explains nothing of it.
std::vector<Effect> AllOf(const Intent &intent) {
  std::vector<Effect> all = intent.wanted;
  for (const Effect &effect : intent.added) {
    if (effect.kind != "drop view" && effect.kind != "create view") all.push_back(effect);
  }
  return all;
}

std::string LastReason(const FixHistory &history) {
  if (history.tried.empty()) return {};
  const TriedFix &last = history.tried.back();
  return last.reason.empty() ? last.error.message : last.reason;
}

}  // namespace

FixFlow::FixFlow(Services services) : services_(std::move(services)) {
  if (services_.store != nullptr) next_call_id_ = services_.store->LastFixCallId() + 1;
}

bool FixFlow::IsFix(const MigrationRow &migration) {
  return !migration.made_by.empty() && migration.made_by != "agent";
}

bool FixFlow::HasModel() const {
  const Settings &settings = services_.context->settings();
  return !settings.fixer_url.empty() && !settings.fixer_model.empty();
}

std::string FixFlow::WhyOff(const ProjectRow &project) const {
  const Settings &settings = services_.context->settings();
  if (services_.store == nullptr || project.fixer == "off") return "the project's fixer is off";
  if (settings.fixer_attempts == 0) return "agent_branch.fixer_attempts is 0";
  if (!project.fixer_function.empty()) return {};
  if (project.fixer == "function") return "the project names no fixer_function";
  if (settings.fixer_url.empty()) return "agent_branch.fixer_url is not set";
  if (settings.fixer_model.empty()) return "agent_branch.fixer_model is not set";
  Result<Secret> key = services_.keys->FixerKey();
  return key.ok() ? std::string() : key.status().message();
}

bool FixFlow::Takes(Session &session, const ServerError &error) {
  MigrationRow &migration = session.migrations.front();
  const std::string off = WhyOff(services_.context->ProjectOf(session).row);
  if (!off.empty()) {
    migration.fixer = "off: " + off;
  } else if (!IsRepairable(error.sqlstate)) {
    migration.fixer = "not asked: errors of this kind are not the text's";
  } else if (migration.statements_done > 0) {
    migration.fixer = "not asked: a part of the migration is in effect";
  } else {
    migration.fixer = "at work";
    return true;
  }
  works_.erase(session.row.id);
  return false;
}

std::vector<ServerError> FixFlow::ErrorsOf(const FixHistory &history) const {
  std::vector<ServerError> errors = {history.error};
  for (const TriedFix &tried : history.tried) {
    if (!tried.error.sqlstate.empty()) errors.push_back(tried.error);
  }
  return errors;
}

Result<FixHistory> FixFlow::Read(const Session &session) {
  return services_.store->ReadFixHistory(session.migrations.front().id);
}

Flow<RepairEnd> FixFlow::Repair(Session &session) {
  // Whatever was asked for when the worker ended was not recorded.
  if (session.step) services_.context->CloseStep(session, false, "the answer was not recorded");
  Result<FixHistory> history = Read(session);
  if (!history.ok()) co_return RepairEnd{Next::Again(history.status()), {}};
  if (!history->open_calls.empty()) {
    for (int64_t id : history->open_calls) {
      FixCallRow call = MakeCall(history.value(), "llm", "");
      call.id = id;
      call.outcome = ModelOutcomeName(ModelOutcome::kInterrupted);
      services_.context->journal().Add(call);
    }
    RepairEnd end = co_await GoOn(session);
    co_return end;
  }
  const int used = static_cast<int>(history->tried.size()) + history->unusable;
  const ProjectRow &project = services_.context->ProjectOf(session).row;
  const std::string off = WhyOff(project);
  if (!off.empty()) co_return GiveUp(session, history.value(), "off: " + off);
  if (used >= services_.context->settings().fixer_attempts) {
    std::string why = "gave up after " + std::to_string(used) + " attempts";
    const std::string last = LastReason(history.value());
    co_return GiveUp(session, history.value(), last.empty() ? why : why + ": " + last);
  }
  if (!history->memory_asked) {
    std::optional<RepairEnd> remembered = co_await AskMemory(session, history.value());
    if (remembered) co_return *remembered;
  }
  if (!project.fixer_function.empty() && services_.context->has_helpers() &&
      !history->function_ended) {
    RepairEnd end = co_await AskFunction(session, history.value());
    co_return end;
  }
  if (project.fixer != "function" && HasModel()) {
    RepairEnd end = co_await AskModel(session, history.value());
    co_return end;
  }
  co_return GiveUp(session, history.value(), "gave up: the function has no other fix");
}

void FixFlow::Abandon(Session &session) {
  auto found = works_.find(session.row.id);
  if (found != works_.end() && found->second.call.id != 0) {
    FixCallRow call = found->second.call;
    call.outcome = ModelOutcomeName(ModelOutcome::kInterrupted);
    services_.context->journal().Add(call);
  }
  works_.erase(session.row.id);
  if (session.step && session.step->kind == StepKind::kAskFixer)
    services_.context->CloseStep(session, false, "the session was given up");
}

Flow<RepairEnd> FixFlow::GoOn(Session &session) {
  services_.context->Save(session);
  co_await services_.context->Commit(session);
  co_return RepairEnd{};
}

Flow<RepairEnd> FixFlow::Propose(Session &session, FixHistory history, std::string sql,
                                 std::string made_by) {
  MigrationRow &migration = session.migrations.front();
  const int number = history.last_attempt + 1;
  const bool known = sql == history.original ||
                     std::any_of(history.tried.begin(), history.tried.end(),
                                 [&](const TriedFix &tried) { return tried.sql == sql; });
  if (known) {
    MigrationRow proposed = migration;
    proposed.made_by = made_by;
    Forget(session, proposed);
    RefusedFixRow refused;
    refused.session_id = session.row.id;
    refused.migration_id = migration.id;
    refused.number = number;
    refused.sql = std::move(sql);
    refused.made_by = std::move(made_by);
    refused.reason = "it is a text that was tried already";
    services_.context->journal().Add(std::move(refused));
    RepairEnd end = co_await GoOn(session);
    co_return end;
  }
  migration.attempt = number;
  migration.made_by = made_by;
  migration.status = MigrationStatus::kQueued;
  services_.context->journal().Add(
      AttemptRow{migration.id, number, std::move(sql), std::move(made_by), session.row.id});
  services_.context->journal().Add(migration);
  RepairEnd end = co_await GoOn(session);
  co_return end;
}

bool FixFlow::IsPrepared(const Session &session) const {
  auto work = works_.find(session.row.id);
  return work != works_.end() && work->second.attempt == session.migrations.front().attempt;
}

Flow<Next> FixFlow::Prepare(Session &session) {
  const MigrationRow &migration = session.migrations.front();
  const int attempt = migration.attempt;
  if (works_[session.row.id].attempt == attempt) co_return Next::Look();
  Result<FixHistory> history = Read(session);
  if (!history.ok()) co_return Next::Again(history.status());
  Result<std::string> sql = services_.context->store().MigrationSql(migration.id, attempt);
  if (!sql.ok()) co_return Next::Again(sql.status());
  FixQuestion question;
  question.original = history->original;
  question.fix = std::move(*sql);
  question.errors = ErrorsOf(history.value());
  question.statement = history->statement;
  if (works_[session.row.id].checked != attempt) {
    Next next = co_await Check(session, std::move(question));
    const bool runs = session.migrations.front().status != MigrationStatus::kRepairing;
    if (next.fails() || !runs || works_[session.row.id].checked != attempt) co_return next;
  }
  const Intent intent = works_[session.row.id].intent;
  BranchTask task;
  task.kind = BranchTaskKind::kFingerprint;
  task.facts = DefinitionsExpression(ViewsPutBack(intent.added));
  BranchEvent event = co_await services_.context->RunOnBranch(session, std::move(task),
                                                              "a description of the branch");
  if (event.outcome != BranchOutcome::kDone) {
    Next next = co_await services_.uris->AfterConnectionFailure(session, event);
    co_return next;
  }
  Work &prepared = works_[session.row.id];
  prepared.before = event.objects;
  prepared.definitions = event.answer;
  prepared.attempt = attempt;
  co_return Next::Look();
}

Flow<Next> FixFlow::Check(Session &session, FixQuestion question) {
  BranchTask task;
  task.kind = BranchTaskKind::kFingerprint;
  task.facts = FixFactsExpression({question.original, question.fix});
  BranchEvent event = co_await services_.context->RunOnBranch(
      session, std::move(task), "what the check of a fix has to know");
  if (event.outcome != BranchOutcome::kDone) {
    Next next = co_await services_.uris->AfterConnectionFailure(session, event);
    co_return next;
  }
  question.facts = event.answer;
  Result<Intent> intent = co_await Compare(session, std::move(question));
  if (!intent.ok()) co_return Next::Again(intent.status());
  Work &checked = works_[session.row.id];
  checked.intent = std::move(intent.value());
  checked.checked = session.migrations.front().attempt;
  if (checked.intent.preserved) co_return Next::Look();
  Refuse(session, checked.intent.reason);
  services_.context->Save(session);
  co_await services_.context->Commit(session);
  co_return Next::Look();
}

Flow<Result<Intent>> FixFlow::Compare(Session &session, FixQuestion question) {
  if (!services_.context->has_helpers()) co_return CheckFix(question, services_.trees);
  HelperTask task;
  task.kind = HelperTask::Kind::kCheckFix;
  task.text = EncodeFixQuestion(question);
  task.timeout = kCheckTimeout;
  const HelperEvent event =
      co_await services_.context->Help(session, std::move(task), "the fix to be compared");
  // Not the fix's fault: there was no process to compare it in.
  if (event.outcome == HelperEvent::Outcome::kLost && event.error.sqlstate == kNoProcess) {
    co_return Status::Error(event.error.sqlstate, event.error.message,
                            "The fix waits for a process to be compared in.", event.error.hint);
  }
  if (event.outcome == HelperEvent::Outcome::kDone) {
    Result<Intent> told = DecodeIntent(event.answer);
    if (told.ok()) co_return told;
  }
  Intent refused;
  refused.reason = CleanText("it could not be compared: " + event.error.message, kMaxReason);
  co_return refused;
}

void FixFlow::Forget(const Session &session, const MigrationRow &migration) {
  auto work = works_.find(session.row.id);
  if (migration.made_by != "memory" || work == works_.end() || work->second.remembered == 0) return;
  FixMemoryRow forgotten;
  forgotten.id = work->second.remembered;
  forgotten.refused = true;
  services_.context->journal().Add(std::move(forgotten));
}

std::string FixFlow::Facts(const Session &session, bool last) const {
  auto found = works_.find(session.row.id);
  if (found == works_.end()) return {};
  const Intent &intent = found->second.intent;
  const std::string definitions = DefinitionsExpression(ViewsPutBack(intent.added));
  const std::string facts = last ? FactsExpression(intent.wanted) : std::string();
  const std::string rows = RowsExpression(AllOf(intent));
  const auto given = [](const std::string &expression) {
    return expression.empty() ? "''" : expression;
  };
  return "concat(" + given(facts) + ", " + kBetween + ", " + given(definitions) + ", " + kBetween +
         ", " + given(rows) + ")";
}

Intent FixFlow::Prove(const Session &session, const BranchEvent &ready) const {
  Intent refused;
  auto found = works_.find(session.row.id);
  const std::string &told = ready.answer;
  const size_t end = told.find('\x1f');
  const size_t rows = told.rfind('\x1f');
  if (found == works_.end() || end == std::string::npos || rows == end) {
    refused.reason = "the schema before it is not known";
  } else if (end > 0) {
    refused.reason = "after it, this is missing: " + CleanText(told.substr(0, end), kMaxReason);
  } else if (!found->second.intent.preserved) {
    refused.reason = found->second.intent.reason;
  } else {
    const Work &work = found->second;
    std::set<std::string> put_back = ViewsPutBack(work.intent.added);
    if (told.substr(end + 1, rows - end - 1) != work.definitions) put_back.clear();
    const Intent changes = ExplainChanges(AllOf(work.intent), put_back, work.before, ready.objects);
    return changes.preserved ? ExplainRows(told.substr(rows + 1), ready.record) : changes;
  }
  return refused;
}

void FixFlow::Refuse(Session &session, const std::string &reason) {
  MigrationRow &migration = session.migrations.front();
  RefusedFixRow refused;
  refused.session_id = session.row.id;
  refused.migration_id = migration.id;
  refused.number = migration.attempt;
  refused.made_by = migration.made_by;
  refused.reason = CleanText(reason, kMaxReason);
  migration.status = MigrationStatus::kRepairing;
  services_.context->journal().Add(migration);
  services_.context->journal().Add(std::move(refused));
  Forget(session, migration);
}

void FixFlow::Failed(const Session &session, const MigrationRow &migration) {
  Remember(session, migration, false);
}

void FixFlow::Applied(const Session &session, const MigrationRow &migration) {
  Remember(session, migration, true);
  works_.erase(session.row.id);
}

void FixFlow::Remember(const Session &session, const MigrationRow &migration, bool worked) {
  if (services_.store == nullptr) return;
  auto work = works_.find(session.row.id);
  if (migration.made_by == "memory" && work != works_.end() && work->second.remembered != 0) {
    FixMemoryRow counted;
    counted.id = work->second.remembered;
    counted.worked = worked;
    services_.context->journal().Add(std::move(counted));
    return;
  }
  // That a fix of another kind did not work is forgotten: it was never remembered.
  if (!worked) return;
  Result<FixHistory> history = services_.store->ReadFixHistory(migration.id);
  Result<std::string> sql =
      services_.context->store().MigrationSql(migration.id, migration.attempt);
  // What is not remembered costs a call some day.
  if (!history.ok() || !sql.ok()) return;
  FixMemoryRow row;
  row.project_id = session.row.project_id;
  row.signature = FixSignature(history->original, history->error);
  row.original = history->original;
  row.fix = sql.value();
  row.worked = worked;
  services_.context->journal().Add(std::move(row));
}

void FixFlow::Record(Session &session, FixCallRow call) {
  services_.context->journal().Add(std::move(call));
  services_.context->Save(session);
}

RepairEnd FixFlow::GiveUp(Session &session, const FixHistory &history, const std::string &why) {
  // What failed is the agent's text; the others are there to be looked at.
  session.migrations.front().fixer = CleanText(why, kMaxReason);
  MigrationRow &migration = session.migrations.front();
  migration.attempt = history.original_number;
  migration.made_by.clear();
  migration.statement = history.statement;
  // What these say is known of the text already.
  migration.statements = 0;
  migration.non_transactional.clear();
  migration.risks.clear();
  works_.erase(session.row.id);
  return RepairEnd{Next::Look(), history.error};
}

FixCallRow FixFlow::MakeCall(const FixHistory &history, const char *source, std::string model) {
  FixCallRow call;
  call.id = next_call_id_++;
  call.session_id = history.session_id;
  call.migration_id = history.migration_id;
  call.original = history.original_number;
  call.source = source;
  call.model = std::move(model);
  return call;
}

}  // namespace agent_branch
