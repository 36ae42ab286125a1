// Where fixes come from: memory, the project's function, a model. See fix_flow.hpp.
#include <algorithm>
#include <utility>

#include "worker/core/base/backoff.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/fixer/excerpt.hpp"
#include "worker/core/fixer/fix_flow.hpp"
#include "worker/core/fixer/fix_memory.hpp"
#include "worker/core/fixer/prompt.hpp"

namespace agent_branch {
namespace {

constexpr int kMostPassing = 5;
constexpr int kMostInterrupted = 2;
constexpr BackoffPolicy kPassing{milliseconds(1'000), milliseconds(30'000)};

FixLimits LimitsOf(const Settings &settings) {
  FixLimits limits;
  limits.tokens = settings.fixer_max_tokens;
  limits.seconds = settings.fixer_max_time;
  limits.cost = settings.fixer_max_cost;
  limits.input_price = settings.fixer_input_price;
  limits.output_price = settings.fixer_output_price;
  return limits;
}

}  // namespace

bool FixFlow::AskMemory(Session &session, const FixHistory &history) {
  const ProjectRow &project = parts_.desk->ProjectOf(session).row;
  Result<std::vector<RememberedFix>> remembered =
      parts_.store->RememberedFixes(project.id, FixSignature(history.original, history.error));
  if (!remembered.ok()) {
    parts_.desk->TryAgain(session, remembered.status());
    return true;
  }
  FixCallRow call = MakeCall(history, "memory", "");
  for (const RememberedFix &fix : remembered.value()) {
    std::optional<std::string> sql = CarryOver(fix.original, fix.fix, history.original);
    if (!sql) continue;
    call.outcome = "answered";
    call.model = "fix " + std::to_string(fix.id);
    Record(session, std::move(call));
    works_[session.row.id].remembered = fix.id;
    Propose(session, history, std::move(*sql), "memory");
    return true;
  }
  call.outcome = "nothing";
  Record(session, std::move(call));
  return false;
}

bool FixFlow::AskFunction(Session &session, const FixHistory &history) {
  const std::string &function = parts_.desk->ProjectOf(session).row.fixer_function;
  Result<HelperTask> task = parts_.store->FixFunctionCall(history, function);
  FixCallRow call = MakeCall(history, "function", function);
  if (!task.ok()) {
    call.outcome = "failed";
    call.reason = CleanText(task.status().message(), 500);
    Record(session, std::move(call));
    GoOn(session);
    return true;
  }
  // Recorded before it is made: what ends the worker is not called again and again.
  works_[session.row.id].call = call;
  parts_.desk->journal().Add(std::move(call));
  parts_.desk->Commit(session, [this, task = std::move(task.value())](Session &recorded) {
    parts_.desk->Help(recorded, task, [this](Session &helped, const HelperEvent &event) {
      OnFunction(helped, event);
    });
  });
  return true;
}

void FixFlow::OnFunction(Session &session, const HelperEvent &event) {
  if (session.migrations.empty()) return;
  Result<FixHistory> history = Read(session);
  if (!history.ok()) return;
  FixCallRow call = std::exchange(works_[session.row.id].call, {});
  const std::string made_by = "function " + call.model;
  if (event.outcome != HelperEvent::Outcome::kDone) {
    call.outcome = "failed";
    call.reason = CleanText(event.error.message, 500);
  } else {
    call.outcome = event.answer.empty() ? "nothing" : "answered";
  }
  const bool answered = call.outcome == "answered";
  Record(session, std::move(call));
  if (answered) {
    Propose(session, history.value(), event.answer, made_by);
  } else {
    GoOn(session);
  }
}

void FixFlow::AskModel(Session &session, const FixHistory &history) {
  if (history.interrupted >= kMostInterrupted)
    return GiveUp(session, history, "gave up: the model's answers were lost twice");
  if (history.original.size() > kMaxFixableBytes)
    return GiveUp(session, history, "not asked: the migration is too long for a model");
  if (!works_[session.row.id].schema_read) return ReadSchema(session, history);
  Send(session, history);
}

void FixFlow::ReadSchema(Session &session, const FixHistory &history) {
  BranchTask task;
  task.kind = BranchTaskKind::kExcerpt;
  task.connection_key = session.connection_key();
  task.uri = session.uri;
  task.sql = ExcerptNames(history.original, ErrorsOf(history));
  parts_.desk->Run(session, std::move(task), [this](Session &ran, const BranchEvent &event) {
    if (event.outcome == BranchOutcome::kNotRun) {
      parts_.desk->TryAgainIfBranchExists(ran, event.error);
      return;
    }
    Work &work = works_[ran.row.id];
    // A model can do without; what is not known is told.
    work.schema = event.outcome == BranchOutcome::kDone ? event.answer : "(not known)";
    work.schema_read = true;
  });
}

void FixFlow::Send(Session &session, const FixHistory &history) {
  const Settings &settings = parts_.desk->settings();
  PromptMaterial material;
  material.sql = history.original;
  material.error = history.error;
  material.schema = works_[session.row.id].schema;
  material.earlier_migrations = history.earlier_migrations;
  for (const TriedFix &tried : history.tried) {
    std::string reason = tried.reason;
    if (reason.empty()) {
      reason = "SQLSTATE " + tried.error.sqlstate + ": " + tried.error.message;
      if (!tried.error.detail.empty()) reason += "\n" + tried.error.detail;
    }
    material.attempts.push_back({tried.made_by, tried.sql, std::move(reason)});
  }
  ModelQuestion question;
  question.model = settings.fixer_model;
  question.instructions = FixInstructions();
  question.material = FixMaterial(material);
  question.answer_tokens = settings.fixer_answer_tokens;
  const FixLimits limits = LimitsOf(settings);
  const int64_t input = EstimatedTokens(question.instructions.size() + question.material.size());
  Status may = MaySpend(limits, history.spent, input, question.answer_tokens);
  FixCallRow call = MakeCall(history, "llm", settings.fixer_protocol + " " + settings.fixer_model);
  if (!may.ok()) {
    call.outcome = ModelOutcomeName(ModelOutcome::kBudget);
    call.reason = may.message();
    Record(session, std::move(call));
    return GiveUp(session, history, "gave up: " + may.message());
  }
  // Until the answer says otherwise, as much as it may be: a crash must not make calls for nothing.
  FixSpending most;
  most.Add(input, question.answer_tokens, 0);
  call.input_tokens = input;
  call.output_tokens = question.answer_tokens;
  call.cost = most.Cost(limits);
  works_[session.row.id].call = call;
  parts_.desk->journal().Add(call);
  const std::string target =
      "migration " + std::to_string(session.migrations.front().ordinal) + " " + call.model;
  parts_.desk->Intend(session, StepKind::kAskFixer, target,
                      [this, question = std::move(question)](Session &intended) {
                        parts_.desk->AskModel(
                            intended, question,
                            [this](Session &asked, const ModelAnswer &answer, milliseconds took) {
                              OnAnswer(asked, answer, took);
                            });
                      });
}

void FixFlow::OnAnswer(Session &session, const ModelAnswer &answer, milliseconds took) {
  if (session.migrations.empty()) return;
  Result<FixHistory> history = Read(session);
  if (!history.ok()) return;
  Work &work = works_[session.row.id];
  FixCallRow call = std::exchange(work.call, {});
  const FixLimits limits = LimitsOf(parts_.desk->settings());
  const bool counted = answer.input_tokens > 0 || answer.output_tokens > 0;
  FixSpending spent;
  if (counted) {
    spent.Add(answer.input_tokens, answer.output_tokens, took.count());
  } else if (answer.outcome == ModelOutcome::kTimedOut || answer.sql.size() > 0) {
    spent.Add(call.input_tokens, call.output_tokens, took.count());  // as was expected
  }
  call.outcome = ModelOutcomeName(answer.outcome);
  call.reason = answer.reason;
  call.explanation = answer.explanation;
  call.input_tokens = spent.input_tokens;
  call.output_tokens = spent.output_tokens;
  call.cost = spent.Cost(limits);
  const std::string made_by = "llm " + call.model;
  parts_.desk->journal().Add(std::move(call));
  parts_.desk->CloseStep(session, answer.outcome == ModelOutcome::kAnswered,
                         std::string(ModelOutcomeName(answer.outcome)));
  if (answer.outcome == ModelOutcome::kAnswered) {
    work.passing = 0;
    return Propose(session, history.value(), answer.sql, made_by);
  }
  if (IsMisconfigured(answer.outcome))
    return GiveUp(session, history.value(), "gave up: " + answer.reason);
  if (!IsPassing(answer.outcome)) {
    work.passing = 0;
    return GoOn(session);
  }
  const milliseconds wait = std::max<milliseconds>(
      answer.retry_after, BackoffDelay(kPassing, ++work.passing, parts_.desk->random()));
  const bool too_long = limits.seconds > 0 && wait > std::chrono::seconds(limits.seconds);
  if (work.passing >= kMostPassing || too_long)
    return GiveUp(session, history.value(), "gave up: " + answer.reason);
  parts_.desk->ShowTrouble(session,
                           Status::Error("53300", "the fixer waits for its model", answer.reason,
                                         "It goes on by itself; agent_discard() ends it."));
  parts_.desk->Pause(session, wait);
}

}  // namespace agent_branch
