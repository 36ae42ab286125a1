// Chance with a seed: the same seed, the same draws, on every machine.
#pragma once

#include <cstdint>

#include "worker/core/base/clock.hpp"

namespace agent_branch::simulation {

// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
class Chance : public Random {
 public:
  explicit Chance(uint64_t seed) : state_(seed) {}

  uint64_t Bits() {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t bits = state_;
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB;
    return bits ^ (bits >> 31);
  }

  double Next() override { return static_cast<double>(Bits() >> 11) * 0x1p-53; }
  bool Happens(double probability) { return probability > 0 && Next() < probability; }
  // Both ends are possible.
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Bits() % static_cast<uint64_t>(high - low + 1));
  }
  milliseconds Delay(int64_t low, int64_t high) { return milliseconds(Between(low, high)); }

 private:
  uint64_t state_;
};

}  // namespace agent_branch::simulation
