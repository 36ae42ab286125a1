#include "emulator/request_log.hpp"

namespace agent_branch::emulator {
namespace {

constexpr size_t kKept = 100'000;
constexpr size_t kLongestBody = 16'384;

}  // namespace

void RequestLog::Add(LoggedRequest request) {
  request.number = ++total_;
  ++statuses_[request.status];
  if (request.body.size() > kLongestBody) request.body.resize(kLongestBody);
  requests_.push_back(std::move(request));
  if (requests_.size() > kKept) requests_.pop_front();
}

void RequestLog::Write(JsonWriter &json, int64_t after) const {
  json.BeginArray();
  for (const LoggedRequest &request : requests_) {
    if (request.number <= after) continue;
    json.BeginObject();
    json.Field("n", request.number);
    json.Field("at", FormatTimePrecisely(request.at));
    json.Field("method", request.method);
    json.Field("path", request.path);
    json.Field("query", request.query);
    json.Field("status", request.status);
    json.Field("ms", request.milliseconds);
    json.Field("body", request.body);
    json.EndObject();
  }
  json.EndArray();
}

}  // namespace agent_branch::emulator
