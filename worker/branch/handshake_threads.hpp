// Threads for what libpq computes while it connects: TLS handshakes and SCRAM.
//
// A step never waits for the network, so a silent server holds no thread; it only computes, and
// what it computes is bounded (AuthenticationStream). Steps call libpq and OpenSSL and nothing of
// PostgreSQL's server, with all signals blocked. A thread begins when there is a step and ends when
// there is none left.
//
// Ownership: a step owns all that it touches. Whoever asked for it may go at any time without
// waiting; the step's copy of a shared object is then the last, and the object ends in the thread.
#pragma once

#include <functional>
#include <memory>

namespace agent_branch {

class HandshakeThreads {
 public:
  static constexpr int kMost = 4;

  // The process's own. When the process exits, steps that have not begun are dropped, and those
  // under way are waited for, two seconds at most: OpenSSL takes itself down after that.
  static HandshakeThreads &OfProcess();
  ~HandshakeThreads();
  HandshakeThreads(const HandshakeThreads &) = delete;
  HandshakeThreads &operator=(const HandshakeThreads &) = delete;

  // `step` must neither wait nor throw. False: the system refused a thread, and none is running.
  bool Run(std::function<void()> step);

 private:
  struct Shared;
  HandshakeThreads();
  static void Work(const std::shared_ptr<Shared> &shared);

  std::shared_ptr<Shared> shared_;  // the threads', too: they may outlive this object
};

}  // namespace agent_branch
