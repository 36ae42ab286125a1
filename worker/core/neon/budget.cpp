#include "worker/core/neon/budget.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace agent_branch {

class RequestBudget::Locked {
 public:
  explicit Locked(BudgetGuard *guard) : guard_(guard) {
    if (guard_ != nullptr) guard_->Lock();
  }
  ~Locked() {
    if (guard_ != nullptr) guard_->Unlock();
  }
  Locked(const Locked &) = delete;
  Locked &operator=(const Locked &) = delete;

 private:
  BudgetGuard *guard_;
};

void RequestBudget::Configure(int per_minute, int burst, Instant now) {
  Locked locked(guard_);
  // A burst as large as the minute's allowance would leave nothing to refill with.
  const int new_burst = std::max(1, std::min(burst, per_minute / 2));
  const double new_rate = std::max(1, per_minute - new_burst) / 60'000.0;
  // One that has just come to what others spent knows no rate of the time before but its own.
  per_millisecond_ = std::min(per_millisecond_, new_rate);
  Refill(now);
  bool was_full = !spent_->begun || spent_->tokens >= burst_;
  burst_ = new_burst;
  per_millisecond_ = new_rate;
  spent_->tokens = was_full ? burst_ : std::min<double>(spent_->tokens, burst_);
  // What was spent before the server that shares it came up is not known: Neon still counts it.
  if (!spent_->begun && guard_ != nullptr) spent_->tokens = 0;
  spent_->begun = true;
}

void RequestBudget::Refill(Instant now) const {
  if (now <= spent_->refilled_at) return;
  double earned = static_cast<double>((now - spent_->refilled_at).count()) * per_millisecond_;
  spent_->tokens = std::min<double>(burst_, spent_->tokens + earned);
  spent_->refilled_at = now;
}

SpentBudget::Route &RequestBudget::RouteOf(const std::string &route) const {
  uint64_t id = std::hash<std::string>()(route) | 1;
  SpentBudget::Route *last = &spent_->routes[SpentBudget::kRoutes - 1];
  for (SpentBudget::Route *known = spent_->routes; known < last; ++known) {
    if (known->id == 0) known->id = id;
    if (known->id == id) return *known;
  }
  return *last;  // for all that have no place of their own
}

Instant RequestBudget::FindWhen(const SpentBudget::Route &route, Instant now) const {
  Refill(now);
  Instant when = std::max(now, spent_->closed_until);
  if (spent_->tokens < 1) {
    auto wait = static_cast<int64_t>(std::ceil((1 - spent_->tokens) / per_millisecond_));
    when = std::max(when, std::max(now, spent_->refilled_at) + milliseconds(wait));
  }
  auto burst = static_cast<uint32_t>(burst_);
  if (burst <= SpentBudget::kSends && route.count >= burst) {
    Instant before = route.sends[(route.count - burst) % SpentBudget::kSends];
    when = std::max(when, before + milliseconds(1'000));
  }
  return when;
}

Instant RequestBudget::WhenAllowed(const std::string &route, Instant now) {
  Locked locked(guard_);
  return FindWhen(RouteOf(route), now);
}

bool RequestBudget::Spend(const std::string &route, Instant now) {
  Locked locked(guard_);
  SpentBudget::Route &of_route = RouteOf(route);
  if (FindWhen(of_route, now) > now) return false;
  spent_->tokens = std::max(0.0, spent_->tokens - 1);
  of_route.sends[of_route.count++ % SpentBudget::kSends] = now;
  return true;
}

void RequestBudget::Sent(const std::string &route, Instant now) {
  Locked locked(guard_);
  SpentBudget::Route &of_route = RouteOf(route);
  if (of_route.count == 0) return;
  Instant &last = of_route.sends[(of_route.count - 1) % SpentBudget::kSends];
  last = std::max(last, now);
}

void RequestBudget::Throttle(Instant until) {
  Locked locked(guard_);
  spent_->closed_until = std::max(spent_->closed_until, until);
  spent_->tokens = 0;
  spent_->refilled_at = std::max(spent_->refilled_at, spent_->closed_until);
}

int RequestBudget::left(Instant now) const {
  Locked locked(guard_);
  Refill(now);
  return static_cast<int>(spent_->tokens);
}

}  // namespace agent_branch
