// How long to wait before the next try: exponential with full jitter, so that many sessions that
// failed together do not come back together.
#pragma once

#include "worker/core/base/clock.hpp"

namespace agent_branch {

struct BackoffPolicy {
  milliseconds base{250};
  milliseconds cap{5'000};
};

// attempt: 1 for the first failure. Uniform in (0, min(cap, base * 2^(attempt-1))], at least 10 ms.
milliseconds BackoffDelay(const BackoffPolicy &policy, int attempt, Random &random);

}  // namespace agent_branch
