// From a target to an open connection: look-up of the name, attempts, waits between them.
//
// Neon's computes sleep and start on demand, and are refused, reset or told "starting up"
// meanwhile. Such failures are tried again until the time is up; a wrong password or a database
// that does not exist will not change, and ends it at once.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "worker/branch/connection.hpp"
#include "worker/branch/host_resolver.hpp"
#include "worker/branch/runner_options.hpp"

namespace agent_branch {

using TimePoint = std::chrono::steady_clock::time_point;

class Dialer {
 public:
  // resolver: borrowed, may be null (names then fail). tag: of the connection in the epoll set, and
  // of the look-up at the resolver.
  Dialer(int epoll, uint64_t tag, HostResolver *resolver, const RunnerOptions &options,
         ConnectionTarget target, TimePoint give_up_at);
  ~Dialer();
  Dialer(const Dialer &) = delete;
  Dialer &operator=(const Dialer &) = delete;

  void Advance(TimePoint now);
  TimePoint deadline() const;

  // Not empty: open, and the dialer is done.
  std::unique_ptr<Connection> TakeConnection() { return std::move(open_); }
  // Not ok: given up.
  const Status &status() const { return status_; }

 private:
  void Resolve();
  void OnAddresses(const Result<std::vector<std::string>> &addresses);
  void Attempt(TimePoint now);
  void Follow(TimePoint now);
  void Failed(const ConnectionFailure &failure, TimePoint now);
  void GiveUp(const ConnectionFailure &failure);

  int epoll_;
  uint64_t tag_;
  HostResolver *resolver_;
  const RunnerOptions &options_;
  ConnectionTarget target_;
  TimePoint give_up_at_;
  TimePoint attempted_at_;
  TimePoint wake_at_;  // of the attempt's end, or the next one's beginning
  bool asked_ = false;
  bool resolving_ = false;
  std::vector<std::string> addresses_;
  size_t attempts_ = 0;
  std::chrono::milliseconds backoff_;
  std::unique_ptr<Connection> attempt_;
  std::unique_ptr<Connection> open_;
  ConnectionFailure last_failure_;
  Status status_;
};

// Whether trying again may help.
bool IsTransient(const ConnectionFailure &failure);

}  // namespace agent_branch
