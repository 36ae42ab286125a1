#include "worker/branch/handshake_threads.hpp"

#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace agent_branch {
namespace {

constexpr std::chrono::seconds kPatienceAtExit{2};

// A thread inherits the mask of the one that makes it. The process's signal handlers touch what
// only its main thread may touch; a fault of the thread itself must not be blocked.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL})
      sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals &) = delete;
  NoSignals &operator=(const NoSignals &) = delete;

 private:
  sigset_t before_;
};

}  // namespace

struct HandshakeThreads::Shared {
  std::mutex mutex;
  std::condition_variable idle;
  std::deque<std::function<void()>> steps;
  int threads = 0;
};

HandshakeThreads &HandshakeThreads::OfProcess() {
  // What is registered for exit() first runs last: OpenSSL's end must come after ours.
  OPENSSL_init_ssl(0, nullptr);
  static HandshakeThreads threads;
  return threads;
}

HandshakeThreads::HandshakeThreads() : shared_(std::make_shared<Shared>()) {}

HandshakeThreads::~HandshakeThreads() {
  std::deque<std::function<void()>> dropped;
  std::unique_lock<std::mutex> lock(shared_->mutex);
  dropped.swap(shared_->steps);
  shared_->idle.wait_for(lock, kPatienceAtExit, [this] { return shared_->threads == 0; });
  lock.unlock();
}

bool HandshakeThreads::Run(std::function<void()> step) {
  std::lock_guard<std::mutex> lock(shared_->mutex);
  shared_->steps.push_back(std::move(step));
  if (shared_->threads == kMost) return true;
  try {
    NoSignals block;
    std::thread([shared = shared_] { Work(shared); }).detach();
    ++shared_->threads;
  } catch (const std::system_error &) {
    if (shared_->threads > 0) return true;
    shared_->steps.pop_back();
    return false;
  }
  return true;
}

void HandshakeThreads::Work(const std::shared_ptr<Shared> &shared) {
  std::unique_lock<std::mutex> lock(shared->mutex);
  while (!shared->steps.empty()) {
    std::function<void()> step = std::move(shared->steps.front());
    shared->steps.pop_front();
    lock.unlock();
    step();
    step = nullptr;  // what it owned may end here, outside of the lock
    lock.lock();
  }
  if (--shared->threads == 0) shared->idle.notify_all();
}

}  // namespace agent_branch
