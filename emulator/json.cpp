#include "emulator/json.hpp"

#include <algorithm>
#include <stdexcept>

#include "emulator/errors.hpp"

namespace agent_branch::emulator {
namespace {

constexpr char kPrefix[] = "invalid request: decode application/json: ";

rapidjson::SizeType Size(std::string_view text) {
  return static_cast<rapidjson::SizeType>(text.size());
}

}  // namespace

void JsonMisuse(const char *expression) {
  throw std::logic_error(std::string("JSON used wrongly: ") + expression);
}

void JsonWriter::Key(std::string_view key) {
  writer_.Key(key.data(), Size(key));
}

void JsonWriter::Text(std::string_view value) {
  writer_.String(value.data(), Size(value));
}

void JsonWriter::BeginObject(std::string_view key) {
  Key(key);
  writer_.StartObject();
}

void JsonWriter::BeginArray(std::string_view key) {
  Key(key);
  writer_.StartArray();
}

void JsonWriter::Field(std::string_view key, std::string_view value) {
  Key(key);
  Text(value);
}

void JsonWriter::Field(std::string_view key, const std::string &value) {
  Field(key, std::string_view(value));
}

void JsonWriter::Field(std::string_view key, const char *value) {
  Field(key, std::string_view(value));
}

void JsonWriter::Field(std::string_view key, int64_t value) {
  Key(key);
  writer_.Int64(value);
}

void JsonWriter::Field(std::string_view key, bool value) {
  Key(key);
  writer_.Bool(value);
}

void JsonWriter::Field(std::string_view key, double value) {
  Key(key);
  writer_.Double(value);
}

void JsonWriter::Raw(std::string_view json) {
  writer_.RawValue(json.data(), json.size(), rapidjson::kObjectType);
}

rapidjson::Document ParseJson(const std::string &text) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(
      text.data(), text.size());
  if (document.HasParseError()) {
    throw ApiError(400, std::string(kPrefix) + "invalid JSON at byte " +
                            std::to_string(document.GetErrorOffset()));
  }
  return document;
}

ObjectReader::ObjectReader(const rapidjson::Value &value, std::string where,
                           std::initializer_list<std::string_view> known)
    : value_(value), where_(std::move(where)) {
  if (!value.IsObject()) {
    throw ApiError(400, kPrefix + (where_.empty() ? "" : "\"" + where_ + "\": ") +
                            "unexpected type, expected object");
  }
  for (const auto &member : value.GetObject()) {
    std::string_view name(member.name.GetString(), member.name.GetStringLength());
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      Reject(std::string(name), "unexpected field");
    }
  }
}

const rapidjson::Value *ObjectReader::Find(const char *name) const {
  auto found = value_.FindMember(name);
  return found == value_.MemberEnd() ? nullptr : &found->value;
}

bool ObjectReader::IsNull(const char *name) const {
  const rapidjson::Value *value = Find(name);
  return value != nullptr && value->IsNull();
}

std::optional<std::string> ObjectReader::Text(const char *name) const {
  const rapidjson::Value *value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->IsString()) Reject(name, "unexpected type, expected string");
  return std::string(value->GetString(), value->GetStringLength());
}

std::optional<bool> ObjectReader::Bool(const char *name) const {
  const rapidjson::Value *value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->IsBool()) Reject(name, "unexpected type, expected boolean");
  return value->GetBool();
}

std::optional<int64_t> ObjectReader::Integer(const char *name) const {
  const rapidjson::Value *value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->IsInt64()) Reject(name, "unexpected type, expected integer");
  return value->GetInt64();
}

std::optional<double> ObjectReader::Number(const char *name) const {
  const rapidjson::Value *value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->IsNumber()) Reject(name, "unexpected type, expected number");
  return value->GetDouble();
}

std::optional<std::map<std::string, std::string>> ObjectReader::TextMap(const char *name) const {
  const rapidjson::Value *value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->IsObject()) Reject(name, "unexpected type, expected object");
  std::map<std::string, std::string> result;
  for (const auto &member : value->GetObject()) {
    if (!member.value.IsString()) Reject(name, "values must be strings");
    result[std::string(member.name.GetString(), member.name.GetStringLength())] =
        std::string(member.value.GetString(), member.value.GetStringLength());
  }
  return result;
}

void ObjectReader::Reject(const std::string &name, const std::string &why) const {
  std::string path = where_.empty() ? name : where_ + "." + name;
  throw ApiError(400, kPrefix + ("\"" + path + "\": ") + why);
}

void ObjectReader::RejectMissing(const std::string &name) const {
  std::string path = where_.empty() ? name : where_ + "." + name;
  throw ApiError(400, kPrefix + ("invalid: " + path) + " (field required)");
}

}  // namespace agent_branch::emulator
