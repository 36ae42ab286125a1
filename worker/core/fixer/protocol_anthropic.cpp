// Anthropic's messages: the answer is the input of a tool that the model has to use.
#include "worker/core/base/text.hpp"
#include "worker/core/fixer/protocol.hpp"

namespace agent_branch {
namespace {

ModelAnswer ReadContent(const JsonValue *message) {
  std::string stop = JsonString(message, "stop_reason");
  if (stop == "refusal") return NoAnswer(ModelOutcome::kRefused, "the model refused");
  if (stop == "max_tokens" || stop == "model_context_window_exceeded")
    return NoAnswer(ModelOutcome::kCutOff, "the answer was cut off at its limit of tokens");
  if (stop != "tool_use" && stop != "end_turn")
    return NoAnswer(ModelOutcome::kMalformed, "the answer ended for another reason than its end");
  const JsonValue *content = JsonArray(message, "content");
  if (content == nullptr) return NoAnswer(ModelOutcome::kMalformed, "the response has no content");
  const JsonValue *input = nullptr;
  std::string text;
  size_t uses = 0;
  size_t texts = 0;
  for (const JsonValue &block : content->GetArray()) {
    std::string type = JsonString(&block, "type");
    if (type == "tool_use" && JsonString(&block, "name") == kFixTool) {
      input = JsonMember(&block, "input");
      ++uses;
    } else if (type == "text") {
      text = JsonString(&block, "text");
      ++texts;
    }
  }
  if (uses > 1) return NoAnswer(ModelOutcome::kSeveral, "the answer uses the tool several times");
  if (uses == 1) return ReadAnswerObject(input);
  if (texts > 1) return NoAnswer(ModelOutcome::kSeveral, "the answer has several blocks of text");
  return ExtractAnswer(text);
}

int64_t Tokens(const JsonValue *usage, const char *name) {
  return JsonInteger(usage, name).value_or(0);
}

}  // namespace

std::string AnthropicBody(const ModelQuestion &question) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  WriteMember(writer, "model", question.model);
  writer.Key("max_tokens");
  writer.Int64(question.answer_tokens);
  WriteMember(writer, "system", question.instructions);
  writer.Key("messages");
  writer.StartArray();
  writer.StartObject();
  WriteMember(writer, "role", "user");
  WriteMember(writer, "content", question.material);
  writer.EndObject();
  writer.EndArray();
  writer.Key("tools");
  writer.StartArray();
  writer.StartObject();
  WriteMember(writer, "name", kFixTool);
  WriteMember(writer, "description", "Hands in the corrected migration.");
  writer.Key("input_schema");
  WriteAnswerSchema(writer);
  writer.EndObject();
  writer.EndArray();
  writer.Key("tool_choice");
  writer.StartObject();
  WriteMember(writer, "type", "tool");
  WriteMember(writer, "name", kFixTool);
  writer.EndObject();
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

ModelAnswer ReadAnthropicAnswer(const std::string &body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return NoAnswer(ModelOutcome::kMalformed, "the response is not valid JSON");
  ModelAnswer answer = ReadContent(&document.value());
  const JsonValue *usage = JsonMember(&document.value(), "usage");
  answer.input_tokens = Tokens(usage, "input_tokens") +
                        Tokens(usage, "cache_creation_input_tokens") +
                        Tokens(usage, "cache_read_input_tokens");
  answer.output_tokens = Tokens(usage, "output_tokens");
  return answer;
}

}  // namespace agent_branch
