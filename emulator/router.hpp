// Which handler answers a path of the API.
#pragma once

#include <string>
#include <vector>

#include "emulator/call.hpp"
#include "emulator/service.hpp"

namespace agent_branch::emulator {

struct Route {
  const char *method;
  const char *pattern;  // below the API's prefix; {} stands for one segment
  Response (*handle)(Service &, Call &);
  void (*handle_later)(Service &, Call &, Reply);  // the other one is null
};

// Nothing when no route matches. Fills in what the segments of {} were.
const Route *FindRoute(const std::string &method, const std::string &path,
                       std::vector<std::string> *arguments);

std::string DecodePercent(const std::string &text, bool plus_is_space);
std::map<std::string, std::string> ParseQuery(const std::string &query);

}  // namespace agent_branch::emulator
