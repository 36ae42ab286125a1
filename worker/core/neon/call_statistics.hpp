// Calls of the API counted by route, as agent_api_calls shows them.
//
// RouteStatistics is plain data, so that it can lie in shared memory: a worker counts what it does
// between two turns of its loop and adds that to what is there. Latencies are kept as a histogram,
// whose percentiles are exact to a bucket.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "worker/core/neon/call_report.hpp"

namespace agent_branch {

// Upper bounds of the buckets, in milliseconds; the last bucket, beyond them, has none.
inline constexpr std::array<int32_t, 33> kCallTimeBounds{
    1,    2,    3,    4,    5,    7,     10,    14,    20,    30,    40,
    50,   70,   100,  140,  200,  300,   400,   500,   700,   1000,  1400,
    2000, 3000, 4000, 5000, 7000, 10000, 14000, 20000, 30000, 40000, 60000};
inline constexpr size_t kCallTimeBuckets = kCallTimeBounds.size() + 1;

// What an exchange can come to, as errors_by_kind of agent_api_calls names it; kDone is not one.
inline constexpr size_t kResponseKinds = static_cast<size_t>(ResponseKind::kUnknown) + 1;
std::string_view ResponseKindName(ResponseKind kind);

struct RouteStatistics {
  int64_t calls = 0;
  int64_t retries = 0;
  int64_t waits = 0;  // calls that did not go at once
  int64_t waited_ms = 0;
  int64_t took_ms = 0;
  int64_t longest_ms = 0;
  std::array<int64_t, kResponseKinds> by_kind{};
  std::array<int64_t, kCallTimeBuckets> by_time{};

  void Count(const CallReport &report);
  void Add(const RouteStatistics &more);
  // Milliseconds below which this part (0 to 1) of the calls ended, between the bounds of its
  // bucket in proportion; 0 when there was no call.
  double Percentile(double part) const;
};

class CallStatistics {
 public:
  void Count(const CallReport &report) { routes_[std::string(report.route)].Count(report); }
  bool empty() const { return routes_.empty(); }
  const std::map<std::string, RouteStatistics> &routes() const { return routes_; }
  void Clear() { routes_.clear(); }

 private:
  std::map<std::string, RouteStatistics> routes_;
};

}  // namespace agent_branch
