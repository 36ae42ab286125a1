// The two protocols that models are asked over: OpenAI's chat completions and Anthropic's messages.
//
// Pure: from a question to the request's body and headers, from a response to an answer. Both ask
// for structured output, an object {sql, explanation}. An answer is hostile text of any size.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "worker/core/fixer/model_answer.hpp"
#include "worker/core/neon/http_message.hpp"

namespace agent_branch {

enum class ModelProtocol { kOpenAi, kAnthropic };

std::string_view ModelProtocolName(ModelProtocol protocol);
std::optional<ModelProtocol> ParseModelProtocol(std::string_view name);

struct ModelQuestion {
  std::string model;
  std::string instructions;  // ours
  std::string material;      // with what others wrote, fenced in (prompt.hpp)
  int64_t answer_tokens = 0;
};

std::string OpenAiBody(const ModelQuestion &question);
std::string AnthropicBody(const ModelQuestion &question);

// A POST to `url`, with the headers that the protocol wants.
HttpRequest ModelRequest(ModelProtocol protocol, const std::string &url, const Secret &key,
                         const ModelQuestion &question, std::chrono::milliseconds timeout);

ModelAnswer ReadModelResponse(ModelProtocol protocol, const HttpResponse &response);
ModelAnswer ReadOpenAiAnswer(const std::string &body);
ModelAnswer ReadAnthropicAnswer(const std::string &body);

// The name and the schema of the object that is asked for.
extern const char kFixTool[];
void WriteAnswerSchema(JsonWriter &writer);

}  // namespace agent_branch
