#include "worker/core/fixer/fix_question.hpp"

#include "worker/core/base/json.hpp"

namespace agent_branch {
namespace {

void WriteEffects(JsonWriter &writer, const char *name, const std::vector<Effect> &effects) {
  writer.Key(name);
  writer.StartArray();
  for (const Effect &effect : effects) {
    writer.StartObject();
    WriteMember(writer, "kind", effect.kind);
    WriteMember(writer, "object", effect.object);
    WriteMember(writer, "detail", effect.detail);
    writer.EndObject();
  }
  writer.EndArray();
}

std::vector<Effect> ReadEffects(const JsonValue *object, const char *name) {
  std::vector<Effect> effects;
  const JsonValue *array = JsonArray(object, name);
  if (array == nullptr) return effects;
  for (const JsonValue &effect : array->GetArray())
    effects.push_back({JsonString(&effect, "kind"), JsonString(&effect, "object"),
                       JsonString(&effect, "detail")});
  return effects;
}

std::string TextOf(const rapidjson::StringBuffer &buffer) {
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace

std::string EncodeFixQuestion(const FixQuestion &question) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  WriteMember(writer, "original", question.original);
  WriteMember(writer, "fix", question.fix);
  WriteMember(writer, "facts", question.facts);
  writer.Key("statement");
  writer.Int(question.statement);
  writer.Key("errors");
  writer.StartArray();
  for (const ServerError &error : question.errors) {
    writer.StartObject();
    WriteMember(writer, "sqlstate", error.sqlstate);
    WriteMember(writer, "message", error.message);
    WriteMember(writer, "detail", error.detail);
    writer.Key("line");
    writer.Int(error.line);
    writer.Key("column");
    writer.Int(error.column);
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  return TextOf(buffer);
}

Result<FixQuestion> DecodeFixQuestion(std::string_view json) {
  Result<JsonDocument> document = ParseJson(json);
  if (!document.ok()) return document.status();
  const JsonValue *root = &document.value();
  FixQuestion question;
  question.original = JsonString(root, "original");
  question.fix = JsonString(root, "fix");
  question.facts = JsonString(root, "facts");
  question.statement = static_cast<int>(JsonInteger(root, "statement").value_or(0));
  const JsonValue *errors = JsonArray(root, "errors");
  if (errors == nullptr) return Status::Error("22P02", "question has no errors");
  for (const JsonValue &each : errors->GetArray()) {
    ServerError error;
    error.sqlstate = JsonString(&each, "sqlstate");
    error.message = JsonString(&each, "message");
    error.detail = JsonString(&each, "detail");
    error.line = static_cast<int>(JsonInteger(&each, "line").value_or(0));
    error.column = static_cast<int>(JsonInteger(&each, "column").value_or(0));
    question.errors.push_back(std::move(error));
  }
  return question;
}

std::string EncodeIntent(const Intent &intent) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("allowed");
  writer.Bool(intent.preserved);
  WriteMember(writer, "reason", intent.reason);
  WriteEffects(writer, "wanted", intent.wanted);
  WriteEffects(writer, "added", intent.added);
  writer.EndObject();
  return TextOf(buffer);
}

Result<Intent> DecodeIntent(std::string_view json) {
  Result<JsonDocument> document = ParseJson(json);
  if (!document.ok()) return document.status();
  const JsonValue *root = &document.value();
  Intent intent;
  intent.preserved = JsonBool(root, "allowed");
  intent.reason = JsonString(root, "reason");
  intent.wanted = ReadEffects(root, "wanted");
  intent.added = ReadEffects(root, "added");
  return intent;
}

}  // namespace agent_branch
