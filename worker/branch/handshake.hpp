// A libpq connection while it is being made, one step at a time, each in a thread of
// HandshakeThreads.
//
// Shared by the loop and the thread, which take turns: between Begin() and TakeResult() only the
// thread touches the PGconn, otherwise only the loop. descriptor() becomes readable when a step has
// ended. The loop may let go at any time; a step under way then ends by itself and closes the
// PGconn.
//
// Before libpq reads what a server sends during authentication, the bytes are looked at in place
// (SSL_peek(), MSG_PEEK) and given to an AuthenticationStream.
#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "worker/branch/authentication_stream.hpp"

namespace agent_branch {

struct PgConnectionCloser {
  void operator()(PGconn *connection) const { PQfinish(connection); }
};
using PgConnection = std::unique_ptr<PGconn, PgConnectionCloser>;

struct HandshakeResult {
  PostgresPollingStatusType polled = PGRES_POLLING_FAILED;
  std::string refused;  // why the server's request for authentication was not answered
};

class Handshake {
 public:
  // `connection`: from PQconnectStartParams(), not failed.
  explicit Handshake(PgConnection connection);
  ~Handshake();
  Handshake(const Handshake &) = delete;
  Handshake &operator=(const Handshake &) = delete;

  int descriptor() const { return wake_; }  // an eventfd; -1: the system refused it
  // Only when the socket is ready for what libpq last asked for. False: there is no thread.
  static bool Begin(const std::shared_ptr<Handshake> &handshake);
  // Nothing while the step is under way.
  std::optional<HandshakeResult> TakeResult();

  PGconn *connection() const { return connection_.get(); }
  PgConnection TakeConnection() { return std::move(connection_); }

 private:
  enum class Sight { kRead, kWaitToRead, kWaitToWrite };

  void Step();
  Sight Look();
  Sight LookIntoTls(void *ssl);
  Sight LookIntoSocket();
  void ListenFor(int bytes);

  PgConnection connection_;
  int wake_;
  AuthenticationStream stream_;
  int local_port_ = 0;      // of the connection that stream_ is about
  HandshakeResult result_;  // the thread's until done_
  std::atomic<bool> done_{false};
};

}  // namespace agent_branch
