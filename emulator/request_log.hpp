// Remembers the API's requests for GET /admin/requests, so that tests can say what a client sent;
// and, apart from that, those that changed something, for GET /admin/effects.
//
// With --keep they are in a file as well, a line each, which is only ever added to.
#pragma once

#include <cstdint>
#include <deque>
#include <fstream>
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
  // Takes up what the file holds and adds to it from now on.
  void Keep(const std::string &path);
  void Add(LoggedRequest request);
  void Clear();  // the numbers go on
  // Forgets what came after that many: requests whose effect is not known of any more.
  void Forget(int64_t after);
  void Write(JsonWriter &json, int64_t after) const;
  const std::map<int, int64_t> &statuses() const { return statuses_; }
  int64_t total() const { return total_; }

 private:
  void Remember(LoggedRequest request);
  void WriteFile();

  std::string path_;
  std::ofstream file_;
  std::deque<LoggedRequest> requests_;
  std::map<int, int64_t> statuses_;
  int64_t total_ = 0;
};

}  // namespace agent_branch::emulator
