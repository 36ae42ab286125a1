#include "worker/core/json.hpp"

#include <cstring>

namespace agent_branch {

namespace {

Status Invalid(size_t offset, size_t size) {
  return Status::Error("22P02", "text is not valid JSON",
                       "The first error is at offset " + std::to_string(offset) + " of " +
                           std::to_string(size) + ".");
}

}  // namespace

Result<JsonDocument> ParseJson(std::string_view text) {
  // The parser takes a NUL for the end, and would not look at what comes after it.
  size_t nul = text.find('\0');
  if (nul != std::string_view::npos) return Invalid(nul, text.size());
  JsonDocument document;
  document.Parse<kJsonParseFlags | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  if (document.HasParseError()) return Invalid(document.GetErrorOffset(), text.size());
  return document;
}

const JsonValue *JsonMember(const JsonValue *value, const char *name) {
  if (value == nullptr || !value->IsObject()) return nullptr;
  auto member = value->FindMember(name);
  return member == value->MemberEnd() ? nullptr : &member->value;
}

std::string JsonString(const JsonValue *object, const char *name) {
  const JsonValue *member = JsonMember(object, name);
  if (member == nullptr || !member->IsString()) return {};
  return std::string(member->GetString(), member->GetStringLength());
}

bool JsonBool(const JsonValue *object, const char *name) {
  const JsonValue *member = JsonMember(object, name);
  return member != nullptr && member->IsTrue();
}

std::optional<int64_t> JsonInteger(const JsonValue *object, const char *name) {
  const JsonValue *member = JsonMember(object, name);
  if (member == nullptr || !member->IsInt64()) return std::nullopt;
  return member->GetInt64();
}

std::optional<double> JsonNumber(const JsonValue *object, const char *name) {
  const JsonValue *member = JsonMember(object, name);
  if (member == nullptr || !member->IsNumber()) return std::nullopt;
  return member->GetDouble();
}

const JsonValue *JsonArray(const JsonValue *object, const char *name) {
  const JsonValue *member = JsonMember(object, name);
  return member != nullptr && member->IsArray() ? member : nullptr;
}

void WriteString(JsonWriter &writer, std::string_view text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void WriteMember(JsonWriter &writer, const char *name, std::string_view text) {
  writer.Key(name);
  WriteString(writer, text);
}

}  // namespace agent_branch
