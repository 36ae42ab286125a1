#include "worker/core/base/json.hpp"

#include <cstring>

namespace agent_branch {

namespace {

Status Invalid(size_t offset, size_t size) {
  return Status::Error("22P02", "text is not valid JSON",
                       "The first error is at offset " + std::to_string(offset) + " of " +
                           std::to_string(size) + ".");
}

// Where valid JSON escapes the second half of a surrogate pair without the first; npos: nowhere.
// RapidJSON looks only for the half that is missing after a first one, and makes bytes of the other
// that are not UTF-8.
size_t FindLoneSurrogate(std::string_view text) {
  constexpr size_t kEscape = sizeof "\\u0000" - 1;
  auto is_surrogate = [text](size_t at, std::string_view thirds) {
    bool escape = text.size() >= at + kEscape && text[at] == '\\' && text[at + 1] == 'u';
    return escape && (text[at + 2] == 'd' || text[at + 2] == 'D') &&
           thirds.find(text[at + 3]) != std::string_view::npos;
  };
  for (size_t at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at)) {
    if (is_surrogate(at, "cdefCDEF")) return at;
    bool pair = is_surrogate(at, "89abAB");
    at += pair ? 2 * kEscape : 2;
  }
  return std::string_view::npos;
}

}  // namespace

Result<JsonDocument> ParseJson(std::string_view text) {
  // The parser takes a NUL for the end, and would not look at what comes after it.
  size_t nul = text.find('\0');
  if (nul != std::string_view::npos) return Invalid(nul, text.size());
  JsonDocument document;
  document.Parse<kJsonParseFlags | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  if (document.HasParseError()) return Invalid(document.GetErrorOffset(), text.size());
  size_t surrogate = FindLoneSurrogate(text);
  if (surrogate != std::string_view::npos) return Invalid(surrogate, text.size());
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
