// Counts name look-ups that were given up while their threads may still run.
//
// libcurl's threaded resolver has a thread for each look-up, and one that is given up (time limit,
// cancel) lives on until getaddrinfo() returns; libcurl does not tell when that is. To bound the
// number of threads, a look-up that was given up counts against its owner's limit for the time that
// getaddrinfo() may take at the most under the resolver's usual settings.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "worker/http/curl_loop.hpp"

namespace agent_branch {

class LookupBudget {
 public:
  // resolv.conf(5): 5 s a try, two tries, up to three servers.
  static constexpr std::chrono::seconds kLongestLookup{30};

  void GiveUp(TimePoint now) { until_.push_back(now + kLongestLookup); }
  size_t Count(TimePoint now) {
    while (!until_.empty() && until_.front() <= now)
      until_.pop_front();
    return until_.size();
  }
  // When Count() next goes down.
  std::optional<TimePoint> NextExpiry() const {
    return until_.empty() ? std::nullopt : std::make_optional(until_.front());
  }

 private:
  std::deque<TimePoint> until_;
};

}  // namespace agent_branch
