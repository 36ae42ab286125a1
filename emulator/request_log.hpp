// Remembers the API's requests for GET /admin/requests, so that tests can say what a client sent.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "emulator/clock.hpp"
#include "emulator/json.hpp"

namespace agent_branch::emulator {

struct LoggedRequest {
  int64_t number = 0;
  Microseconds at = 0;
  std::string method;
  std::string path;
  std::string query;
  std::string body;  // requests carry no secret but the key, which is a header
  int status = 0;    // 0: the connection was closed without an answer
  double milliseconds = 0;
};

class RequestLog {
 public:
  void Add(LoggedRequest request);
  void Clear() { requests_.clear(); }  // the numbers go on
  void Write(JsonWriter &json, int64_t after) const;
  const std::map<int, int64_t> &statuses() const { return statuses_; }
  int64_t total() const { return total_; }

 private:
  std::deque<LoggedRequest> requests_;
  std::map<int, int64_t> statuses_;
  int64_t total_ = 0;
};

}  // namespace agent_branch::emulator
