// OpenAI's chat completions, as OpenAI and the servers that are compatible with it speak them.
#include "worker/core/base/text.hpp"
#include "worker/core/fixer/protocol.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxWords = 300;

void WriteMessage(JsonWriter &writer, const char *role, const std::string &content) {
  writer.StartObject();
  WriteMember(writer, "role", role);
  WriteMember(writer, "content", content);
  writer.EndObject();
}

// A string, or with some servers a list of parts of which one is text.
Result<std::string> ContentOf(const JsonValue *message) {
  const JsonValue *parts = JsonArray(message, "content");
  if (parts == nullptr) return JsonString(message, "content");
  std::string text;
  size_t texts = 0;
  for (const JsonValue &part : parts->GetArray()) {
    if (JsonString(&part, "type") != "text") continue;
    text = JsonString(&part, "text");
    ++texts;
  }
  if (texts > 1) return Status::Error("22023", "the answer has several parts of text");
  return text;
}

ModelAnswer ReadChoice(const JsonValue *choice) {
  const JsonValue *message = JsonMember(choice, "message");
  std::string finish = JsonString(choice, "finish_reason");
  std::string refusal = JsonString(message, "refusal");
  if (!refusal.empty() || finish == "content_filter") {
    ModelAnswer answer = NoAnswer(ModelOutcome::kRefused, "the model refused");
    answer.explanation = CleanText(refusal, kMaxWords);
    return answer;
  }
  if (finish == "length")
    return NoAnswer(ModelOutcome::kCutOff, "the answer was cut off at its limit of tokens");
  if (finish != "stop")
    return NoAnswer(ModelOutcome::kMalformed, "the answer ended for another reason than its end");
  Result<std::string> content = ContentOf(message);
  if (!content.ok()) return NoAnswer(ModelOutcome::kSeveral, content.status().message());
  return ExtractAnswer(content.value());
}

}  // namespace

std::string OpenAiBody(const ModelQuestion &question) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  WriteMember(writer, "model", question.model);
  writer.Key("max_completion_tokens");
  writer.Int64(question.answer_tokens);
  writer.Key("messages");
  writer.StartArray();
  WriteMessage(writer, "system", question.instructions);
  WriteMessage(writer, "user", question.material);
  writer.EndArray();
  writer.Key("response_format");
  writer.StartObject();
  WriteMember(writer, "type", "json_schema");
  writer.Key("json_schema");
  writer.StartObject();
  WriteMember(writer, "name", kFixTool);
  writer.Key("strict");
  writer.Bool(true);
  writer.Key("schema");
  WriteAnswerSchema(writer);
  writer.EndObject();
  writer.EndObject();
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

ModelAnswer ReadOpenAiAnswer(const std::string &body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return NoAnswer(ModelOutcome::kMalformed, "the response is not valid JSON");
  const JsonValue *choices = JsonArray(&document.value(), "choices");
  ModelAnswer answer;
  if (choices == nullptr || choices->Empty()) {
    answer = NoAnswer(ModelOutcome::kMalformed, "the response has no choice");
  } else if (choices->Size() > 1) {
    answer = NoAnswer(ModelOutcome::kSeveral, "the response has several choices");
  } else {
    answer = ReadChoice(&(*choices)[0]);
  }
  const JsonValue *usage = JsonMember(&document.value(), "usage");
  answer.input_tokens = JsonInteger(usage, "prompt_tokens").value_or(0);
  answer.output_tokens = JsonInteger(usage, "completion_tokens").value_or(0);
  return answer;
}

}  // namespace agent_branch
