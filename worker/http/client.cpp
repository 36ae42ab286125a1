#include "worker/http/client.hpp"

#include <algorithm>

namespace agent_branch {

namespace {

using std::chrono::steady_clock;

HttpResponse TooLate(const Exchange &exchange) {
  return NotSent(Status::Error(
      "08001", "could not send a request to \"" + Printable(exchange.host()) + "\" in time",
      "It waited for its turn until its time limit passed.",
      "Reduce the number of sessions that run at once, or check why the service answers slowly."));
}

std::optional<TimePoint> Earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::Create(HttpClientOptions options) {
  Result<std::unique_ptr<CurlLoop>> loop =
      CurlLoop::Create(options.max_connections, options.max_host_connections);
  if (!loop.ok()) return loop.status();
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(options), std::move(loop.value())));
}

HttpClient::HttpClient(HttpClientOptions options, std::unique_ptr<CurlLoop> loop)
    : options_(std::move(options)),
      exchange_options_{
          options_.user_agent, options_.ca_file,      options_.proxy, options_.max_header_bytes,
          options_.max_idle,   options_.max_lifetime, &sockets_},
      loop_(std::move(loop)),
      resolver_(*loop_, options_.max_look_ups) {}

HttpClient::~HttpClient() {
  for (const auto &[easy, exchange] : running_)
    loop_->Remove(easy);
}

void HttpClient::Send(uint64_t id, HttpRequest request) {
  if (easy_of_.count(id) != 0) {
    // Not "not sent": the caller could take it for the answer to the first one.
    HttpResponse response;
    response.error = Status::Error("XX000", "an HTTP exchange with this number is under way");
    return Complete(id, std::move(response));
  }
  const TimePoint now = steady_clock::now();
  Result<std::unique_ptr<Exchange>> exchange =
      Exchange::Create(id, std::move(request), exchange_options_, now);
  if (!exchange.ok()) return Complete(id, NotSent(exchange.status()));
  deadlines_.emplace(exchange.value()->deadline(), id);
  easy_of_.emplace(id, exchange.value()->easy());
  queue_.push_back(std::move(exchange.value()));
  StartNext(now);
}

void HttpClient::Cancel(uint64_t id) {
  completions_.erase(std::remove_if(completions_.begin(), completions_.end(),
                                    [id](const HttpCompletion &one) { return one.id == id; }),
                     completions_.end());
  const auto found = easy_of_.find(id);
  if (found == easy_of_.end()) return;
  std::unique_ptr<Exchange> exchange = TakeFromLoop(found->second);
  if (!exchange) exchange = TakeFromQueue(id);
  Forget(*exchange);
  StartNext(steady_clock::now());
}

// Nothing when it is not running.
std::unique_ptr<Exchange> HttpClient::TakeFromLoop(CURL *easy) {
  const auto found = running_.find(easy);
  if (found == running_.end()) return nullptr;
  std::unique_ptr<Exchange> exchange = std::move(found->second);
  running_.erase(found);
  loop_->Remove(easy);
  if (exchange->looking_up()) given_up_.GiveUp(steady_clock::now());
  return exchange;
}

// It must be there.
std::unique_ptr<Exchange> HttpClient::TakeFromQueue(uint64_t id) {
  const auto found =
      std::find_if(queue_.begin(), queue_.end(), [id](const auto &one) { return one->id() == id; });
  std::unique_ptr<Exchange> exchange = std::move(*found);
  queue_.erase(found);
  return exchange;
}

std::vector<HttpCompletion> HttpClient::TakeCompletions() {
  return std::exchange(completions_, {});
}

void HttpClient::Resolve(uint64_t id, std::string host, std::chrono::milliseconds timeout) {
  resolver_.Resolve(id, std::move(host), timeout);
}

void HttpClient::CancelResolve(uint64_t id) {
  resolver_.Cancel(id);
}

std::vector<Resolution> HttpClient::TakeResolutions() {
  return resolver_.TakeResolutions();
}

size_t HttpClient::under_way() const {
  return running_.size() + queue_.size() + completions_.size() + resolver_.under_way();
}

std::optional<TimePoint> HttpClient::NextDeadline() const {
  if (!completions_.empty()) return TimePoint();  // long past, and subtracting it does not overflow
  std::optional<TimePoint> next = Earlier(loop_->NextDeadline(), resolver_.NextDeadline());
  if (!deadlines_.empty()) next = Earlier(next, deadlines_.begin()->first);
  if (!queue_.empty()) next = Earlier(next, given_up_.NextExpiry());
  return next;
}

void HttpClient::Advance() {
  for (const CurlLoop::Finished &finished : loop_->Advance())
    if (!resolver_.Finish(finished)) Finish(finished);
  const TimePoint now = steady_clock::now();
  resolver_.Advance(now);
  EndLate(now);
  StartNext(now);
}

void HttpClient::Finish(const CurlLoop::Finished &finished) {
  const auto found = running_.find(finished.easy);
  if (found == running_.end()) return;
  // A look-up that failed has ended all the same.
  if (finished.code != CURLE_OPERATION_TIMEDOUT) found->second->EndLookUp();
  const std::unique_ptr<Exchange> exchange = TakeFromLoop(finished.easy);
  if (finished.code == CURLE_OPERATION_TIMEDOUT) exchange->HangUpIfSilent();
  CompleteExchange(*exchange, exchange->Finish(finished.code));
}

// For the queue, and for those that wait inside libcurl for a connection to become free: it ends
// these only once it has started them (measured with 7.88).
void HttpClient::EndLate(TimePoint now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const uint64_t id = deadlines_.begin()->second;
    if (std::unique_ptr<Exchange> running = TakeFromLoop(easy_of_.at(id))) {
      running->HangUpIfSilent();
      CompleteExchange(*running, running->Finish(CURLE_OPERATION_TIMEDOUT));
    } else {
      const std::unique_ptr<Exchange> queued = TakeFromQueue(id);
      CompleteExchange(*queued, TooLate(*queued));
    }
  }
}

void HttpClient::StartNext(TimePoint now) {
  while (!queue_.empty() && running_.size() + given_up_.Count(now) < options_.max_exchanges) {
    std::unique_ptr<Exchange> exchange = std::move(queue_.front());
    queue_.pop_front();
    Start(std::move(exchange), now);
  }
}

void HttpClient::Start(std::unique_ptr<Exchange> exchange, TimePoint now) {
  CURL *easy = exchange->easy();
  if (exchange->SetTimeLimits(now) != CURLE_OK || loop_->Add(easy) != CURLM_OK) {
    CompleteExchange(*exchange, exchange->Finish(CURLE_FAILED_INIT));
    return;
  }
  running_.emplace(easy, std::move(exchange));
}

void HttpClient::Forget(const Exchange &exchange) {
  easy_of_.erase(exchange.id());
  deadlines_.erase({exchange.deadline(), exchange.id()});
}

void HttpClient::CompleteExchange(const Exchange &exchange, HttpResponse response) {
  Forget(exchange);
  Complete(exchange.id(), std::move(response));
}

void HttpClient::Complete(uint64_t id, HttpResponse response) {
  completions_.push_back({id, std::move(response)});
}

}  // namespace agent_branch
