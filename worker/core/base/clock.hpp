// Time, and chance, as the core sees them: interfaces, so that a test can run a year in a second.
#pragma once

#include <chrono>
#include <cstdint>

namespace agent_branch {

// Milliseconds on a clock that never goes back; its zero means nothing.
using Instant = std::chrono::milliseconds;
using std::chrono::milliseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
  // Seconds since 1970-01-01 UTC: what expiries are in.
  virtual int64_t UnixTime() const = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  // Uniform in [0, 1).
  virtual double Next() = 0;
};

}  // namespace agent_branch
