// Neon's two rate limits: requests of a key in any 60 seconds, and of a route in any second.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace agent_branch::emulator {

class RateLimit {
 public:
  // Counts the request unless it is refused. `now_ms` must not go back.
  bool Admit(const std::string &key, const std::string &route, int64_t per_minute, int64_t burst,
             int64_t now_ms);

 private:
  // A sliding window in slots: exact to one slot.
  template <size_t kSlots, int64_t kSlotMs>
  class Window {
   public:
    int64_t Count(int64_t now_ms) {
      Advance(now_ms);
      return total_;
    }
    void Add(int64_t now_ms) {
      Advance(now_ms);
      ++counts_[slot_ % kSlots];
      ++total_;
    }

   private:
    void Advance(int64_t now_ms) {
      int64_t slot = now_ms / kSlotMs;
      if (slot - slot_ >= static_cast<int64_t>(kSlots)) {
        counts_.fill(0);
        total_ = 0;
        slot_ = slot;
      }
      while (slot_ < slot) {
        ++slot_;
        total_ -= counts_[slot_ % kSlots];
        counts_[slot_ % kSlots] = 0;
      }
    }
    std::array<int64_t, kSlots> counts_{};
    int64_t slot_ = 0;
    int64_t total_ = 0;
  };

  std::unordered_map<std::string, Window<120, 500>> minutes_;
  std::unordered_map<std::string, Window<20, 50>> seconds_;
};

}  // namespace agent_branch::emulator
