// Looks host names up without blocking, for those who would call getaddrinfo() (libpq does).
//
// A look-up is a libcurl transfer that is never let connect: libcurl asks for a socket for each
// address it found, is told there is none, and tries the next. So look-ups share the client's loop,
// its time limits and its name cache. The resolver borrows the loop, which must outlive it; its
// owner hands it what CurlLoop::Advance() reports.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "worker/core/base/status.hpp"
#include "worker/http/curl_handle.hpp"
#include "worker/http/curl_loop.hpp"
#include "worker/http/lookup_budget.hpp"

namespace agent_branch {

struct Resolution {
  uint64_t id = 0;  // as given to Resolve()
  // Numeric, each once, those of a family in the order of the name service; empty: see error.
  std::vector<std::string> addresses;
  Status error;
};

class Resolver {
 public:
  Resolver(CurlLoop &loop, size_t max_at_once) : loop_(loop), max_at_once_(max_at_once) {}
  ~Resolver();
  Resolver(const Resolver &) = delete;
  Resolver &operator=(const Resolver &) = delete;

  // id: the caller's, unique among the look-ups under way. A numeric address answers at once.
  void Resolve(uint64_t id, std::string host, std::chrono::milliseconds timeout);
  // A look-up that was cancelled reports nothing.
  void Cancel(uint64_t id);
  std::vector<Resolution> TakeResolutions();

  // False when the handle is none of the resolver's.
  bool Finish(const CurlLoop::Finished &finished);
  // Starts what waits for its turn, and gives up what waited for too long.
  void Advance(TimePoint now);
  std::optional<TimePoint> NextDeadline() const;
  size_t under_way() const { return running_.size() + queue_.size() + done_.size(); }

 private:
  struct LookUp {
    uint64_t id = 0;
    std::string host;
    TimePoint deadline;
    bool looking_up = false;
    int kicks = 0;
    std::vector<std::string> addresses;
    std::array<char, CURL_ERROR_SIZE> curl_text{};
    CurlEasy easy;
  };

  void Start(std::unique_ptr<LookUp> look_up, TimePoint now);
  static CURLcode SetUp(LookUp &look_up, TimePoint now);
  void Kick();
  void Report(const LookUp &look_up, CURLcode code);
  void Fail(uint64_t id, Status error);
  static int OnLookUp(void *, void *, void *look_up) noexcept;
  static curl_socket_t OnAddress(void *look_up, curlsocktype, curl_sockaddr *address) noexcept;

  CurlLoop &loop_;
  const size_t max_at_once_;
  LookupBudget given_up_;
  std::deque<std::unique_ptr<LookUp>> queue_;
  std::unordered_map<CURL *, std::unique_ptr<LookUp>> running_;
  std::vector<Resolution> done_;
};

}  // namespace agent_branch
