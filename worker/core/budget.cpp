#include "worker/core/budget.hpp"

#include <algorithm>
#include <cmath>

namespace agent_branch {

void RequestBudget::Configure(int per_minute, int burst, Instant now) {
  Refill(now);
  bool was_full = tokens_ >= burst_;
  // A burst as large as the minute's allowance would leave nothing to refill with.
  burst_ = std::max(1, std::min(burst, per_minute / 2));
  per_millisecond_ = std::max(1, per_minute - burst_) / 60'000.0;
  tokens_ = was_full ? burst_ : std::min<double>(tokens_, burst_);
}

void RequestBudget::Refill(Instant now) {
  if (now <= refilled_at_) return;
  double earned = static_cast<double>((now - refilled_at_).count()) * per_millisecond_;
  tokens_ = std::min<double>(burst_, tokens_ + earned);
  refilled_at_ = now;
}

Instant RequestBudget::WhenAllowed(const std::string &route, Instant now) {
  Refill(now);
  Instant when = std::max(now, closed_until_);
  if (tokens_ < 1) {
    auto wait = static_cast<int64_t>(std::ceil((1 - tokens_) / per_millisecond_));
    when = std::max(when, std::max(now, refilled_at_) + milliseconds(wait));
  }
  const std::deque<Instant> &sends = sent_[route];
  if (sends.size() >= static_cast<size_t>(burst_)) {
    when = std::max(when, sends[sends.size() - burst_] + milliseconds(1'000));
  }
  return when;
}

void RequestBudget::Spend(const std::string &route, Instant now) {
  Refill(now);
  tokens_ = std::max(0.0, tokens_ - 1);
  std::deque<Instant> &sends = sent_[route];
  sends.push_back(now);
  while (sends.size() > static_cast<size_t>(burst_))
    sends.pop_front();
}

void RequestBudget::Sent(const std::string &route, Instant now) {
  std::deque<Instant> &sends = sent_[route];
  if (!sends.empty()) sends.back() = std::max(sends.back(), now);
}

void RequestBudget::Throttle(Instant until) {
  closed_until_ = std::max(closed_until_, until);
  tokens_ = 0;
  refilled_at_ = std::max(refilled_at_, closed_until_);
}

int RequestBudget::left(Instant now) {
  Refill(now);
  return static_cast<int>(tokens_);
}

}  // namespace agent_branch
