#include "worker/core/fixer/protocol.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

ModelQuestion Question() {
  ModelQuestion question;
  question.model = "some-model";
  question.instructions = "be \"good\"";
  question.material = "material\n";
  question.answer_tokens = 1234;
  return question;
}

std::string OpenAi(const std::string &message, const std::string &finish = "stop") {
  return R"({"choices": [{"index": 0, "message": )" + message + R"(, "finish_reason": ")" + finish +
         R"("}], "usage": {"prompt_tokens": 11, "completion_tokens": 7}})";
}

std::string Anthropic(const std::string &content, const std::string &stop = "tool_use") {
  return R"({"type": "message", "content": [)" + content + R"(], "stop_reason": ")" + stop +
         R"(", "usage": {"input_tokens": 5, "cache_read_input_tokens": 6, "output_tokens": 7}})";
}

const char kUse[] = R"({"type": "tool_use", "id": "a", "name": "submit_migration",
                        "input": {"sql": "SELECT 1", "explanation": "why"}})";

HttpResponse Response(int status, std::string body) {
  HttpResponse response;
  response.outcome = HttpOutcome::kAnswered;
  response.status = status;
  response.body = std::move(body);
  return response;
}

TEST(Protocol, OpenAiIsAskedForAnObjectByItsSchema) {
  Result<JsonDocument> body = ParseJson(OpenAiBody(Question()));
  ASSERT_TRUE(body.ok());
  const JsonValue *root = &body.value();
  EXPECT_EQ(JsonString(root, "model"), "some-model");
  EXPECT_EQ(JsonInteger(root, "max_completion_tokens"), 1234);
  const JsonValue *messages = JsonArray(root, "messages");
  ASSERT_EQ(messages->Size(), 2U);
  EXPECT_EQ(JsonString(&(*messages)[0], "role"), "system");
  EXPECT_EQ(JsonString(&(*messages)[0], "content"), "be \"good\"");
  EXPECT_EQ(JsonString(&(*messages)[1], "content"), "material\n");
  const JsonValue *format = JsonMember(root, "response_format");
  EXPECT_EQ(JsonString(format, "type"), "json_schema");
  const JsonValue *schema = JsonMember(JsonMember(format, "json_schema"), "schema");
  EXPECT_TRUE(JsonBool(JsonMember(format, "json_schema"), "strict"));
  EXPECT_EQ(JsonArray(schema, "required")->Size(), 2U);
}

TEST(Protocol, AnthropicHasToUseTheTool) {
  Result<JsonDocument> body = ParseJson(AnthropicBody(Question()));
  ASSERT_TRUE(body.ok());
  const JsonValue *root = &body.value();
  EXPECT_EQ(JsonInteger(root, "max_tokens"), 1234);
  EXPECT_EQ(JsonString(root, "system"), "be \"good\"");
  EXPECT_EQ(JsonString(JsonMember(root, "tool_choice"), "name"), "submit_migration");
  const JsonValue *tools = JsonArray(root, "tools");
  ASSERT_EQ(tools->Size(), 1U);
  EXPECT_EQ(JsonString(JsonMember(&(*tools)[0], "input_schema"), "type"), "object");
}

TEST(Protocol, EachProtocolHasItsOwnHeaderForTheKey) {
  Secret key("sk-1");
  auto value = [](const HttpRequest &request, const std::string &name) {
    for (const auto &[header, secret] : request.headers)
      if (header == name) return std::string(secret.Reveal());
    return std::string();
  };
  HttpRequest openai = ModelRequest(ModelProtocol::kOpenAi, "https://a.test/v1/chat/completions",
                                    key, Question(), std::chrono::seconds(5));
  EXPECT_EQ(openai.method, "POST");
  EXPECT_EQ(openai.url, "https://a.test/v1/chat/completions");
  EXPECT_EQ(value(openai, "Authorization"), "Bearer sk-1");
  EXPECT_EQ(openai.timeout, std::chrono::seconds(5));
  EXPECT_EQ(openai.body.find("sk-1"), std::string::npos);
  HttpRequest anthropic = ModelRequest(ModelProtocol::kAnthropic, "https://b.test/v1/messages", key,
                                       Question(), std::chrono::seconds(5));
  EXPECT_EQ(value(anthropic, "x-api-key"), "sk-1");
  EXPECT_EQ(value(anthropic, "anthropic-version"), "2023-06-01");
  EXPECT_EQ(value(anthropic, "Authorization"), "");
}

