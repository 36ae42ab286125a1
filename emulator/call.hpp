// A request as the handlers see it, and its answer.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emulator/operations.hpp"

namespace agent_branch::emulator {

struct Call {
  std::string method;
  std::string path;  // decoded, without the query
  std::string raw_query;
  std::map<std::string, std::string> query;
  std::string authorization;
  std::string request_id;
  std::string body;
  std::vector<std::string> arguments;  // what the route's {…} matched, in order
  std::string scope;                   // the project the key is limited to; empty: none
  Fate fate;                           // of the operations this request starts
  bool hide_created = false;           // the first GET of what it creates answers 404

  std::optional<std::string> Query(const std::string &name) const {
    auto found = query.find(name);
    if (found == query.end()) return std::nullopt;
    return found->second;
  }
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
};

using Reply = std::function<void(Response)>;

}  // namespace agent_branch::emulator
