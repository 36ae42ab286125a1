#include "worker/branch/socket_relay.hpp"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace agent_branch {
namespace {

bool IsForLater(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

// Whether the other end of a pair has read all that was written to this one.
bool IsDrained(int socket) {
  int waiting = 0;
  return ioctl(socket, TIOCOUTQ, &waiting) != 0 || waiting == 0;
}

// Sends what `socket` takes now, keeps the rest in `held`. False: it will never take any again.
bool Pass(int socket, std::string_view bytes, std::string *held) {
  const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && !IsForLater(errno)) return false;
  *held = std::string(bytes.substr(static_cast<size_t>(std::max<ssize_t>(sent, 0))));
  return true;
}

}  // namespace

std::unique_ptr<SocketRelay> SocketRelay::Insert(int socket) {
  int pair[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return nullptr;
  const int server = fcntl(socket, F_DUPFD_CLOEXEC, 0);
  const bool replaced = server >= 0 && dup3(pair[1], socket, O_CLOEXEC) >= 0;
  close(pair[1]);
  if (replaced) return std::unique_ptr<SocketRelay>(new SocketRelay(server, pair[0]));
  close(pair[0]);
  if (server >= 0) close(server);
  return nullptr;
}

SocketRelay::~SocketRelay() {
  Send();
  close(libpq_);
  close(server_);
}

void SocketRelay::Receive() {
  if (!inwards_.empty()) return Hand(std::exchange(inwards_, {}));
  if (ended_ || !IsDrained(libpq_)) return;
  char bytes[kPiece];
  const ssize_t count = recv(server_, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (count < 0 && IsForLater(errno)) return;
  if (count <= 0) return End(count < 0 ? strerror(errno) : "");
  received_ += static_cast<uint64_t>(count);
  Hand({bytes, static_cast<size_t>(count)});
}

// The pair is libpq's and ours: that it fails means that libpq has closed its end.
void SocketRelay::Hand(std::string_view bytes) {
  Pass(libpq_, bytes, &inwards_);
}

// Ends by itself: nobody writes meanwhile, and the pair holds some pieces only.
bool SocketRelay::Send() {
  char bytes[kPiece];
  while (!closed_) {
    if (outwards_.empty()) {
      const ssize_t count = recv(libpq_, bytes, sizeof(bytes), MSG_DONTWAIT);
      if (count <= 0) return true;
      outwards_.assign(bytes, static_cast<size_t>(count));
    }
    // A failed write is not the end: the server's last words may wait to be read.
    closed_ = !Pass(server_, std::exchange(outwards_, {}), &outwards_);
    if (!outwards_.empty()) return false;
  }
  return true;
}

// libpq reads what is there, and then finds the end.
void SocketRelay::End(std::string failure) {
  ended_ = true;
  failure_ = std::move(failure);
  shutdown(libpq_, SHUT_WR);
}

}  // namespace agent_branch
