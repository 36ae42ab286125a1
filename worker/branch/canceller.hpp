// Ends a statement that still runs at a server, over a connection of its own, and closes both.
//
// Closing a connection does not end its statement, which may hold locks for hours; and PQcancel()
// blocks. So a second connection calls pg_terminate_backend() for the backend whose query begins
// with the first one's mark. Best effort, one attempt, within RunnerOptions::cancel_timeout. The
// first connection stays open meanwhile but is not read.
#pragma once

#include <memory>
#include <string>

#include "worker/branch/dialer.hpp"

namespace agent_branch {

class Canceller {
 public:
  Canceller(int epoll, uint64_t tag, HostResolver *resolver, const RunnerOptions &options,
            std::unique_ptr<Connection> victim, ConnectionTarget target, TimePoint now);

  void Advance(TimePoint now);
  TimePoint deadline() const;
  bool done() const { return done_; }

 private:
  std::unique_ptr<Connection> victim_;
  TimePoint give_up_at_;
  Dialer dialer_;
  std::unique_ptr<Connection> helper_;
  bool done_ = false;
};

}  // namespace agent_branch
