// The one budget of requests that all who use an API key share.
//
// Neon allows an account 700 requests a minute and 40 a second on each route (Neon's API
// reference, "API rate limiting"). A bucket that refills evenly keeps any 60 seconds within the
// first: it holds `burst` and refills at (per_minute - burst) a minute. The last `burst` sends of
// each route keep any second within the other.
//
// What is spent may lie in memory that several processes share, so that the workers of several
// databases of one server keep to the limits together.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "worker/core/base/clock.hpp"

namespace agent_branch {

// Plain data; all zero: nothing is spent yet. Of a route only so many sends are kept: a burst above
// that is limited by the bucket alone.
struct SpentBudget {
  static constexpr uint32_t kRoutes = 16;
  static constexpr uint32_t kSends = 64;
  struct Route {
    uint64_t id;  // of its text; 0: free
    uint32_t count;
    Instant sends[kSends];  // the n-th at n % kSends
  };

  bool begun;
  double tokens;
  Instant refilled_at;
  Instant closed_until;
  Route routes[kRoutes];
};

// Keeps other processes off what is shared. Neither may fail.
class BudgetGuard {
 public:
  virtual ~BudgetGuard() = default;
  virtual void Lock() = 0;
  virtual void Unlock() = 0;
};

class RequestBudget {
 public:
  // One of its own.
  RequestBudget() : own_(std::make_unique<SpentBudget>()), spent_(own_.get()) {}
  // Both are borrowed.
  RequestBudget(SpentBudget *spent, BudgetGuard *guard) : spent_(spent), guard_(guard) {}

  // per_minute and burst as in agent_branch.rate_limit_per_minute and rate_limit_burst. A change
  // takes effect at once; what was spent stays spent.
  void Configure(int per_minute, int burst, Instant now);

  // When a request on `route` may be sent: `now` or later.
  Instant WhenAllowed(const std::string &route, Instant now);
  // Spends one request; only when WhenAllowed() says now. False: somebody else was faster.
  bool Spend(const std::string &route, Instant now);
  // What was spent last on `route` leaves only now: a commit came in between.
  void Sent(const std::string &route, Instant now);
  // The server said 429: nothing is sent before `until`, and the bucket is empty then.
  void Throttle(Instant until);

  int left(Instant now) const;

 private:
  class Locked;
  void Refill(Instant now) const;
  Instant FindWhen(const SpentBudget::Route &route, Instant now) const;
  SpentBudget::Route &RouteOf(const std::string &route) const;

  int burst_ = 40;
  double per_millisecond_ = 660.0 / 60'000;
  std::unique_ptr<SpentBudget> own_;
  SpentBudget *spent_ = nullptr;
  BudgetGuard *guard_ = nullptr;
};

// Where the budget of a key is. file: a project's api_key_file, or empty for the setting's.
class BudgetSource {
 public:
  virtual ~BudgetSource() = default;
  virtual RequestBudget Budget(const std::string &file) = 0;
};

}  // namespace agent_branch
