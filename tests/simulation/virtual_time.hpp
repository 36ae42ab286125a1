// A clock that stands still, and what is to happen when it is moved.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "worker/core/base/clock.hpp"

namespace agent_branch::simulation {

class VirtualClock : public Clock {
 public:
  Instant Now() const override { return now_; }
  // The worker's calendar, which may be wrong.
  int64_t UnixTime() const override { return TrueUnixTime() + skew_; }
  int64_t TrueUnixTime() const { return kBegin + now_.count() / 1000; }

  void AdvanceTo(Instant when) { now_ = when > now_ ? when : now_; }
  void Skew(int64_t seconds) {
    skew_ = seconds;
    was_wrong_ = was_wrong_ || seconds != 0;
  }
  bool was_wrong() const { return was_wrong_; }

 private:
  static constexpr int64_t kBegin = 1'780'000'000;  // in 2026

  Instant now_{0};
  int64_t skew_ = 0;
  bool was_wrong_ = false;
};

// Things to happen, in the order of their time; those of the same time in the order they were put
// down.
class Agenda {
 public:
  void Put(Instant when, std::function<void()> what) {
    items_.emplace(std::make_pair(when, next_++), std::move(what));
  }
  bool empty() const { return items_.empty(); }
  // Only when not empty.
  Instant next() const { return items_.begin()->first.first; }
  std::function<void()> Take() {
    std::function<void()> what = std::move(items_.begin()->second);
    items_.erase(items_.begin());
    return what;
  }

 private:
  std::map<std::pair<Instant, uint64_t>, std::function<void()>> items_;
  uint64_t next_ = 0;
};

}  // namespace agent_branch::simulation
