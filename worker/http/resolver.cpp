#include "worker/http/resolver.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "worker/http/request_policy.hpp"

namespace agent_branch {

namespace {

using std::chrono::milliseconds;

constexpr int kMostKicks = 32;
constexpr size_t kLongestHost = 253;  // RFC 1035, 2.3.4, without the final dot

bool IsNumeric(const std::string &host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// It becomes part of a URL: nothing but letters, digits, hyphens, underscores and dots.
bool IsName(const std::string &host) {
  return !host.empty() && host.size() <= kLongestHost &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

Status NotResolved(const std::string &host, std::string detail) {
  return Status::Error("08001", "could not resolve host name \"" + Printable(host) + "\"",
                       std::move(detail), "Check the host name and this machine's name service.");
}

}  // namespace

Resolver::~Resolver() {
  for (const auto &[easy, look_up] : running_)
    loop_.Remove(easy);
}

void Resolver::Resolve(uint64_t id, std::string host, milliseconds timeout) {
  if (IsNumeric(host)) {
    done_.push_back({id, {std::move(host)}, Status()});
    return;
  }
  if (!IsName(host)) return Fail(id, NotResolved(host, "It is no host name."));
  const TimePoint now = std::chrono::steady_clock::now();
  auto look_up = std::make_unique<LookUp>();
  look_up->id = id;
  look_up->host = std::move(host);
  look_up->deadline = now + timeout;
  queue_.push_back(std::move(look_up));
  Advance(now);
}

void Resolver::Cancel(uint64_t id) {
  done_.erase(std::remove_if(done_.begin(), done_.end(),
                             [id](const Resolution &one) { return one.id == id; }),
              done_.end());
  queue_.erase(
      std::remove_if(queue_.begin(), queue_.end(), [id](const auto &one) { return one->id == id; }),
      queue_.end());
  const auto found = std::find_if(running_.begin(), running_.end(),
                                  [id](const auto &one) { return one.second->id == id; });
  if (found == running_.end()) return;
  const TimePoint now = std::chrono::steady_clock::now();
  loop_.Remove(found->first);
  if (found->second->looking_up) given_up_.GiveUp(now);
  running_.erase(found);
  Advance(now);
}

std::vector<Resolution> Resolver::TakeResolutions() {
  return std::exchange(done_, {});
}

bool Resolver::Finish(const CurlLoop::Finished &finished) {
  const auto found = running_.find(finished.easy);
  if (found == running_.end()) return false;
  const std::unique_ptr<LookUp> look_up = std::move(found->second);
  running_.erase(found);
  if (finished.code == CURLE_OPERATION_TIMEDOUT && look_up->looking_up)
    given_up_.GiveUp(std::chrono::steady_clock::now());
  Report(*look_up, finished.code);
  return true;
}

void Resolver::Report(const LookUp &look_up, CURLcode code) {
  // The transfer always fails, for want of a socket; a time limit may cut the list short, and what
  // there is will do.
  if (!look_up.addresses.empty()) {
    done_.push_back({look_up.id, look_up.addresses, Status()});
    return;
  }
  const std::string text =
      look_up.curl_text[0] != 0 ? look_up.curl_text.data() : curl_easy_strerror(code);
  Fail(look_up.id, NotResolved(look_up.host, Printable(text) + "."));
}

void Resolver::Fail(uint64_t id, Status error) {
  done_.push_back({id, {}, std::move(error)});
}

void Resolver::Advance(TimePoint now) {
  Kick();
  const auto late = std::stable_partition(queue_.begin(), queue_.end(),
                                          [now](const auto &one) { return one->deadline > now; });
  for (auto one = late; one != queue_.end(); ++one)
    Fail((*one)->id, NotResolved((*one)->host, "Too many other look-ups were under way."));
  queue_.erase(late, queue_.end());
  while (!queue_.empty() && running_.size() + given_up_.Count(now) < max_at_once_) {
    std::unique_ptr<LookUp> look_up = std::move(queue_.front());
    queue_.pop_front();
    Start(std::move(look_up), now);
  }
}

// When libcurl gets no socket for an address it makes the next one ready, but looks at it only when
// a timer runs out (measured with 7.88: 0.2 s for the second address, up to half the time limit for
// the third). To pause and to continue a transfer makes it run at once (curl_easy_pause() in
// lib/easy.c), for one more address; should a libcurl do so no longer, what is there will do.
void Resolver::Kick() {
  std::vector<CURL *> complete;
  for (const auto &[easy, look_up] : running_) {
    if (look_up->addresses.empty()) continue;
    if (look_up->kicks++ == kMostKicks || curl_easy_pause(easy, CURLPAUSE_RECV) != CURLE_OK ||
        curl_easy_pause(easy, CURLPAUSE_CONT) != CURLE_OK)
      complete.push_back(easy);
  }
  for (CURL *easy : complete) {
    loop_.Remove(easy);
    Finish({easy, CURLE_COULDNT_CONNECT});
  }
}

void Resolver::Start(std::unique_ptr<LookUp> look_up, TimePoint now) {
  look_up->easy.reset(curl_easy_init());
  if (!look_up->easy || SetUp(*look_up, now) != CURLE_OK ||
      loop_.Add(look_up->easy.get()) != CURLM_OK)
    return Fail(look_up->id, NotResolved(look_up->host, "libcurl could not begin the look-up."));
  CURL *easy = look_up->easy.get();
  running_.emplace(easy, std::move(look_up));
}

CURLcode Resolver::SetUp(LookUp &look_up, TimePoint now) {
  const auto left = std::chrono::duration_cast<milliseconds>(look_up.deadline - now);
  const long limit = static_cast<long>(std::clamp<long long>(left.count(), 1, 86'400'000));
  const std::string url = "http://" + look_up.host + "/";
  SetOptions set(look_up.easy.get());
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_FRESH_CONNECT, 1L);  // a pooled connection would need no look-up
  set(CURLOPT_CONNECT_ONLY, 1L);
  set(CURLOPT_TIMEOUT_MS, limit);
  set(CURLOPT_CONNECTTIMEOUT_MS, limit);
  set(CURLOPT_ERRORBUFFER, look_up.curl_text.data());
  set(CURLOPT_RESOLVER_START_FUNCTION, &Resolver::OnLookUp);
  set(CURLOPT_RESOLVER_START_DATA, &look_up);
  set(CURLOPT_OPENSOCKETFUNCTION, &Resolver::OnAddress);
  set(CURLOPT_OPENSOCKETDATA, &look_up);
  return set.result();
}

std::optional<TimePoint> Resolver::NextDeadline() const {
  if (!done_.empty()) return TimePoint();
  std::optional<TimePoint> next;
  if (queue_.empty()) return next;
  next = given_up_.NextExpiry();
  for (const auto &look_up : queue_)
    if (!next || look_up->deadline < *next) next = look_up->deadline;
  return next;
}

int Resolver::OnLookUp(void *, void *, void *look_up) noexcept {
  static_cast<LookUp *>(look_up)->looking_up = true;
  return 0;
}

curl_socket_t Resolver::OnAddress(void *look_up, curlsocktype, curl_sockaddr *address) noexcept {
  try {
    auto *self = static_cast<LookUp *>(look_up);
    self->looking_up = false;
    std::array<char, NI_MAXHOST> text;
    if (getnameinfo(&address->addr, address->addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0)
      return CURL_SOCKET_BAD;
    std::string numeric(text.data());
    if (std::find(self->addresses.begin(), self->addresses.end(), numeric) == self->addresses.end())
      self->addresses.push_back(std::move(numeric));
  } catch (...) {  // no memory: the list is shorter
  }
  return CURL_SOCKET_BAD;
}

}  // namespace agent_branch
