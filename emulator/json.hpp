// JSON in and out. Reading is strict, as Neon's is: an unknown field or a wrong type is a 400.
//
// RapidJSON parses iteratively (a deeply nested body must not exhaust the stack), and its
// assertions throw instead of aborting: a mistake here costs one request, not the emulator.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace agent_branch::emulator {
[[noreturn]] void JsonMisuse(const char *expression);
}  // namespace agent_branch::emulator

#define RAPIDJSON_ASSERT(x) \
  (static_cast<bool>(x) ? static_cast<void>(0) : ::agent_branch::emulator::JsonMisuse(#x))
#define RAPIDJSON_ASSERT_THROWS
#define RAPIDJSON_NOEXCEPT_ASSERT(x) static_cast<void>(0)
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace agent_branch::emulator {

// Writes one JSON text front to back. Calls with a key go inside objects, without one in arrays.
class JsonWriter {
 public:
  JsonWriter() : writer_(buffer_) {}

  void BeginObject() { writer_.StartObject(); }
  void BeginObject(std::string_view key);
  void EndObject() { writer_.EndObject(); }
  void BeginArray() { writer_.StartArray(); }
  void BeginArray(std::string_view key);
  void EndArray() { writer_.EndArray(); }
  void Key(std::string_view key);
  void Text(std::string_view value);
  void Integer(int64_t value) { writer_.Int64(value); }
  void Bool(bool value) { writer_.Bool(value); }
  void Double(double value) { writer_.Double(value); }
  void Null() { writer_.Null(); }
  void Field(std::string_view key, std::string_view value);
  void Field(std::string_view key, const std::string &value);
  void Field(std::string_view key, const char *value);
  void Field(std::string_view key, int64_t value);
  void Field(std::string_view key, int value) { Field(key, static_cast<int64_t>(value)); }
  void Field(std::string_view key, bool value);
  void Field(std::string_view key, double value);
  void Value(const rapidjson::Value &value) { value.Accept(writer_); }
  // Adds a JSON text as it is; it must be a complete value.
  void Raw(std::string_view json);
  std::string Take() { return std::string(buffer_.GetString(), buffer_.GetSize()); }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_;
};

// Parses a whole text; throws ApiError 400 when it is no JSON.
rapidjson::Document ParseJson(const std::string &text);

// A JSON object whose fields are known. The getters throw ApiError 400 on a wrong type and return
// nothing for a missing field; null counts as a wrong type except in IsNull().
class ObjectReader {
 public:
  // `where` names the object in messages: "branch", or empty for the body itself.
  ObjectReader(const rapidjson::Value &value, std::string where,
               std::initializer_list<std::string_view> known);

  bool Has(const char *name) const { return Find(name) != nullptr; }
  bool IsNull(const char *name) const;
  const rapidjson::Value *Find(const char *name) const;
  std::optional<std::string> Text(const char *name) const;
  std::optional<bool> Bool(const char *name) const;
  std::optional<int64_t> Integer(const char *name) const;
  std::optional<double> Number(const char *name) const;
  std::optional<std::map<std::string, std::string>> TextMap(const char *name) const;
  [[noreturn]] void Reject(const std::string &name, const std::string &why) const;
  [[noreturn]] void RejectMissing(const std::string &name) const;

 private:
  const rapidjson::Value &value_;
  std::string where_;
};

}  // namespace agent_branch::emulator
