// Sees what happens in a run: what must not happen is kept, the rest only when somebody reads it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/virtual_time.hpp"

namespace agent_branch::simulation {

class Witness {
 public:
  Witness(const VirtualClock *clock, bool tracing) : clock_(clock), tracing_(tracing) {}

  // Building the text of a note costs more than the run: ask first.
  bool tracing() const { return tracing_; }
  void Note(const std::string &what) {
    if (tracing_) trace_.push_back(Stamp() + what);
  }
  void Violation(const std::string &what) {
    Note("VIOLATION: " + what);
    constexpr size_t kEnough = 20;
    if (violations_.size() < kEnough) violations_.push_back(Stamp() + what);
  }
  // Folds what happened into a number that two runs of one seed must share.
  void Mix(uint64_t value) { digest_ = (digest_ ^ value) * 0x100000001B3; }

  const std::vector<std::string> &violations() const { return violations_; }
  std::vector<std::string> TakeTrace() { return std::move(trace_); }
  uint64_t digest() const { return digest_; }

 private:
  std::string Stamp() const {
    int64_t now = clock_->Now().count();
    std::string millis = std::to_string(1000 + now % 1000).substr(1);
    return std::to_string(now / 1000) + "." + millis + "  ";
  }

  const VirtualClock *clock_;
  bool tracing_;
  std::vector<std::string> violations_;
  std::vector<std::string> trace_;
  uint64_t digest_ = 0xCBF29CE484222325;
};

}  // namespace agent_branch::simulation
