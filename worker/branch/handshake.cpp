#include "worker/branch/handshake.hpp"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "worker/branch/handshake_threads.hpp"

namespace agent_branch {
namespace {

// libpq makes room for as much before it reads, and reads once a step, so that it has then taken
// all that was looked at.
constexpr int kMostBytes = 8192;

int LocalPort(int socket) {
  sockaddr_in6 address = {};  // the port is where IPv4 has it
  socklen_t length = sizeof(address);
  if (getsockname(socket, reinterpret_cast<sockaddr *>(&address), &length) != 0) return 0;
  return ntohs(address.sin6_port);
}

}  // namespace

Handshake::Handshake(PgConnection connection)
    : connection_(std::move(connection)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Handshake::~Handshake() {
  if (wake_ >= 0) close(wake_);
}

bool Handshake::Begin(const std::shared_ptr<Handshake> &handshake) {
  handshake->done_ = false;
  return HandshakeThreads::OfProcess().Run([handshake] { handshake->Step(); });
}

std::optional<HandshakeResult> Handshake::TakeResult() {
  if (!done_) return std::nullopt;
  eventfd_t count = 0;
  eventfd_read(wake_, &count);
  return std::exchange(result_, {});
}

void Handshake::Step() {
  switch (Look()) {
    case Sight::kWaitToRead:
      result_.polled = PGRES_POLLING_READING;
      break;
    case Sight::kWaitToWrite:
      result_.polled = PGRES_POLLING_WRITING;
      break;
    case Sight::kRead:
      if (result_.refused.empty()) result_.polled = PQconnectPoll(connection_.get());
  }
  done_ = true;
  eventfd_write(wake_, 1);
}

Handshake::Sight Handshake::Look() {
  if (PQstatus(connection_.get()) != CONNECTION_AWAITING_RESPONSE) return Sight::kRead;
  // libpq may have tried again without TLS, where that is allowed, on a socket of the same number.
  const int port = LocalPort(PQsocket(connection_.get()));
  if (std::exchange(local_port_, port) != port) stream_ = {};
  void *ssl = PQsslStruct(connection_.get(), "OpenSSL");
  return ssl ? LookIntoTls(ssl) : LookIntoSocket();
}

// Reads one TLS record at most, as libpq does after it.
Handshake::Sight Handshake::LookIntoTls(void *ssl_of_libpq) {
  auto *ssl = static_cast<SSL *>(ssl_of_libpq);
  char bytes[SSL3_RT_MAX_PLAIN_LENGTH];
  ERR_clear_error();
  const int count = SSL_peek(ssl, bytes, sizeof(bytes));
  const int error = SSL_get_error(ssl, count);
  ERR_clear_error();
  if (error == SSL_ERROR_WANT_READ) return Sight::kWaitToRead;
  if (error == SSL_ERROR_WANT_WRITE) return Sight::kWaitToWrite;
  if (count <= 0) return Sight::kRead;  // libpq finds the same, and says what it is
  if (count > kMostBytes) {
    result_.refused = "the server sent too much before it was ready";
  } else {
    result_.refused = stream_.Feed({bytes, static_cast<size_t>(count)});
  }
  return Sight::kRead;
}

// More may come between this look and libpq's, but nothing that libpq would act on: what follows a
// whole message is an answer to what libpq says to that.
Handshake::Sight Handshake::LookIntoSocket() {
  const int socket = PQsocket(connection_.get());
  pollfd state = {socket, POLLRDHUP, 0};
  const bool at_end = poll(&state, 1, 0) == 1;  // asked first: nothing comes after the end
  char bytes[kMostBytes];
  const ssize_t count = recv(socket, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return Sight::kWaitToRead;
  if (count <= 0) return Sight::kRead;
  AuthenticationStream ahead = stream_;
  result_.refused = ahead.Feed({bytes, static_cast<size_t>(count)});
  if (result_.refused.empty() && !ahead.at_boundary() && !at_end && count < kMostBytes) {
    ListenFor(static_cast<int>(count) + 1);
    return Sight::kWaitToRead;
  }
  ListenFor(1);
  stream_ = std::move(ahead);
  return Sight::kRead;
}

// The socket is ready once it holds so many.
void Handshake::ListenFor(int bytes) {
  setsockopt(PQsocket(connection_.get()), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

}  // namespace agent_branch
