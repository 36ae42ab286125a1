// The one budget of requests that all sessions of an API key share.
//
// Neon allows an account 700 requests a minute and 40 a second on each route (reference/api,
// "Rate limits"). A bucket that refills evenly keeps any 60 seconds within the first: it holds
// `burst` and refills at (per_minute - burst) a minute. The last `burst` sends of each route keep
// any second within the other.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "worker/core/clock.hpp"

namespace agent_branch {

class RequestBudget {
 public:
  // per_minute and burst as in agent_branch.rate_limit_per_minute and rate_limit_burst. A change
  // takes effect at once; what was spent stays spent.
  void Configure(int per_minute, int burst, Instant now);

  // When a request on `route` may be sent: `now` or later.
  Instant WhenAllowed(const std::string &route, Instant now);
  // Spends one request; only when WhenAllowed() says now.
  void Spend(const std::string &route, Instant now);
  // What was spent last on `route` leaves only now: a commit came in between.
  void Sent(const std::string &route, Instant now);
  // The server said 429: nothing is sent before `until`, and the bucket is empty then.
  void Throttle(Instant until);

  int left(Instant now);

 private:
  void Refill(Instant now);

  int burst_ = 40;
  double per_millisecond_ = 660.0 / 60'000;
  double tokens_ = 40;
  Instant refilled_at_{0};
  Instant closed_until_{0};
  std::map<std::string, std::deque<Instant>> sent_;
};

}  // namespace agent_branch