TEST(Protocol, OpenAiAnswers) {
  ModelAnswer answer =
      ReadOpenAiAnswer(OpenAi(R"({"role": "assistant", "content": "{\"sql\": \"SELECT 1\"}"})"));
  EXPECT_EQ(answer.outcome, ModelOutcome::kAnswered);
  EXPECT_EQ(answer.sql, "SELECT 1");
  EXPECT_EQ(answer.input_tokens, 11);
  EXPECT_EQ(answer.output_tokens, 7);
  answer = ReadOpenAiAnswer(
      OpenAi(R"({"content": [{"type": "text", "text": "{\"sql\": \"SELECT 2\"}"}]})"));
  EXPECT_EQ(answer.sql, "SELECT 2");
}

TEST(Protocol, OpenAiAnswersThatAreNone) {
  auto outcome = [](const std::string &body) { return ReadOpenAiAnswer(body).outcome; };
  EXPECT_EQ(outcome(OpenAi(R"({"content": null, "refusal": "I can't help."})")),
            ModelOutcome::kRefused);
  EXPECT_EQ(outcome(OpenAi(R"({"content": ""})", "content_filter")), ModelOutcome::kRefused);
  EXPECT_EQ(outcome(OpenAi(R"({"content": "{\"sql\": \"SEL"})", "length")), ModelOutcome::kCutOff);
  // Cut off at a place where it is whole by chance.
  EXPECT_EQ(outcome(OpenAi(R"({"content": "{\"sql\": \"SELECT 1\"}"})", "length")),
            ModelOutcome::kCutOff);
  EXPECT_EQ(outcome(OpenAi(R"({"content": null})", "tool_calls")), ModelOutcome::kMalformed);
  EXPECT_EQ(outcome(OpenAi("7")), ModelOutcome::kMalformed);
  EXPECT_EQ(outcome(R"({"choices": []})"), ModelOutcome::kMalformed);
  EXPECT_EQ(outcome(R"({"choices": [{}, {}]})"), ModelOutcome::kSeveral);
  EXPECT_EQ(outcome("[1, 2]"), ModelOutcome::kMalformed);
  EXPECT_EQ(outcome("<html>"), ModelOutcome::kMalformed);
}

TEST(Protocol, AnthropicAnswers) {
  ModelAnswer answer = ReadAnthropicAnswer(
      Anthropic(R"({"type": "text", "text": "I will use the tool."},)" + std::string(kUse)));
  EXPECT_EQ(answer.outcome, ModelOutcome::kAnswered);
  EXPECT_EQ(answer.sql, "SELECT 1");
  EXPECT_EQ(answer.explanation, "why");
  EXPECT_EQ(answer.input_tokens, 11);
  EXPECT_EQ(answer.output_tokens, 7);
  answer = ReadAnthropicAnswer(
      Anthropic(R"({"type": "text", "text": "```sql\nSELECT 2\n```"})", "end_turn"));
  EXPECT_EQ(answer.sql, "SELECT 2\n");
}

TEST(Protocol, AnthropicAnswersThatAreNone) {
  auto outcome = [](const std::string &body) { return ReadAnthropicAnswer(body).outcome; };
  EXPECT_EQ(outcome(Anthropic("", "refusal")), ModelOutcome::kRefused);
  EXPECT_EQ(outcome(Anthropic(kUse, "max_tokens")), ModelOutcome::kCutOff);
  EXPECT_EQ(outcome(Anthropic(std::string(kUse) + "," + kUse)), ModelOutcome::kSeveral);
  EXPECT_EQ(outcome(Anthropic(R"({"type": "tool_use", "name": "other", "input": {}})")),
            ModelOutcome::kMalformed);
  EXPECT_EQ(outcome(Anthropic(R"({"type": "tool_use", "name": "submit_migration"})")),
            ModelOutcome::kMalformed);
  EXPECT_EQ(outcome(R"({"stop_reason": "tool_use", "content": 3})"), ModelOutcome::kMalformed);
  EXPECT_EQ(outcome(Anthropic("1, null, []")), ModelOutcome::kMalformed);
}

TEST(Protocol, EachStatusIsCountedAsWhatItIs) {
  auto outcome = [](int status, const std::string &body = "") {
    return ReadModelResponse(ModelProtocol::kOpenAi, Response(status, body)).outcome;
  };
  EXPECT_EQ(outcome(429), ModelOutcome::kRateLimited);
  EXPECT_EQ(outcome(401), ModelOutcome::kKey);
  EXPECT_EQ(outcome(403), ModelOutcome::kKey);
  EXPECT_EQ(outcome(404), ModelOutcome::kBadRequest);
  EXPECT_EQ(outcome(302), ModelOutcome::kBadRequest);
  EXPECT_EQ(outcome(500), ModelOutcome::kUnavailable);
  EXPECT_EQ(outcome(529), ModelOutcome::kUnavailable);
  EXPECT_EQ(outcome(504), ModelOutcome::kTimedOut);
  EXPECT_EQ(outcome(200, "{}"), ModelOutcome::kMalformed);
}

TEST(Protocol, ARateLimitSaysForHowLongAndTheErrorWhy) {
  HttpResponse response =
      Response(429, "{\"error\": {\"type\": \"x\", \"message\": \"slow\\u0000 down\"}}");
  response.retry_after = std::chrono::seconds(1'000'000);
  ModelAnswer answer = ReadModelResponse(ModelProtocol::kAnthropic, response);
  EXPECT_EQ(answer.reason, "HTTP status 429");
  EXPECT_EQ(answer.explanation, "slow  down");
  EXPECT_EQ(answer.retry_after, std::chrono::hours(1));
}

TEST(Protocol, TheWordsOfAModelAreNotShownAsOurs) {
  HttpResponse response =
      Response(200, OpenAi(R"({"content": null, "refusal": "Merge it, all is well."})"));
  const ModelAnswer answer = ReadModelResponse(ModelProtocol::kOpenAi, response);
  EXPECT_EQ(answer.reason, "the model refused");
  EXPECT_EQ(answer.explanation, "Merge it, all is well.");
}

TEST(Protocol, WhatIsSaidAboutAKeyIsNotKept) {
  HttpResponse response =
      Response(401, R"({"error": {"message": "Incorrect API key provided: sk-1***23"}})");
  const ModelAnswer answer = ReadModelResponse(ModelProtocol::kOpenAi, response);
  EXPECT_EQ(answer.reason, "HTTP status 401");
  EXPECT_EQ(answer.explanation, "");
}

TEST(Protocol, WhatDidNotArriveIsToldFromWhatWasNotSent) {
  HttpResponse response;
  response.error = Status::Error("08006", "no answer");
  response.outcome = HttpOutcome::kUnknown;
  EXPECT_EQ(ReadModelResponse(ModelProtocol::kOpenAi, response).outcome, ModelOutcome::kTimedOut);
  response.outcome = HttpOutcome::kNotSent;
  EXPECT_EQ(ReadModelResponse(ModelProtocol::kOpenAi, response).outcome,
            ModelOutcome::kUnreachable);
}

}  // namespace
}  // namespace agent_branch
