#include "worker/core/fixer/protocol.hpp"

#include <algorithm>

#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxAnswerBytes = 4 * 1024 * 1024;
constexpr size_t kMaxReason = 300;
constexpr std::chrono::seconds kLongestRetryAfter{3'600};

// {"error": {"type": …, "message": …}} in both protocols.
std::string ErrorText(const std::string &body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return {};
  const JsonValue *error = JsonMember(&document.value(), "error");
  std::string text = JsonString(error, "message");
  if (text.empty() && error != nullptr && error->IsString()) {
    text = JsonString(&document.value(), "error");
  }
  return CleanText(text, kMaxReason);
}

ModelOutcome OutcomeOf(int status) {
  if (status == 429) return ModelOutcome::kRateLimited;
  if (status == 401 || status == 403) return ModelOutcome::kKey;
  if (status == 408 || status == 504) return ModelOutcome::kTimedOut;
  if (status >= 500) return ModelOutcome::kUnavailable;
  return ModelOutcome::kBadRequest;
}

ModelAnswer NotAnswered(const HttpResponse &response) {
  ModelAnswer answer;
  if (response.outcome == HttpOutcome::kNotSent) {
    answer.outcome = ModelOutcome::kUnreachable;
  } else if (response.error.sqlstate() == "54000") {
    answer.outcome = ModelOutcome::kTooLong;
  } else {
    answer.outcome = ModelOutcome::kTimedOut;
  }
  answer.reason = CleanText(response.error.message(), kMaxReason);
  return answer;
}

}  // namespace

const char kFixTool[] = "submit_migration";

std::string_view ModelProtocolName(ModelProtocol protocol) {
  return protocol == ModelProtocol::kOpenAi ? "openai" : "anthropic";
}

std::optional<ModelProtocol> ParseModelProtocol(std::string_view name) {
  if (name == "openai") return ModelProtocol::kOpenAi;
  if (name == "anthropic") return ModelProtocol::kAnthropic;
  return std::nullopt;
}

void WriteAnswerSchema(JsonWriter &writer) {
  auto text = [&writer](const char *name, const char *description) {
    writer.Key(name);
    writer.StartObject();
    WriteMember(writer, "type", "string");
    WriteMember(writer, "description", description);
    writer.EndObject();
  };
  writer.StartObject();
  WriteMember(writer, "type", "object");
  writer.Key("properties");
  writer.StartObject();
  text("sql",
       "The whole corrected migration, as SQL alone. Empty if there is no correction that "
       "does exactly what the original was meant to do.");
  text("explanation", "One or two sentences: what was wrong and what was changed.");
  writer.EndObject();
  writer.Key("required");
  writer.StartArray();
  writer.String("sql");
  writer.String("explanation");
  writer.EndArray();
  writer.Key("additionalProperties");
  writer.Bool(false);
  writer.EndObject();
}

HttpRequest ModelRequest(ModelProtocol protocol, const std::string &url, const Secret &key,
                         const ModelQuestion &question, std::chrono::milliseconds timeout) {
  HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.timeout = timeout;
  request.connect_timeout = std::min(request.connect_timeout, timeout);
  request.max_response_bytes = kMaxAnswerBytes;
  if (protocol == ModelProtocol::kOpenAi) {
    request.headers.emplace_back("Authorization", Secret("Bearer " + std::string(key.Reveal())));
    request.body = OpenAiBody(question);
  } else {
    request.headers.emplace_back("x-api-key", key);
    request.headers.emplace_back("anthropic-version", Secret("2023-06-01"));
    request.body = AnthropicBody(question);
  }
  request.headers.emplace_back("Content-Type", Secret("application/json"));
  request.headers.emplace_back("Accept", Secret("application/json"));
  return request;
}

ModelAnswer ReadModelResponse(ModelProtocol protocol, const HttpResponse &response) {
  if (response.outcome != HttpOutcome::kAnswered) return NotAnswered(response);
  if (response.status == 200) {
    return protocol == ModelProtocol::kOpenAi ? ReadOpenAiAnswer(response.body)
                                              : ReadAnthropicAnswer(response.body);
  }
  ModelAnswer answer;
  answer.outcome = OutcomeOf(response.status);
  answer.reason = "HTTP status " + std::to_string(response.status);
  // What is said about a key may have a part of it.
  std::string text = answer.outcome == ModelOutcome::kKey ? "" : ErrorText(response.body);
  answer.explanation = text;
  if (response.retry_after) {
    answer.retry_after =
        std::clamp(*response.retry_after, std::chrono::seconds(0), kLongestRetryAfter);
  }
  return answer;
}

}  // namespace agent_branch
