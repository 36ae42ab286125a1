// Turns a host's name into numeric addresses without blocking.
//
// libpq looks names up with getaddrinfo(), which blocks the caller for as long as a name server is
// silent. So branch/ never gives it a name to look up: the worker implements this interface over
// the resolver its HTTP client has, and libpq gets the answer as `hostaddr`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "worker/core/base/status.hpp"

namespace agent_branch {

class HostResolver {
 public:
  // Numeric IPv4 or IPv6 addresses, the best first; never an empty list.
  using Answer = std::function<void(Result<std::vector<std::string>>)>;

  virtual ~HostResolver() = default;
  // Calls `answer` once, on the loop's thread, now or later; never after Forget(id). `id` is unique
  // among the look-ups under way. No deadline is needed: the caller keeps its own.
  virtual void Resolve(uint64_t id, const std::string &host, int port, Answer answer) = 0;
  virtual void Forget(uint64_t id) = 0;
};

}  // namespace agent_branch
