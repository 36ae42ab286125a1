#include "emulator/rate_limit.hpp"

namespace agent_branch::emulator {

bool RateLimit::Admit(const std::string &key, const std::string &route, int64_t per_minute,
                      int64_t burst, int64_t now_ms) {
  if (per_minute == 0) return true;
  auto &minute = minutes_[key];
  auto &second = seconds_[key + '\n' + route];
  if (minute.Count(now_ms) >= per_minute) return false;
  if (burst > 0 && second.Count(now_ms) >= burst) return false;
  minute.Add(now_ms);
  second.Add(now_ms);
  return true;
}

}  // namespace agent_branch::emulator
