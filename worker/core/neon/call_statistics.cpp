#include "worker/core/neon/call_statistics.hpp"

#include <algorithm>

namespace agent_branch {

std::string_view ResponseKindName(ResponseKind kind) {
  switch (kind) {
    case ResponseKind::kDone:
      return "done";
    case ResponseKind::kNotFound:
      return "not found";
    case ResponseKind::kExists:
      return "exists";
    case ResponseKind::kPlan:
      return "plan";
    case ResponseKind::kLimit:
      return "limit";
    case ResponseKind::kRefused:
      return "refused";
    case ResponseKind::kBusy:
      return "busy";
    case ResponseKind::kThrottled:
      return "throttled";
    case ResponseKind::kUnavailable:
      return "unavailable";
    case ResponseKind::kKey:
      return "key";
    case ResponseKind::kForbidden:
      return "forbidden";
    case ResponseKind::kUnreachable:
      return "unreachable";
    case ResponseKind::kUnknown:
      break;
  }
  return "unknown";
}

void RouteStatistics::Count(const CallReport &report) {
  ++calls;
  if (report.is_retry) ++retries;
  if (report.waited.count() > 0) ++waits;
  waited_ms += report.waited.count();
  const int64_t took = std::max<int64_t>(report.took.count(), 0);
  took_ms += took;
  longest_ms = std::max(longest_ms, took);
  ++by_kind[static_cast<size_t>(report.kind)];
  const auto bound = std::lower_bound(kCallTimeBounds.begin(), kCallTimeBounds.end(), took);
  ++by_time[static_cast<size_t>(bound - kCallTimeBounds.begin())];
}

void RouteStatistics::Add(const RouteStatistics &more) {
  calls += more.calls;
  retries += more.retries;
  waits += more.waits;
  waited_ms += more.waited_ms;
  took_ms += more.took_ms;
  longest_ms = std::max(longest_ms, more.longest_ms);
  for (size_t n = 0; n < by_kind.size(); ++n)
    by_kind[n] += more.by_kind[n];
  for (size_t n = 0; n < by_time.size(); ++n)
    by_time[n] += more.by_time[n];
}

double RouteStatistics::Percentile(double part) const {
  if (calls == 0) return 0;
  const double wanted = part * static_cast<double>(calls);
  double below = 0;
  for (size_t n = 0; n < kCallTimeBuckets; ++n) {
    const auto here = static_cast<double>(by_time[n]);
    if (here > 0 && below + here >= wanted) {
      const double from = n == 0 ? 0 : kCallTimeBounds[n - 1];
      // Nothing took longer than the longest, which is all that is known of the last bucket.
      const auto longest = static_cast<double>(longest_ms);
      const double to =
          n == kCallTimeBounds.size() ? longest : std::min<double>(kCallTimeBounds[n], longest);
      return from + std::max(0.0, to - from) * std::max(0.0, wanted - below) / here;
    }
    below += here;
  }
  return static_cast<double>(longest_ms);
}

}  // namespace agent_branch
