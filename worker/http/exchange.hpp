// One HTTP exchange: a request, the easy handle that carries it, and what came back so far.
//
// The exchange owns everything that libcurl reads while the transfer runs (URL, header lines, body)
// and must stay where it is until its handle has left the loop. Its callbacks run inside
// CurlLoop's calls; they touch nothing but the exchange.
//
// Whether a request may have had an effect is decided by one fact: libcurl calls the pre-request
// callback when the connection is there, TLS included, and before it writes the request
// (CURLOPT_PREREQFUNCTION(3); state_do() in lib/multi.c). Never called: not one byte of the request
// was written. Called: it may have been.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "worker/core/neon/http_message.hpp"
#include "worker/http/curl_handle.hpp"
#include "worker/http/curl_loop.hpp"
#include "worker/http/failure.hpp"
#include "worker/http/request_policy.hpp"
#include "worker/http/socket_table.hpp"

namespace agent_branch {

struct ExchangeOptions {
  std::string user_agent;
  std::string ca_file;  // empty: the system's
  std::string proxy;    // empty: none
  size_t max_header_bytes = 0;
  std::chrono::seconds max_idle{0};
  std::chrono::seconds max_lifetime{0};
  SocketTable *sockets = nullptr;  // borrowed
};

class Exchange {
 public:
  // Refuses what CheckUrl() and CheckRequest() refuse.
  static Result<std::unique_ptr<Exchange>> Create(uint64_t id, HttpRequest request,
                                                  const ExchangeOptions &options, TimePoint now);
  Exchange(const Exchange &) = delete;
  Exchange &operator=(const Exchange &) = delete;

  uint64_t id() const { return id_; }
  CURL *easy() const { return easy_.get(); }
  TimePoint deadline() const { return deadline_; }
  const std::string &host() const { return url_.host; }

  // Before it is added to the loop: what is left of the time limit begins to count there.
  CURLcode SetTimeLimits(TimePoint now);
  // Once, after the handle has left the loop.
  HttpResponse Finish(CURLcode code);
  // A look-up was begun and has not ended: its thread may go on after the exchange is gone.
  bool looking_up() const { return looking_up_; }
  void EndLookUp() { looking_up_ = false; }
  // Since the request was written not one byte has come on its connection, whosesoever: hang up, so
  // that nobody else is sent there.
  void HangUpIfSilent();

 private:
  Exchange(uint64_t id, HttpRequest request, CheckedUrl url, const ExchangeOptions &options,
           TimePoint now);
  bool BuildHeaders();
  CURLcode SetUp(const ExchangeOptions &options);
  void SetUpMethod(SetOptions &set);
  void SetUpSafety(SetOptions &set, const ExchangeOptions &options);
  void SetUpCallbacks(SetOptions &set);

  int BeforeRequest(const SocketName &socket);
  size_t TakeHeader(std::string_view line);
  size_t TakeBody(std::string_view bytes);

  static int OnRequest(void *exchange, char *, char *, int, int) noexcept;
  static size_t OnHeader(char *data, size_t size, size_t count, void *exchange) noexcept;
  static size_t OnBody(char *data, size_t size, size_t count, void *exchange) noexcept;
  static int OnLookUp(void *, void *, void *exchange) noexcept;
  static curl_socket_t OnOpenSocket(void *exchange, curlsocktype, curl_sockaddr *address) noexcept;

  const uint64_t id_;
  const HttpRequest request_;
  const CheckedUrl url_;
  const size_t max_header_bytes_;
  const ExchangeOptions options_;
  const TimePoint deadline_;

  bool sent_ = false;
  TimePoint sent_at_;
  SocketName socket_;  // that it was sent on
  bool repeat_refused_ = false;
  bool looking_up_ = false;
  HttpLimit limit_ = HttpLimit::kNone;
  bool headers_complete_ = false;
  size_t header_bytes_ = 0;
  std::string body_;
  std::optional<std::chrono::seconds> retry_after_;
  std::string request_id_;

  std::array<char, CURL_ERROR_SIZE> curl_text_{};
  CurlHeaders headers_;
  CurlEasy easy_;  // last: goes first, while what it points to is still there
};

}  // namespace agent_branch
