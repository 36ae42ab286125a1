// Values of what the database said, each with a default where it is null, missing or of another
// type.
#pragma once

#include <string>

#include "worker/core/base/rapidjson.hpp"

namespace agent_branch::fleet {

using Value = agent_branch_rapidjson::Value;
using Document = agent_branch_rapidjson::Document;

inline bool Parse(const std::string &text, Document *document) {
  document->Parse<kJsonParseFlags>(text.data(), text.size());
  return !document->HasParseError() && document->IsObject();
}

inline const Value &Member(const Value &object, const char *key) {
  static const Value kNull;
  if (!object.IsObject()) return kNull;
  const auto found = object.FindMember(key);
  return found == object.MemberEnd() ? kNull : found->value;
}

inline Value::ConstArray Elements(const Value &array) {
  static const Value kEmpty(agent_branch_rapidjson::kArrayType);
  return array.IsArray() ? array.GetArray() : kEmpty.GetArray();
}

inline std::string TextOf(const Value &object, const char *key) {
  const Value &value = Member(object, key);
  return value.IsString() ? std::string(value.GetString(), value.GetStringLength()) : std::string();
}

inline double NumberOf(const Value &object, const char *key) {
  const Value &value = Member(object, key);
  return value.IsNumber() ? value.GetDouble() : 0;
}

inline bool BoolOf(const Value &object, const char *key) {
  const Value &value = Member(object, key);
  return value.IsBool() && value.GetBool();
}

}  // namespace agent_branch::fleet
