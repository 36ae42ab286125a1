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
constexpr size_t kMaxReason = 500;
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

Flow<std::optional<RepairEnd>> FixFlow::AskMemory(Session &session, FixHistory history) {
  const ProjectRow &project = services_.context->ProjectOf(session).row;
  Result<std::vector<RememberedFix>> remembered =
      services_.store->RememberedFixes(project.id, FixSignature(history.original, history.error));
  if (!remembered.ok()) co_return RepairEnd{Next::Again(remembered.status()), {}};
  FixCallRow call = MakeCall(history, "memory", "");
  for (const RememberedFix &fix : remembered.value()) {
    std::optional<std::string> sql = CarryOver(fix.original, fix.fix, history.original);
    if (!sql) continue;
    call.outcome = "answered";
    call.model = "fix " + std::to_string(fix.id);
    Record(session, std::move(call));
    works_[session.row.id].remembered = fix.id;
    RepairEnd end = co_await Propose(session, std::move(history), std::move(*sql), "memory");
    co_return end;
  }
  call.outcome = "nothing";
  Record(session, std::move(call));
  co_return std::nullopt;
}

Flow<RepairEnd> FixFlow::AskFunction(Session &session, FixHistory history) {
  const std::string function = services_.context->ProjectOf(session).row.fixer_function;
  Result<HelperTask> task = services_.store->FixFunctionCall(history, function);
  FixCallRow call = MakeCall(history, "function", function);
  if (!task.ok()) {
    call.outcome = "failed";
    call.reason = CleanText(task.status().message(), kMaxReason);
    Record(session, std::move(call));
    RepairEnd end = co_await GoOn(session);
    co_return end;
  }
  // Recorded before it is made: what ends the worker is not called again and again.
  works_[session.row.id].call = call;
  Record(session, std::move(call));
  co_await services_.context->Commit(session);
  HelperEvent event =
      co_await services_.context->Help(session, std::move(*task), "the project's fixer function");
  RepairEnd end = co_await OnFunction(session, std::move(event));
  co_return end;
}

Flow<RepairEnd> FixFlow::OnFunction(Session &session, HelperEvent event) {
  Result<FixHistory> history = Read(session);
  if (!history.ok()) co_return RepairEnd{Next::Again(history.status()), {}};
  FixCallRow call = std::exchange(works_[session.row.id].call, {});
  const std::string made_by = "function " + call.model;
  if (event.outcome != HelperEvent::Outcome::kDone) {
    call.outcome = "failed";
    call.reason = CleanText(event.error.message, kMaxReason);
  } else {
    call.outcome = event.answer.empty() ? "nothing" : "answered";
  }
  const bool answered = call.outcome == "answered";
  Record(session, std::move(call));
  if (!answered) {
    RepairEnd end = co_await GoOn(session);
    co_return end;
  }
  RepairEnd end = co_await Propose(session, std::move(*history), std::move(event.answer), made_by);
  co_return end;
}

Flow<Next> FixFlow::ReadSchema(Session &session, FixHistory history) {
  BranchTask task;
  task.kind = BranchTaskKind::kExcerpt;
  task.sql = ExcerptNames(history.original, ErrorsOf(history));
  BranchEvent event = co_await services_.context->RunOnBranch(session, std::move(task),
                                                              "the schema that the fixer is shown");
  if (event.outcome == BranchOutcome::kNotRun) {
    Next next = co_await services_.uris->AfterConnectionFailure(session, event);
    co_return next;
  }
  Work &work = works_[session.row.id];
  // A model can do without; what is not known is told.
  work.schema = event.outcome == BranchOutcome::kDone ? event.answer : "(not known)";
  work.schema_read = true;
  co_return Next::Look();
}

ModelQuestion FixFlow::MakeQuestion(const Session &session, const FixHistory &history) {
  const Settings &settings = services_.context->settings();
  PromptMaterial material;
  material.sql = history.original;
  material.error = history.error;
  material.schema = works_[session.row.id].schema;
  material.hints = history.hints;
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
  return question;
}

