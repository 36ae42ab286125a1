#include "emulator/request_log.hpp"

#include <stdexcept>

namespace agent_branch::emulator {
namespace {

constexpr size_t kKept = 100'000;
constexpr size_t kLongestBody = 16'384;

void WriteRequest(JsonWriter &json, const LoggedRequest &request) {
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

std::string Line(const LoggedRequest &request) {
  JsonWriter json;
  WriteRequest(json, request);
  return json.Take() + "\n";
}

// A line with nothing but a number stands for all up to that one, which were cleared.
std::string ClearedLine(int64_t total) {
  return "{\"n\":" + std::to_string(total) + "}\n";
}

LoggedRequest ReadRequest(const rapidjson::Value &json) {
  LoggedRequest request;
  request.number = json["n"].GetInt64();
  if (!json.HasMember("method")) return request;
  request.at = ParseTime(json["at"].GetString()).value_or(0);
  request.method = json["method"].GetString();
  request.path = json["path"].GetString();
  request.query = json["query"].GetString();
  request.status = json["status"].GetInt();
  request.milliseconds = json["ms"].GetDouble();
  request.body = json["body"].GetString();
  return request;
}

}  // namespace

void RequestLog::Keep(const std::string &path) {
  path_ = path;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    rapidjson::Document json;
    json.Parse<rapidjson::kParseIterativeFlag>(line.data(), line.size());
    if (json.HasParseError()) break;  // the last one, cut off
    LoggedRequest request = ReadRequest(json);
    total_ = request.number;
    if (!request.method.empty()) Remember(std::move(request));
  }
  WriteFile();
}

void RequestLog::Add(LoggedRequest request) {
  request.number = ++total_;
  if (request.body.size() > kLongestBody) request.body.resize(kLongestBody);
  if (!path_.empty()) file_ << Line(request) << std::flush;
  Remember(std::move(request));
}

void RequestLog::Remember(LoggedRequest request) {
  ++statuses_[request.status];
  requests_.push_back(std::move(request));
  if (requests_.size() > kKept) requests_.pop_front();
}

void RequestLog::Clear() {
  requests_.clear();
  if (!path_.empty()) WriteFile();
}

void RequestLog::Forget(int64_t after) {
  while (!requests_.empty() && requests_.back().number > after) {
    --statuses_[requests_.back().status];
    requests_.pop_back();
  }
  total_ = after;
  if (!path_.empty()) WriteFile();
}

void RequestLog::WriteFile() {
  file_.close();
  file_.open(path_, std::ios::trunc);
  if (requests_.empty()) file_ << ClearedLine(total_);
  for (const LoggedRequest &request : requests_)
    file_ << Line(request);
  file_ << std::flush;
  if (!file_) throw std::runtime_error("cannot write " + path_);
}

void RequestLog::Write(JsonWriter &json, int64_t after) const {
  json.BeginArray();
  for (const LoggedRequest &request : requests_) {
    if (request.number > after) WriteRequest(json, request);
  }
  json.EndArray();
}

}  // namespace agent_branch::emulator
