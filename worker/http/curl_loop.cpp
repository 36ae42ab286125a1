#include "worker/http/curl_loop.hpp"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "worker/http/signal_block.hpp"

namespace agent_branch {

namespace {

// Events taken at once, and rounds in one Advance(): a busy server must not keep the owner's loop
// from its other work. What is left over keeps the descriptor readable.
constexpr int kEventsAtOnce = 64;
constexpr int kRounds = 4;

Status CannotStart(std::string detail, std::string hint = {}) {
  return Status::Error("08001", "could not start the HTTP client", std::move(detail),
                       std::move(hint));
}

}  // namespace

Result<std::unique_ptr<CurlLoop>> CurlLoop::Create(size_t max_connections,
                                                   size_t max_host_connections) {
  std::unique_ptr<CurlLoop> loop(new CurlLoop());
  Status status = loop->Open(max_connections, max_host_connections);
  if (!status.ok()) return status;
  return loop;
}

Status CurlLoop::Open(size_t max_connections, size_t max_host_connections) {
  // Never undone: curl_global_cleanup() is not safe while a resolver thread that was given up may
  // still run, and the process ends soon after the client does.
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return CannotStart("libcurl could not be initialized.");
  const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);
  if ((version->features & CURL_VERSION_ASYNCHDNS) == 0)
    return CannotStart("This libcurl looks names up synchronously, which would block the worker.",
                       "Install a libcurl that was built with the threaded resolver or c-ares.");
  if ((version->features & CURL_VERSION_SSL) == 0)
    return CannotStart("This libcurl has no TLS.", "Install a libcurl that was built with TLS.");
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0)
    return CannotStart(std::string("epoll_create1() failed: ") + strerror(errno) + ".");
  multi_.reset(curl_multi_init());
  if (!multi_) return CannotStart("libcurl could not allocate a multi handle.");
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &CurlLoop::OnSocket);
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &CurlLoop::OnTimer);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_.get(), CURLMOPT_MAX_TOTAL_CONNECTIONS,
                    static_cast<long>(max_connections));
  curl_multi_setopt(multi_.get(), CURLMOPT_MAX_HOST_CONNECTIONS,
                    static_cast<long>(max_host_connections));
  curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(max_connections));
  return Status();
}

CurlLoop::~CurlLoop() {
  if (multi_) {
    for (CURL *easy : transfers_)
      curl_multi_remove_handle(multi_.get(), easy);
    // curl_multi_cleanup() closes pooled connections and may call back while it does.
    curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, nullptr);
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, nullptr);
    SignalBlock block;
    multi_.reset();
  }
  if (epoll_ >= 0) close(epoll_);
}

CURLMcode CurlLoop::Add(CURL *easy) {
  SignalBlock block;
  const CURLMcode code = curl_multi_add_handle(multi_.get(), easy);
  if (code == CURLM_OK) transfers_.insert(easy);
  return code;
}

void CurlLoop::Remove(CURL *easy) {
  if (transfers_.erase(easy) == 0) return;
  SignalBlock block;
  curl_multi_remove_handle(multi_.get(), easy);
}

std::vector<CurlLoop::Finished> CurlLoop::Advance() {
  CURLMcode code = CURLM_OK;
  for (int round = 0; round < kRounds && code == CURLM_OK; ++round) {
    code = HandleSockets();
    if (code == CURLM_OK) code = HandleDeadline();
    if (!deadline_ || *deadline_ > std::chrono::steady_clock::now()) break;
  }
  return CollectFinished(code);
}

CURLMcode CurlLoop::HandleSockets() {
  std::array<epoll_event, kEventsAtOnce> events;
  const int count = epoll_wait(epoll_, events.data(), kEventsAtOnce, 0);
  for (int n = 0; n < count; ++n) {
    int what = 0;
    if ((events[n].events & (EPOLLIN | EPOLLHUP)) != 0) what |= CURL_CSELECT_IN;
    if ((events[n].events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
    if ((events[n].events & EPOLLERR) != 0) what |= CURL_CSELECT_ERR;
    // A socket that an earlier event of this batch closed is unknown to libcurl by now, which
    // ignores it.
    const CURLMcode code = Act(events[n].data.fd, what);
    if (code != CURLM_OK) return code;
  }
  return CURLM_OK;
}

CURLMcode CurlLoop::HandleDeadline() {
  if (!deadline_ || *deadline_ > std::chrono::steady_clock::now()) return CURLM_OK;
  // Cleared first: libcurl sets the next one, if any, from inside the call, and calls back even if
  // it is the same again (multi_socket() in lib/multi.c forgets the last one for this purpose).
  deadline_.reset();
  return Act(CURL_SOCKET_TIMEOUT, 0);
}

CURLMcode CurlLoop::Act(curl_socket_t socket, int events) {
  SignalBlock block;
  int running = 0;
  return curl_multi_socket_action(multi_.get(), socket, events, &running);
}

std::vector<CurlLoop::Finished> CurlLoop::CollectFinished(CURLMcode code) {
  std::vector<Finished> finished;
  int left = 0;
  while (const CURLMsg *message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg == CURLMSG_DONE)
      finished.push_back({message->easy_handle, message->data.result});
  }
  if (code != CURLM_OK) {
    for (CURL *easy : transfers_) {
      const bool reported = std::any_of(finished.begin(), finished.end(),
                                        [easy](const Finished &one) { return one.easy == easy; });
      if (!reported) finished.push_back({easy, CURLE_FAILED_INIT});
    }
  }
  // Not inside the loop above: removing a handle invalidates the messages
  // (curl_multi_info_read(3)).
  for (const Finished &one : finished)
    Remove(one.easy);
  return finished;
}

int CurlLoop::OnSocket(CURL *, curl_socket_t socket, int what, void *loop, void *) noexcept {
  const int epoll = static_cast<CurlLoop *>(loop)->epoll_;
  if (what == CURL_POLL_REMOVE) {
    // Fails harmlessly if the socket was closed before: the kernel removed it then.
    epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event{};
  event.data.fd = socket;
  if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
  // Whether the socket is there is the kernel's knowledge, not libcurl's: a number may have been
  // closed and given out again between two calls.
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) == 0) return 0;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0 ? 0 : -1;
}

int CurlLoop::OnTimer(CURLM *, long milliseconds, void *loop) noexcept {
  std::optional<TimePoint> &deadline = static_cast<CurlLoop *>(loop)->deadline_;
  if (milliseconds < 0)
    deadline.reset();
  else
    deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  return 0;
}

}  // namespace agent_branch
