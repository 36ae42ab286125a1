// What came of asking a model for a fix: one SQL text, or the one reason why there is none.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "worker/core/base/json.hpp"

namespace agent_branch {

// Each is counted as what it is, in agent_fixer_calls.outcome.
enum class ModelOutcome {
  kAnswered,
  kDeclined,     // the model says that there is no fix
  kRefused,      // the model, or a filter before it, will not answer
  kCutOff,       // the answer reached its limit of tokens
  kMalformed,    // no answer of the form that was asked for
  kSeveral,      // several answers where one was asked for
  kTooLong,      // longer than a migration may be, or than an answer is read
  kRateLimited,  // 429
  kUnavailable,  // 5xx, overloaded
  kTimedOut,     // no whole answer in time, or the connection was lost
  kUnreachable,  // nothing was sent
  kKey,          // 401, 403: the key, or its file
  kBadRequest,   // any other status: the model, the URL or the protocol are not what they should be
  kBudget,       // not asked: the session's tokens, time or cost are used up
  kInterrupted,  // the worker ended before the answer was recorded
};

std::string_view ModelOutcomeName(ModelOutcome outcome);
// It says nothing about the migration: the same question may be asked again after a while.
bool IsPassing(ModelOutcome outcome);
// It will not change by asking: the fixer is off until somebody mends the settings.
bool IsMisconfigured(ModelOutcome outcome);

struct ModelAnswer {
  ModelOutcome outcome = ModelOutcome::kMalformed;
  std::string sql;           // when answered
  std::string explanation;   // the model's or its server's own words, cleaned and cut; for people
  std::string reason;        // unless answered: ours, with nothing of theirs in it
  int64_t input_tokens = 0;  // as the answer says; 0 when it does not
  int64_t output_tokens = 0;
  std::chrono::seconds retry_after{0};
};

// The text of a model's answer, structured or not: the JSON object that was asked for, or one
// Markdown block. Several blocks, prose and objects of another form are no answer.
ModelAnswer ExtractAnswer(std::string_view text);

// The object that was asked for, as JSON has it: of any shape, or none.
ModelAnswer ReadAnswerObject(const JsonValue *object);

ModelAnswer NoAnswer(ModelOutcome outcome, std::string reason);

}  // namespace agent_branch
