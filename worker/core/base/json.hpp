// Reading and writing JSON without trusting it.
//
// Every accessor takes whatever value there is, also none, and returns nothing when it is not of
// the type asked for: an answer of an API or of a model may be of any shape.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "worker/core/base/rapidjson.hpp"
#include "worker/core/base/status.hpp"

namespace agent_branch {

using JsonValue = rapidjson::Value;
using JsonDocument = rapidjson::Document;
using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

// Text that is not UTF-8 is no JSON either. Fails with 22P02 and the offset of the first error.
Result<JsonDocument> ParseJson(std::string_view text);

// The member of an object; null when `value` is null, is no object or has no such member.
const JsonValue *JsonMember(const JsonValue *value, const char *name);
// "" when it is not there or no string.
std::string JsonString(const JsonValue *object, const char *name);
bool JsonBool(const JsonValue *object, const char *name);
std::optional<int64_t> JsonInteger(const JsonValue *object, const char *name);
std::optional<double> JsonNumber(const JsonValue *object, const char *name);
// The elements of an array member: null when it is not there or no array.
const JsonValue *JsonArray(const JsonValue *object, const char *name);

void WriteString(JsonWriter &writer, std::string_view text);
void WriteMember(JsonWriter &writer, const char *name, std::string_view text);

}  // namespace agent_branch
