#include "emulator/request_fields.hpp"

#include <algorithm>

#include "emulator/errors.hpp"

namespace agent_branch::emulator {
namespace {

constexpr Microseconds kLongestLifetime = 30LL * 86400 * kSecond;
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Quote(const std::string &text, char quote) {
  std::string result(1, quote);
  for (char c : text) {
    if (c == quote) result += quote;
    result += c;
  }
  return result + quote;
}

std::string SettingsField(const ObjectReader &object) {
  const rapidjson::Value *settings = object.Find("settings");
  if (settings == nullptr) return "{}";
  ObjectReader reader(*settings, "settings",
                      {"pg_settings", "pgbouncer_settings", "preload_libraries"});
  // Neon's own test code notes that settings without pg_settings are answered with this.
  if (!reader.Has("pg_settings")) throw ApiError(400, "settings must not be nil");
  reader.TextMap("pg_settings");
  reader.TextMap("pgbouncer_settings");
  JsonWriter json;
  json.Value(*settings);
  return json.Take();
}

}  // namespace

rapidjson::Document ParseBody(const Call &call, bool may_be_empty) {
  if (call.body.empty()) {
    if (may_be_empty) return ParseJson("{}");
    throw ApiError(400, "invalid request: decode request body: body required");
  }
  return ParseJson(call.body);
}

std::optional<Microseconds> TimeField(const ObjectReader &object, const char *name) {
  auto text = object.Text(name);
  if (!text) return std::nullopt;
  auto time = ParseTime(*text);
  if (!time) object.Reject(name, "invalid date-time, expected RFC 3339");
  return time;
}

std::optional<Microseconds> ExpiryField(const ObjectReader &object) {
  auto time = TimeField(object, "expires_at");
  if (!time) return std::nullopt;
  if (*time <= Now()) throw ApiError(400, "expires_at must be in the future");
  if (*time > Now() + kLongestLifetime) {
    throw ApiError(400, "expires_at must be at most 30 days from now");
  }
  return *time / kSecond * kSecond;
}

void ReadComputeFields(const ObjectReader &object, EndpointWish *wish, bool *has_plan_gated) {
  if (auto type = object.Text("type")) {
    if (*type != "read_write" && *type != "read_only") object.Reject("type", "unknown value");
    wish->type = *type;
  }
  for (auto [name, target] : {std::pair("autoscaling_limit_min_cu", &wish->min_cu),
                              std::pair("autoscaling_limit_max_cu", &wish->max_cu)}) {
    if (auto units = object.Number(name)) {
      if (*units < 0.25) object.Reject(name, "value is less than 0.25");
      *target = *units;
    }
  }
  if (!object.Has("autoscaling_limit_max_cu")) wish->max_cu = std::max(wish->max_cu, wish->min_cu);
  if (wish->min_cu > wish->max_cu) {
    throw ApiError(400, "autoscaling_limit_min_cu must not exceed autoscaling_limit_max_cu");
  }
  if (auto seconds = object.Integer("suspend_timeout_seconds")) {
    bool valid = *seconds == -1 || *seconds == 0 || (*seconds >= 60 && *seconds <= 604800);
    if (!valid) object.Reject("suspend_timeout_seconds", "must be -1, 0 or 60 to 604800");
    wish->suspend_timeout_seconds = *seconds;
    *has_plan_gated = true;
  }
  if (auto provisioner = object.Text("provisioner")) wish->provisioner = *provisioner;
  if (object.Has("settings")) wish->settings = SettingsField(object);
}

void RequirePlanAllows(const Service &service, bool has_plan_gated) {
  if (has_plan_gated && service.options.plan_gates_suspend) {
    throw ApiError(412, "suspend interval changing is not allowed for your account");
  }
}

std::string NameField(const ObjectReader &object, const char *name, size_t longest) {
  auto text = object.Text(name);
  if (!text) return "";
  auto is_continuation = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  size_t characters = text->size() - std::count_if(text->begin(), text->end(), is_continuation);
  if (characters < 1 || characters > longest) {
    object.Reject(name, "length must be 1 to " + std::to_string(longest));
  }
  return *text;
}

int64_t LimitParameter(const Call &call, int64_t greatest, int64_t otherwise) {
  auto text = call.Query("limit");
  if (!text) return otherwise;
  bool digits =
      !text->empty() && text->size() < 9 &&
      std::all_of(text->begin(), text->end(), [](char c) { return c >= '0' && c <= '9'; });
  int64_t limit = digits ? std::stoll(*text) : 0;
  if (limit < 1 || limit > greatest) {
    throw ApiError(400, "invalid request: decode params: query: \"limit\": must be 1 to " +
                            std::to_string(greatest));
  }
  return limit;
}

std::string EncodeCursor(const std::string &text) {
  std::string result;
  uint32_t bits = 0;
  int count = 0;
  for (unsigned char c : text) {
    bits = bits << 8 | c;
    for (count += 8; count >= 6; count -= 6)
      result += kBase64[bits >> (count - 6) & 63];
  }
  if (count > 0) result += kBase64[bits << (6 - count) & 63];
  return result;
}

std::optional<std::string> DecodeCursor(const std::string &text) {
  std::string result;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    size_t value = std::string_view(kBase64).find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      result += static_cast<char>(bits >> count & 255);
    }
  }
  return result;
}

std::string QuoteName(const std::string &name) {
  return Quote(name, '"');
}

std::string QuoteLiteral(const std::string &text) {
  return Quote(text, '\'');
}

}  // namespace agent_branch::emulator
