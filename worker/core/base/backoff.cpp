#include "worker/core/base/backoff.hpp"

#include <algorithm>

namespace agent_branch {

milliseconds BackoffDelay(const BackoffPolicy &policy, int attempt, Random &random) {
  constexpr int kMaxDoublings = 20;  // far beyond any cap, far below an overflow
  int doublings = std::clamp(attempt - 1, 0, kMaxDoublings);
  milliseconds ceiling = std::min(policy.cap, policy.base * (int64_t{1} << doublings));
  auto delay = static_cast<int64_t>(static_cast<double>(ceiling.count()) * random.Next());
  return std::max(milliseconds(10), milliseconds(delay));
}

}  // namespace agent_branch