Flow<RepairEnd> FixFlow::AskModel(Session &session, FixHistory history) {
  if (history.interrupted >= kMostInterrupted)
    co_return GiveUp(session, history, "gave up: the model's answers were lost twice");
  if (history.original.size() > kMaxFixableBytes)
    co_return GiveUp(session, history, "not asked: the migration is too long for a model");
  if (!works_[session.row.id].schema_read) {
    Next next = co_await ReadSchema(session, history);
    const bool read = works_[session.row.id].schema_read;
    if (next.fails() || !read) co_return RepairEnd{next, {}};
  }
  ModelQuestion question = MakeQuestion(session, history);
  const Settings &settings = services_.context->settings();
  const FixLimits limits = LimitsOf(settings);
  const int64_t input = EstimatedTokens(question.instructions.size() + question.material.size());
  Status may = MaySpend(limits, history.spent, input, question.answer_tokens);
  if (may.ok()) may = MaySpendToday(history.quota, input + question.answer_tokens);
  FixCallRow call = MakeCall(history, "llm", settings.fixer_protocol + " " + settings.fixer_model);
  if (!may.ok()) {
    call.outcome = ModelOutcomeName(ModelOutcome::kBudget);
    call.reason = may.message();
    Record(session, std::move(call));
    co_return GiveUp(session, history, "gave up: " + may.message());
  }
  // Until the answer says otherwise, as much as it may be: a crash must not make calls for nothing.
  FixSpending most;
  most.Add(input, question.answer_tokens, 0);
  call.input_tokens = input;
  call.output_tokens = question.answer_tokens;
  call.cost = most.Cost(limits);
  works_[session.row.id].call = call;
  services_.context->journal().Add(call);
  co_await services_.context->IntendAndCommit(
      session, StepKind::kAskFixer,
      "migration " + std::to_string(session.migrations.front().ordinal) + " " + call.model);
  ModelReply reply = co_await services_.context->AskModel(session, std::move(question));
  RepairEnd end = co_await OnAnswer(session, std::move(reply));
  co_return end;
}

FixCallRow FixFlow::Settled(FixCallRow call, const ModelReply &reply) const {
  const FixLimits limits = LimitsOf(services_.context->settings());
  const ModelAnswer &answer = reply.answer;
  const bool counted = answer.input_tokens > 0 || answer.output_tokens > 0;
  FixSpending spent;
  if (counted) {
    spent.Add(answer.input_tokens, answer.output_tokens, reply.took.count());
  } else if (answer.outcome == ModelOutcome::kTimedOut || !answer.sql.empty()) {
    spent.Add(call.input_tokens, call.output_tokens, reply.took.count());  // as was expected
  }
  call.outcome = ModelOutcomeName(answer.outcome);
  call.reason = answer.reason;
  call.explanation = answer.explanation;
  call.input_tokens = spent.input_tokens;
  call.output_tokens = spent.output_tokens;
  call.cost = spent.Cost(limits);
  return call;
}

Flow<RepairEnd> FixFlow::OnAnswer(Session &session, ModelReply reply) {
  Result<FixHistory> history = Read(session);
  if (!history.ok()) co_return RepairEnd{Next::Again(history.status()), {}};
  const ModelAnswer &answer = reply.answer;
  FixCallRow call = Settled(std::exchange(works_[session.row.id].call, {}), reply);
  const std::string made_by = "llm " + call.model;
  services_.context->journal().Add(std::move(call));
  services_.context->CloseStep(session, answer.outcome == ModelOutcome::kAnswered,
                               std::string(ModelOutcomeName(answer.outcome)));
  if (answer.outcome == ModelOutcome::kAnswered) {
    works_[session.row.id].passing = 0;
    RepairEnd end = co_await Propose(session, std::move(history.value()), answer.sql, made_by);
    co_return end;
  }
  if (IsMisconfigured(answer.outcome)) {
    const char *more = answer.explanation.empty() ? "" : "; see agent_fixer_calls.explanation";
    co_return GiveUp(session, history.value(), "gave up: " + answer.reason + more);
  }
  if (!IsPassing(answer.outcome)) {
    works_[session.row.id].passing = 0;
    RepairEnd end = co_await GoOn(session);
    co_return end;
  }
  const FixLimits limits = LimitsOf(services_.context->settings());
  const int passing = ++works_[session.row.id].passing;
  const milliseconds wait = std::max<milliseconds>(
      answer.retry_after, BackoffDelay(kPassing, passing, services_.context->random()));
  const bool too_long = limits.seconds > 0 && wait > std::chrono::seconds(limits.seconds);
  if (passing >= kMostPassing || too_long)
    co_return GiveUp(session, history.value(), "gave up: " + answer.reason);
  services_.context->ShowTrouble(
      session, Status::Error("53300", "the fixer waits for its model", answer.reason,
                             "It goes on by itself; agent_discard() ends it."));
  co_await services_.context->Pause(session, wait, "the fixer's model to be asked again");
  co_return RepairEnd{};
}

}  // namespace agent_branch
