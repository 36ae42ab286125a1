// Injected faults: which requests they meet and what they do to them.
//
// {"match":{"method":"POST","path":"regex","nth":1,"count":1},"do":"status","status":503, …}: from
// the nth matching request on, for `count` of them. Faults that meet the same request add up.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "emulator/call.hpp"
#include "emulator/json.hpp"

namespace agent_branch::emulator {

struct FaultEffects {
  std::optional<Response> answer_instead;  // the real answer is thrown away …
  bool has_effect = true;                  // … or, when false, there is nothing to throw away
  bool drop = false;                       // close instead of answering
  bool truncate = false;
  int64_t delay_before_ms = 0;
  int64_t delay_after_ms = 0;
  Fate fate;
  bool hide_created = false;
};

class Faults {
 public:
  int64_t Add(const std::string &json);  // its id; throws ApiError 400
  void Clear() { faults_.clear(); }
  void Write(JsonWriter &json) const;
  bool empty() const { return faults_.empty(); }
  FaultEffects Meet(const std::string &method, const std::string &path);

 private:
  struct Fault {
    int64_t id = 0;
    std::string text;
    std::string method;
    std::regex path;
    int64_t nth = 1;
    int64_t count = 1;
    int64_t met = 0;
    int64_t done = 0;
    FaultEffects effects;
  };

  std::list<Fault> faults_;
  int64_t made_ = 0;
};

}  // namespace agent_branch::emulator
