// HTTP requests inside somebody else's event loop: what the core's HttpTransport is made of.
//
// The client owns its connections, its descriptor and all exchanges under way; whoever runs the
// loop waits for descriptor() to be readable or for NextDeadline() to pass, calls Advance(), and
// takes what has completed. No call waits. One thread only. While nothing is under way the
// descriptor stays quiet and there is no deadline. Completions are there to be taken while
// NextDeadline() is in the past, so a loop that looks at it before it sleeps misses none, even
// those of Send() itself.
//
// An exchange's time limit counts from Send(), the wait for its turn included. Redirects are not
// followed, the environment's proxies not used, and only a GET is ever repeated by itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "worker/core/base/status.hpp"
#include "worker/core/neon/http_message.hpp"
#include "worker/http/curl_loop.hpp"
#include "worker/http/exchange.hpp"
#include "worker/http/lookup_budget.hpp"
#include "worker/http/resolver.hpp"

namespace agent_branch {

struct HttpClientOptions {
  size_t max_connections = 64;
  size_t max_host_connections = 64;
  // Exchanges handed to libcurl at once; the others wait in order. Each may cost a thread while its
  // host name is looked up, and a given-up look-up counts on for a while (LookupBudget).
  size_t max_exchanges = 64;
  size_t max_look_ups = 16;  // of Resolve(), likewise
  size_t max_header_bytes = 64 * 1024;
  std::chrono::seconds max_idle{50};  // a connection unused for longer is not used again
  std::string user_agent = "agent_branch";
  std::chrono::seconds max_lifetime{600};  // one that is older takes no new exchange
  std::string ca_file;  // PEM, the authorities to verify with; empty: the system's
  std::string proxy;    // URL of a proxy for https; empty: none, whatever the environment says
};

class HttpClient : public HttpTransport {
 public:
  static Result<std::unique_ptr<HttpClient>> Create(HttpClientOptions options);
  ~HttpClient() override;
  HttpClient(const HttpClient &) = delete;
  HttpClient &operator=(const HttpClient &) = delete;

  void Send(uint64_t id, HttpRequest request) override;
  void Cancel(uint64_t id) override;
  std::vector<HttpCompletion> TakeCompletions();

  // Look-ups have ids of their own. See Resolver.
  void Resolve(uint64_t id, std::string host, std::chrono::milliseconds timeout);
  void CancelResolve(uint64_t id);
  std::vector<Resolution> TakeResolutions();

  // For exchanges that are sent from now on; see HttpClientOptions.
  void UseCaFile(std::string path) { exchange_options_.ca_file = std::move(path); }
  void UseProxy(std::string url) { exchange_options_.proxy = std::move(url); }

  int descriptor() const { return loop_->descriptor(); }
  std::optional<TimePoint> NextDeadline() const;
  void Advance();
  // Exchanges and look-ups whose result has not been taken.
  size_t under_way() const;

 private:
  HttpClient(HttpClientOptions options, std::unique_ptr<CurlLoop> loop);
  void Finish(const CurlLoop::Finished &finished);
  void EndLate(TimePoint now);
  std::unique_ptr<Exchange> TakeFromQueue(uint64_t id);
  std::unique_ptr<Exchange> TakeFromLoop(CURL *easy);
  void StartNext(TimePoint now);
  void Start(std::unique_ptr<Exchange> exchange, TimePoint now);
  void Forget(const Exchange &exchange);
  void CompleteExchange(const Exchange &exchange, HttpResponse response);
  void Complete(uint64_t id, HttpResponse response);

  const HttpClientOptions options_;
  SocketTable sockets_;  // before the loop, whose connections it outlives
  ExchangeOptions exchange_options_;
  std::unique_ptr<CurlLoop> loop_;
  Resolver resolver_;
  LookupBudget given_up_;
  std::deque<std::unique_ptr<Exchange>> queue_;
  std::unordered_map<CURL *, std::unique_ptr<Exchange>> running_;
  // Of all exchanges under way, in the queue or running.
  std::unordered_map<uint64_t, CURL *> easy_of_;
  std::set<std::pair<TimePoint, uint64_t>> deadlines_;
  std::vector<HttpCompletion> completions_;
};

}  // namespace agent_branch
