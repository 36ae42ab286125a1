// A curl multi handle as a guest in somebody else's event loop.
//
// The loop owns the multi handle and an epoll descriptor that holds libcurl's sockets; it borrows
// the easy handles that are added, which must be removed, or reported by Advance(), before they are
// freed. It never waits: the owner waits for the descriptor and the deadline, then calls Advance().
// While no transfer is under way no socket is registered and no deadline is set, so idle pooled
// connections wake nobody; a server's close of one is seen when the connection is next wanted.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "worker/core/base/status.hpp"
#include "worker/http/curl_handle.hpp"

namespace agent_branch {

using TimePoint = std::chrono::steady_clock::time_point;

class CurlLoop {
 public:
  struct Finished {
    CURL *easy;  // no longer in the loop
    CURLcode code;
  };

  // Fails when libcurl has no resolver that leaves the loop free, or when there are no descriptors.
  static Result<std::unique_ptr<CurlLoop>> Create(size_t max_connections,
                                                  size_t max_host_connections);
  ~CurlLoop();
  CurlLoop(const CurlLoop &) = delete;
  CurlLoop &operator=(const CurlLoop &) = delete;

  // Readable, level-triggered, while a socket has something for Advance().
  int descriptor() const { return epoll_; }
  std::optional<TimePoint> NextDeadline() const { return deadline_; }

  CURLMcode Add(CURL *easy);
  void Remove(CURL *easy);
  // Does what can be done without waiting. If libcurl's multi handle fails as a whole, every
  // transfer is reported as finished with CURLE_FAILED_INIT.
  std::vector<Finished> Advance();

 private:
  CurlLoop() = default;
  Status Open(size_t max_connections, size_t max_host_connections);
  CURLMcode HandleSockets();
  CURLMcode HandleDeadline();
  CURLMcode Act(curl_socket_t socket, int events);
  std::vector<Finished> CollectFinished(CURLMcode code);

  static int OnSocket(CURL *easy, curl_socket_t socket, int what, void *loop, void *known) noexcept;
  static int OnTimer(CURLM *multi, long milliseconds, void *loop) noexcept;

  int epoll_ = -1;
  std::optional<TimePoint> deadline_;
  std::unordered_set<CURL *> transfers_;
  CurlMulti multi_;
};

}  // namespace agent_branch
