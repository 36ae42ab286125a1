// Keeps signals away from threads that libcurl starts.
//
// A thread inherits the mask of the one that creates it. libcurl's resolver threads must not run
// the process's signal handlers (in a PostgreSQL process these touch state that only the main
// thread may touch), so every call into libcurl that may start one is made with all signals
// blocked. Those that report a fault of the thread itself stay open: blocking them is undefined
// (pthread_sigmask(3)).
#pragma once

#include <pthread.h>
#include <signal.h>

namespace agent_branch {

class SignalBlock {
 public:
  SignalBlock() noexcept {
    sigset_t all;
    sigfillset(&all);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL})
      sigdelset(&all, fault);
    blocked_ = pthread_sigmask(SIG_SETMASK, &all, &before_) == 0;
  }
  ~SignalBlock() {
    if (blocked_) pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalBlock(const SignalBlock &) = delete;
  SignalBlock &operator=(const SignalBlock &) = delete;

 private:
  sigset_t before_;
  bool blocked_ = false;
};

}  // namespace agent_branch
