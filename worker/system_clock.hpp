// The clock and the chance of the real world.
#pragma once

#include <chrono>
#include <random>

#include "worker/core/base/clock.hpp"

namespace agent_branch {

class SystemClock : public Clock {
 public:
  Instant Now() const override {
    return std::chrono::duration_cast<Instant>(std::chrono::steady_clock::now().time_since_epoch());
  }
  int64_t UnixTime() const override {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

class SystemRandom : public Random {
 public:
  double Next() override { return std::uniform_real_distribution<double>(0, 1)(generator_); }

 private:
  std::mt19937_64 generator_{std::random_device{}()};
};

}  // namespace agent_branch
