// Calls of the API counted in shared memory, by database and route: they outlive the worker that
// made them, and are read by whoever asks without waking it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "worker/core/neon/call_statistics.hpp"

#include "postgres/server.hpp"

namespace agent_branch {

struct CountedRoute {
  std::string route;
  RouteStatistics statistics;
};

struct CountedCalls {
  TimestampTz since = 0;  // when counting began; 0: nothing was counted yet
  std::vector<CountedRoute> routes;
};

// For the hooks of shared_state.cpp: where the counters are and what guards them.
size_t SharedCallsSize();
void AttachSharedCalls(void *memory, LWLock *lock, bool initialize);

// Adds what a worker counted. Routes beyond those that there is room for are counted together, as
// "other"; a server with more databases than it can have workers counts for the first of them. Does
// not raise.
void AddCalls(Oid database, const CallStatistics &calls);
CountedCalls ReadCalls(Oid database);
// Counting begins anew. Does not raise.
void ResetCalls(Oid database);
// The database has no extension any more, or is gone. Does not raise.
void ForgetCalls(Oid database);

}  // namespace agent_branch
